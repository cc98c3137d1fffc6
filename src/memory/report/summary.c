/* The run in a few sentences, and who held what. */
#include "base/utf8.h"
#include "memory/report/report_priv.h"

static void put_escaped(struct buf *out, const char *s)
{
	utf8_put_printable(out, s, strlen(s));
}

/* --- the summary -------------------------------------------------------------------------------
 */

static void put_mib(struct buf *out, const struct memory_report *how, int64_t bytes)
{
	buf_printf(out, "%.*f MiB", (int)MIN(how->precision, 9U), (double)bytes / MIB);
}

static void put_process_name(struct buf *out, const struct memory_run *run,
			     const struct memory_process *p)
{
	if (run->processes.len > 1)
		buf_printf(out, "process %d: ", (int)p->pid);
}

static void put_peak(struct buf *out, const struct memory_run *run, const struct memory_process *p,
		     const struct memory_report *how)
{
	struct memory_peak peak = report_peak(p);

	if (peak.bytes <= 0)
		return;
	put_process_name(out, run, p);
	buf_puts(out, "peak ");
	put_mib(out, how, peak.bytes);
	buf_printf(out, " %s after %.2f s", report_measure(p), (double)peak.time_ns / NSEC_PER_SEC);
	if (peak.function) {
		buf_puts(out, ", at ");
		put_escaped(out, path_last(peak.function->file));
		buf_printf(out, ":%u (", peak.line);
		put_escaped(out, peak.function->name);
		buf_puts(out, ")");
	}
	buf_puts(out, "\n");
}

/* How the memory of a process that was only watched went on. */
static void put_course(struct buf *out, const struct memory_process *p,
		       const struct memory_report *how)
{
	const struct memory_point *first = p->timeline.data;
	const struct memory_point *last = first ? &first[p->timeline.len - 1] : NULL;

	if (!first)
		return;
	put_mib(out, how, first->resident);
	buf_puts(out, " resident at first, ");
	put_mib(out, how, last->resident);
	buf_printf(out, " after %.2f s\n", (double)last->time_ns / NSEC_PER_SEC);
}

/* Of the process with the highest peak, and how many others there are. */
static const struct memory_process *highest(const struct memory_run *run)
{
	const struct memory_process *best = NULL;
	int64_t most = -1;

	for (size_t i = 0; i < run->processes.len; i++) {
		const struct memory_process *p = &run->processes.data[i];
		int64_t bytes = report_peak(p).bytes;

		if (bytes > most) {
			most = bytes;
			best = p;
		}
	}
	return best;
}

/* Whether lines were measured, where they were to be (holders are kept instead of lines). */
static bool any_line(const struct memory_run *run)
{
	for (size_t i = 0; i < run->processes.len; i++) {
		const struct memory_process *p = &run->processes.data[i];

		if (p->nfunctions || p->at_peak || p->leaks || p->problem)
			return true;
	}
	return !run->processes.len;
}

/* Processes are in the order of their start: did a later one go on under its number? */
static bool became_another(const struct memory_run *run, size_t i)
{
	for (size_t k = i + 1; k < run->processes.len; k++)
		if (run->processes.data[k].pid == run->processes.data[i].pid)
			return true;
	return false;
}

void memory_report_summary(const struct memory_run *run, const struct memory_report *how,
			   struct buf *out)
{
	const struct memory_process *best = highest(run);
	cleanup_buf struct buf remark = {};

	if (best)
		put_peak(out, run, best, how);
	if (best && best->watched)
		put_course(out, best, how);
	if (!any_line(run) && !(best && best->watched))
		buf_puts(out, "no line of the program's own code ran: --only PATTERN measures "
			      "others\n");
	for (size_t i = 0; i < run->processes.len; i++) {
		const struct memory_process *p = &run->processes.data[i];

		for (size_t k = 0; report_remark(p, k, &remark); k++) {
			put_process_name(out, run, p);
			utf8_put_printable(out, (const char *)remark.data, remark.len);
			buf_puts(out, "\n");
		}
		if (!p->end_ns && !p->watched) {
			put_process_name(out, run, p);
			buf_printf(out, "it %s: what was measured until then is shown\n",
				   became_another(run, i) ? "became another program (exec)"
							  : "ended without a word (killed, or "
							    "became another program)");
		}
	}
	if (run->damaged)
		buf_printf(out, "%llu files of processes made no sense and are left out\n",
			   (unsigned long long)run->damaged);
}

/* --- holders ------------------------------------------------------------------------------------
 */

/* The line that allocated, and the heaviest of the ways to it. */
struct holder {
	uint32_t frame; /* with all equal ones: frames are interned */
	uint32_t stack;
	int64_t bytes, blocks, heaviest;
	size_t ways;
};
typedef VEC(struct holder) holder_list;

static int heavier(const void *pa, const void *pb)
{
	const struct holder *a = pa, *b = pb;

	if (a->bytes != b->bytes)
		return a->bytes < b->bytes ? 1 : -1;
	return a->frame < b->frame ? -1 : a->frame > b->frame;
}

static void find_holders(const struct profile *p, holder_list *ret)
{
	struct map64 known = {};

	for (size_t i = 0; i < p->samples.len; i++) {
		const struct profile_sample *s = &p->samples.data[i];
		uint32_t frame = s->stack ? p->stacks.data[s->stack].frame : UINT32_MAX;
		uint64_t *at = map64_get(&known, frame);

		if (!at) {
			map64_set(&known, frame, ret->len);
			vec_push(ret, (struct holder){.frame = frame, .heaviest = -1});
			at = map64_get(&known, frame);
		}
		struct holder *h = &ret->data[*at];

		h->bytes = add_saturated(h->bytes, s->value);
		h->blocks = add_saturated(h->blocks, s->count);
		h->ways++;
		if (s->value > h->heaviest) {
			h->heaviest = s->value;
			h->stack = s->stack;
		}
	}
	map64_fini(&known);
	if (ret->len)
		qsort(ret->data, ret->len, sizeof(*ret->data), heavier);
}

static void put_frame(const struct profile *p, uint32_t frame, struct buf *out)
{
	const struct profile_frame *f = &p->frames.data[frame];
	const struct profile_function *function = &p->functions.data[f->function];
	cleanup_buf struct buf name = {};

	profile_put_frame_name(p, frame, &name);
	utf8_put_printable(out, (const char *)name.data, name.len);
	buf_puts(out, "  ");
	put_escaped(out, path_last(profile_text(p, function->file)));
	if (f->line)
		buf_printf(out, ":%u", f->line);
	buf_puts(out, "\n");
}

/* The frames of Python's own import machinery, which its tracebacks leave out, too. */
static bool imports(const struct profile *p, uint32_t frame)
{
	uint32_t function = p->frames.data[frame].function;
	const char *file = profile_text(p, p->functions.data[function].file);

	return !strncmp(file, "<frozen importlib.", 18);
}

static void put_amounts(int64_t bytes, int64_t blocks, int64_t all, struct buf *out)
{
	buf_printf(out, "%12.3f MiB %6.1f %11lld   ", (double)bytes / MIB,
		   all > 0 ? 100.0 * (double)bytes / (double)all : 0.0, (long long)blocks);
}

/* A row for all that are left out, so that the column is the whole. */
static void put_rest(const holder_list *holders, size_t from, int64_t all, struct buf *out)
{
	int64_t bytes = 0, blocks = 0;

	if (from >= holders->len)
		return;
	for (size_t i = from; i < holders->len; i++) {
		bytes = add_saturated(bytes, holders->data[i].bytes);
		blocks = add_saturated(blocks, holders->data[i].blocks);
	}
	put_amounts(bytes, blocks, all, out);
	buf_printf(out, "... and %zu more: -n 0 shows all\n", holders->len - from);
}

static void put_holder(const struct profile *p, const struct holder *h, int64_t all,
		       struct buf *out)
{
	enum { MAX_DEPTH = 64, SHOWN = 12, INDENT = 38 };
	uint32_t frames[MAX_DEPTH];
	size_t depth = h->stack ? profile_unroll(p, h->stack, frames, MAX_DEPTH) : 0;
	size_t known = MIN(depth, (size_t)MAX_DEPTH), told = 0, shown;

	for (size_t i = 0; i < known; i++)
		if (!told || !imports(p, frames[i]))
			frames[told++] = frames[i];
	depth -= known - told;
	shown = MIN(told, (size_t)SHOWN);
	put_amounts(h->bytes, h->blocks, all, out);
	if (!known)
		buf_puts(out, "(no line of Python)\n");
	for (size_t i = 0; i < shown; i++) {
		if (i)
			buf_printf(out, "%*s", INDENT + 2, "");
		put_frame(p, frames[i], out);
	}
	if (depth > shown)
		buf_printf(out, "%*sand %zu more caller%s\n", INDENT + 2, "", depth - shown,
			   depth - shown == 1 ? "" : "s");
	if (h->ways > 1)
		buf_printf(out, "%*sand %zu other way%s to this line\n", INDENT + 2, "",
			   h->ways - 1, h->ways == 2 ? "" : "s");
}

/* counted: the title of the column of counts. */
static void put_holders(const struct profile *p, const char *counted, size_t max, struct buf *out)
{
	holder_list holders = {};
	int64_t all = profile_total_value(p);
	size_t n;

	find_holders(p, &holders);
	n = MIN(holders.len, max);
	if (n)
		buf_printf(out, "\n%16s %6s %11s   %s\n", "Size", "%", counted,
			   "Line, its callers");
	for (size_t i = 0; i < n; i++)
		put_holder(p, &holders.data[i], all, out);
	put_rest(&holders, n, all, out);
	vec_fini(&holders);
}

void memory_report_holders(const struct profile *p, const char *title, size_t max, struct buf *out)
{
	buf_printf(out, "%.3f MiB in %lld blocks %s\n", (double)profile_total_value(p) / MIB,
		   (long long)profile_total_count(p), title);
	put_holders(p, "Blocks", max, out);
}

void memory_report_growth(const struct memory_run *run, size_t max, struct buf *out)
{
	for (size_t i = 0; i < run->processes.len; i++) {
		const struct memory_process *p = &run->processes.data[i];

		if (!p->growth)
			continue;
		buf_printf(out, "%.3f MiB %s grown", (double)profile_total_value(p->growth) / MIB,
			   report_measure(p));
		if (p->shrank)
			buf_printf(out, ", and %.3f MiB given back under other lines",
				   (double)p->shrank / MIB);
		buf_printf(out, " (%llu samples)\n", (unsigned long long)p->looks);
		put_holders(p->growth, "Samples", max, out);
	}
}
