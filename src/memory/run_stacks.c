/* Of the nodes that hold blocks: who held what at the peak, and who holds what now. */
#include "base/utf8.h"
#include "memory/memory_run_priv.h"

static struct profile *new_profile(const struct memory_run *run)
{
	struct profile *p = profile_new("inuse", "bytes", 0);

	p->time_ns = (int64_t)MIN(run->start_ns, (uint64_t)INT64_MAX);
	return p;
}

/* The frame of a node in p. */
static uint32_t frame_of(const struct memory_file *f, const struct memory_stack_abi *s,
			 struct profile *p)
{
	struct profile_function function = {.kind = FRAME_PYTHON};
	struct profile_frame frame = {.line = s->line};
	const struct memory_raw_function *raw = &f->functions.data[s->function];

	function.name = profile_string(p, raw->name);
	function.file = profile_string(p, raw->file);
	function.start_line = raw->abi->first_line;
	frame.function = profile_function(p, &function);
	return profile_frame(p, &frame);
}

/* What no function of Python was there for: other threads, and the interpreter itself. */
static uint32_t nobody(struct profile *p)
{
	struct profile_function function = {.kind = FRAME_MARK};
	struct profile_frame frame = {};

	function.name = profile_string(p, "outside of Python");
	frame.function = profile_function(p, &function);
	return profile_stack(p, 0, profile_frame(p, &frame));
}

static struct profile_label label(struct profile *p, const char *key, const char *value)
{
	cleanup_buf struct buf text = {};

	utf8_put_printable(&text, value, strlen(value));
	return (struct profile_label){profile_string(p, key),
				      profile_string_n(p, (const char *)text.data, text.len)};
}

/* Whose blocks they are. */
static uint32_t labels_of(const struct memory_process *process, struct profile *p)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", (int)process->pid);
	const struct profile_label all[] = {label(p, "process", process->name),
					    label(p, "pid", pid)};

	return profile_labels(p, all, ARRAY_SIZE(all));
}

static void add(struct profile *p, uint32_t stack, uint32_t labels, int64_t blocks, int64_t bytes)
{
	if (bytes > 0 && blocks > 0)
		profile_add(p, stack, labels, blocks, bytes);
}

/* A node's parent comes before it, and both name a function that is there. */
static bool is_sound(const struct memory_file *f)
{
	for (size_t i = 1; i < f->stacks.len; i++)
		if (f->stacks.data[i]->parent >= i ||
		    f->stacks.data[i]->function >= f->functions.len)
			return false;
	return true;
}

int memory_run_stacks(const struct memory_run *run, const struct memory_file *f,
		      struct memory_process *to)
{
	size_t n = f->stacks.len;
	cleanup_free uint32_t *at_peak = mem_calloc(n + 1, sizeof(*at_peak));
	cleanup_free uint32_t *leaks = mem_calloc(n + 1, sizeof(*leaks));

	uint32_t peak_labels, leak_labels;

	if (!is_sound(f))
		return -EBADMSG;
	to->at_peak = new_profile(run);
	to->leaks = new_profile(run);
	peak_labels = labels_of(to, to->at_peak);
	leak_labels = labels_of(to, to->leaks);
	for (size_t i = 0; i < n; i++) {
		const struct memory_stack_abi *s = f->stacks.data[i];
		/* Changed in the epoch after the peak: then it kept what it had before. */
		bool changed = s->epoch == f->header->epoch;

		if (i) {
			at_peak[i] = profile_stack(to->at_peak, at_peak[s->parent],
						   frame_of(f, s, to->at_peak));
			leaks[i] = profile_stack(to->leaks, leaks[s->parent],
						 frame_of(f, s, to->leaks));
		}
		add(to->at_peak, i ? at_peak[i] : nobody(to->at_peak), peak_labels,
		    changed ? s->peak_blocks : s->blocks, changed ? s->peak_bytes : s->bytes);
		add(to->leaks, i ? leaks[i] : nobody(to->leaks), leak_labels, s->blocks, s->bytes);
	}
	return 0;
}
