#include "cmd/timing.h"

#include "base/clock.h"
#include "cmd/table.h"
#include "cmd/timing_tree.h"

enum { MAX_ROWS = 40 };

static void put_or_unknown(struct buf *out, int64_t v, const char *unit)
{
	if (v < 0)
		buf_puts(out, "unknown");
	else if (!v && !strcmp(unit, "nanoseconds"))
		buf_puts(out, "0 s");
	else if (!v && !strcmp(unit, "bytes"))
		buf_puts(out, "0 B");
	else
		amount_put(out, v, unit);
}

/* Title, then pairs of a word and an amount. */
static void line(struct buf *out, const char *title, int64_t v, const char *unit)
{
	cleanup_buf struct buf b = {};

	put_or_unknown(&b, v, unit);
	buf_printf(out, "%-9s %9s", title, buf_cstr(&b));
}

static void more(struct buf *out, const char *before, int64_t v, const char *unit,
		 const char *behind)
{
	buf_puts(out, before);
	put_or_unknown(out, v, unit);
	buf_puts(out, behind);
}

/* ---- one run ---- */

/* What its sleep was, as far as it was looked at: without what is less than 1 %. */
static void put_asleep(const struct run *r, struct buf *out)
{
	const char *comma = "";
	int64_t all = 0;

	for (size_t i = 0; i < ACTIVITY_REASON_COUNT; i++)
		all += r->asleep_ns[i];
	if (!all)
		return;
	buf_printf(out, "%-19s  asleep in %u look%s: ", "", r->asleep, r->asleep == 1 ? "" : "s");
	for (size_t i = 0; i < ACTIVITY_REASON_COUNT; i++) {
		double share = 100 * (double)r->asleep_ns[i] / (double)all;

		if (share < 1)
			continue;
		buf_printf(out, "%s%s %.0f %%", comma, activity_reasons[i], share);
		comma = ", ";
	}
	buf_putc(out, '\n');
}

static void put_waiting(const struct timing *t, const struct run *r, const struct family *f,
			struct buf *out)
{
	int64_t queue, disk;
	struct waiting w = timing_waiting(r);
	const bool alone = f->members.len == 1 && f->members.data[0].threads == 1;

	line(out, "waiting", w.all, "nanoseconds");
	if (w.all >= 0) {
		more(out, "  run queue ", w.run_queue, "nanoseconds", ", ");
		if (w.disk >= 0)
			more(out, "disk ", w.disk, "nanoseconds", ", ");
		more(out,
		     w.disk < 0 ? "disk, network and other sleep " : "network and other sleep ",
		     w.other, "nanoseconds", "");
		if (!alone)
			buf_puts(out, " (its main thread)");
	}
	buf_putc(out, '\n');
	put_asleep(r, out);
	if (alone || !timing_all_waiting(t, &t->commands[0], &queue, &disk))
		return;
	buf_printf(out, "%-19s", "");
	more(out, "  all threads together: run queue ", queue, "nanoseconds", "");
	if (disk >= 0)
		more(out, ", disk ", disk, "nanoseconds", "");
	buf_putc(out, '\n');
}

static void put_memory(const struct run *r, const struct family *f, struct buf *out)
{
	line(out, "memory", r->peak_rss, "bytes");
	buf_puts(out, f->members.len > 1 ? "  peak, of the largest process" : "  peak");
	if (f->members.len > 1)
		more(out, "; together ", r->together_rss, "bytes", " or more");
	if (r->end_rss >= 0) {
		more(out, "; ", r->end_rss, "bytes", " ");
		more(out, "", r->end_rss_age_ns, "nanoseconds", " before its end");
	}
	buf_putc(out, '\n');
}

static void put_run(const struct timing *t, const struct run *r, const struct family *f,
		    struct buf *out)
{
	line(out, "wall", r->wall_ns, "nanoseconds");
	if (r->signal)
		buf_printf(out, "  ended by signal %d (%s)", r->signal, strsignal(r->signal));
	else if (r->status)
		buf_printf(out, "  status %d", r->status);
	buf_putc(out, '\n');
	line(out, "CPU", r->cpu_ns, "nanoseconds");
	buf_printf(out,
		   "  %.1f %% of wall: ", 100 * (double)r->cpu_ns / (double)MAX(r->wall_ns, 1));
	more(out, "user ", r->user_ns, "nanoseconds", "");
	more(out, ", system ", r->system_ns, "nanoseconds", "\n");
	put_waiting(t, r, f, out);
	put_memory(r, f, out);
	line(out, "faults", r->minor_faults, "count");
	more(out, "  minor; ", r->major_faults, "count", " major, read from a disk\n");
	line(out, "switches", r->voluntary_switches, "count");
	more(out, "  voluntary; ", r->involuntary_switches, "count", " involuntary\n");
	line(out, "read", r->read_bytes, "bytes");
	more(out, "  of these from disks ", r->disk_read_bytes, "bytes", "\n");
	line(out, "written", r->written_bytes, "bytes");
	more(out, "  to disks ", r->disk_written_bytes, "bytes", "\n");
}

static void put_amount(struct table *t, int64_t v, const char *unit)
{
	cleanup_buf struct buf b = {};

	put_or_unknown(&b, v, unit);
	table_put(t, buf_cstr(&b));
}

static void put_row(struct table *t, const struct tree_row *r, int64_t all, bool memory)
{
	cleanup_buf struct buf name = {};

	put_amount(t, r->cpu_ns, "nanoseconds");
	table_put_share(t, r->cpu_ns, all);
	put_amount(t, r->longest_ns, "nanoseconds");
	put_amount(t, r->threads, "count");
	if (memory)
		put_amount(t, r->peak_rss ? r->peak_rss : RUN_UNKNOWN, "bytes");
	buf_printf(&name, "%*s%s ", (int)(2 * r->depth), "", r->comm);
	if (r->processes > 1) {
		amount_put(&name, r->processes, "count");
		buf_puts(&name, " processes");
	} else {
		buf_printf(&name, "%d", r->pid);
	}
	table_put_name(t, buf_cstr(&name), NULL, TABLE_PLAIN);
}

/* The row behind this one, as a reader goes: its child, its sibling, one of its ancestors'. */
static uint32_t next_row(const tree_rows *rows, uint32_t i)
{
	if (rows->data[i].child)
		return rows->data[i].child;
	while (i && !rows->data[i].sibling)
		i = rows->data[i].parent;
	return rows->data[i].sibling;
}

static void put_tree(const struct family *f, struct table_look look, struct buf *out)
{
	const char *plain[] = {"CPU", "share", "lived", "threads", "process"};
	const char *memory[] = {"CPU", "share", "lived", "threads", "memory", "process"};
	cleanup(table_fini) struct table t = {.titles = f->accounted ? memory : plain,
					      .columns = f->accounted ? ARRAY_SIZE(memory)
								      : ARRAY_SIZE(plain)};
	tree_rows rows = {};
	int64_t all = 0;
	uint32_t i = 0;
	size_t n = 0;

	timing_tree(f, clock_mono_ns(), &rows);
	for (size_t k = 0; k < rows.len; k++)
		all += rows.data[k].cpu_ns;
	do
		put_row(&t, &rows.data[i], all, f->accounted);
	while (++n < MAX_ROWS && (i = next_row(&rows, i)));
	buf_putc(out, '\n');
	table_print(&t, look, out);
	if (rows.len > n)
		buf_printf(out, "and %zu more: --json has all\n", rows.len - n);
	vec_fini(&rows);
}

/* ---- several runs ---- */

static void put_measure_row(struct table *t, const struct measure *m, const struct statistics *s)
{
	struct outliers o = statistics_outliers(s);
	struct interval in;
	char text[32] = "-";

	put_amount(t, (int64_t)s->median, m->unit);
	if (statistics_median_interval(s, 0.95, &in)) {
		put_amount(t, (int64_t)in.low, m->unit);
		put_amount(t, (int64_t)in.high, m->unit);
	} else {
		table_put(t, "-");
		table_put(t, "-");
	}
	put_amount(t, (int64_t)s->min, m->unit);
	put_amount(t, (int64_t)s->max, m->unit);
	if (s->median > 0)
		snprintf(text, sizeof(text), "%.1f %%",
			 100 * (s->high_quartile - s->low_quartile) / s->median);
	table_put(t, text);
	put_amount(t, (int64_t)(o.low + o.high), "count");
	table_put_name(t, m->title, NULL, TABLE_PLAIN);
}

static void put_command(const struct timing *t, const struct timed_command *c, struct arena *a,
			struct table_look look, struct buf *out)
{
	const char *titles[] = {"median", "from", "to", "min", "max", "spread", "outliers", "of"};
	cleanup(table_fini) struct table table = {.titles = titles, .columns = ARRAY_SIZE(titles)};

	buf_printf(out, "%s: %zu run%s", timing_name(c, a), c->runs.len,
		   c->runs.len == 1 ? "" : "s");
	if (t->warmup)
		buf_printf(out, " after %u to warm up", t->warmup);
	if (c->runs.len && c->runs.data[c->runs.len - 1].status)
		buf_printf(out, ", the last with status %d", c->runs.data[c->runs.len - 1].status);
	buf_putc(out, '\n');
	for (size_t i = 0; i < measure_count; i++) {
		struct statistics s;

		if (!measures[i].title || !measure_statistics(&measures[i], c, &s))
			continue;
		/* What never happened needs no row. */
		if (s.max > 0)
			put_measure_row(&table, &measures[i], &s);
		statistics_fini(&s);
	}
	table_print(&table, look, out);
	buf_putc(out, '\n');
}

/* "12.3 % more", "2.1 % less" */
static void put_change(struct buf *out, double ratio)
{
	double percent = 100 * (ratio - 1);

	if (ratio >= 2)
		buf_printf(out, "%.*f times", ratio < 10 ? 2 : ratio < 100 ? 1 : 0, ratio);
	else
		buf_printf(out, "%.1f %% %s", percent < 0 ? -percent : percent,
			   percent < 0 ? "less" : "more");
}

static void put_comparison(const struct timing *t, const struct measure *m, const char *what,
			   size_t b, struct arena *a, struct buf *out)
{
	const char *one = timing_name(&t->commands[0], a), *other = timing_name(&t->commands[b], a);
	struct comparison c;

	if (!timing_compare(t, m, &t->commands[0], &t->commands[b], &c))
		return;
	if (!c.known) {
		buf_printf(out, "%s: too few runs to tell \"%s\" from \"%s\"\n", what, other, one);
	} else if (!(c.ratio_interval.low > 0)) {
		buf_printf(out, "%s: too short to be compared\n", what);
	} else if (c.different) {
		buf_printf(out, "%s: \"%s\" takes ", what, other);
		put_change(out, c.ratio);
		buf_puts(out, c.ratio >= 2 ? " that of \"" : " than \"");
		buf_printf(out, "%s\": surely between ", one);
		put_change(out, c.ratio_interval.low);
		buf_puts(out, " and ");
		put_change(out, c.ratio_interval.high);
		buf_printf(out, " (p %s%.2g)\n", c.p < 0.001 ? "< " : "= ", MAX(c.p, 0.001));
	} else {
		buf_printf(out, "%s: no difference is certain: \"%s\" takes between ", what, other);
		put_change(out, c.ratio_interval.low);
		buf_puts(out, " and ");
		put_change(out, c.ratio_interval.high);
		buf_printf(out, " compared with \"%s\" (p = %.2g)\n", one, c.p);
	}
}

static void put_sentences(const struct timing *t, const char *before, struct arena *a,
			  void (*find)(const struct timing *, struct arena *, sentences *),
			  struct buf *out)
{
	sentences list = {};

	find(t, a, &list);
	for (size_t i = 0; i < list.len; i++)
		buf_printf(out, "%s%s\n", before, list.data[i]);
	vec_fini(&list);
}

void timing_put_text(const struct timing *t, struct table_look look, struct buf *out)
{
	const struct timed_command *first = &t->commands[0];
	struct arena memory = {};

	if (t->wanted == 1 && t->n == 1 && first->runs.len) {
		put_run(t, &first->runs.data[0], &first->family, out);
		if (first->family.members.len > 1)
			put_tree(&first->family, look, out);
	} else if (t->wanted > 1) {
		for (size_t i = 0; i < t->n; i++)
			put_command(t, &t->commands[i], &memory, look, out);
		for (size_t i = 1; i < t->n; i++) {
			put_comparison(t, measure_find("wall"), "wall clock", i, &memory, out);
			put_comparison(t, measure_find("cpu"), "CPU time", i, &memory, out);
		}
	}
	put_sentences(t, "note: ", &memory, timing_unknown, out);
	put_sentences(t, "doubtful: ", &memory, timing_doubts, out);
	arena_fini(&memory);
}
