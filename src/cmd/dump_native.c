/* Native frames of the threads that glim dump shows, between those of Python. */
#include "cmd/dump.h"

#include <time.h>

#include "base/clock.h"
#include "capture/stops.h"
#include "cmd/cache.h"
#include "symbol/symbol.h"
#include "unwind/join.h"

enum { SYMBOL_BYTES = 64 << 20, MAX_ASKS = 50 };
static const struct timespec ask_again = {.tv_nsec = 50 * 1000 * 1000};

struct dump_native {
	struct stops stops;
	struct target target;
	struct symbolizer *symbolizer;
	struct join_stack joined;
	int64_t now_ns; /* goes on as far as it takes to make all tables */
};

int dump_native_open(struct dump *d, struct err *e)
{
	struct dump_native *n = mem_calloc(1, sizeof(*n));
	struct process *p = &n->target.process;
	cleanup_free char *cache = cache_folder("unwind");

	d->native = n;
	n->now_ns = clock_mono_ns();
	stops_init(&n->stops, cache);
	n->target.readable = true;
	n->target.has_python = d->has_python;
	n->target.python = d->python;
	p->pid = d->process.pid;
	p->start_time = d->process.start_time;
	process_copy_mappings(p, &d->process);
	return symbolizer_new(SYMBOL_BYTES, &n->symbolizer, e);
}

void dump_native_close(struct dump *d)
{
	struct dump_native *n = d->native;

	if (!n)
		return;
	stops_fini(&n->stops);
	process_fini(&n->target.process);
	symbolizer_free(n->symbolizer);
	free(take_ptr(d->native));
}

/* ---- the stack ---- */

struct python_part {
	struct python_reader *reader; /* NULL: it runs no Python */
	size_t i;
};

static void read_python(void *arg)
{
	const struct python_part *k = arg;

	if (k->reader)
		python_reader_read(k->reader, k->i);
}

/* The thread of a core stands still for ever. */
static int take_core(struct dump *d, pid_t tid, struct native_stack *ret)
{
	struct dump_native *n = d->native;
	const struct core_thread *threads;
	size_t count = core_threads(d->core, &threads), i = 0;
	bool changed = false;

	*ret = (struct native_stack){.end = UNWIND_NATIVE_UNREAD};
	while (i < count && threads[i].tid != tid)
		i++;
	if (i == count)
		return -ESRCH;
	thread_copy_take(&n->stops.copy, &d->memory, &threads[i].registers, 0);
	natives_walk_copy(&n->stops.natives, &n->stops.copy, &d->memory, &n->target, n->now_ns, ret,
			  &changed);
	return 0;
}

static int take(struct dump *d, pid_t tid, struct python_part *python, struct native_stack *ret)
{
	struct dump_native *n = d->native;
	bool changed = false;

	/* The budget for tables grows with time: here somebody waits for them. */
	n->now_ns += 10 * NSEC_PER_SEC;
	if (!d->core)
		return stops_take(&n->stops, &n->target, tid, n->now_ns, read_python, python, ret,
				  &changed);
	read_python(python);
	return take_core(d, tid, ret);
}

/* ---- frames ---- */

static const char *text_or_null(struct dump *d, const char *text)
{
	return text && *text ? arena_strdup(&d->arena, text) : NULL;
}

/* What it takes to name one address is bounded, for samples must not wait. A person may. */
static size_t name(struct dump_native *n, const struct mapping *m, uint64_t address,
		   struct symbol ret[SYMBOL_MAX_INLINED])
{
	struct symbolizer_stats before, after;
	size_t count;

	symbolizer_stats(n->symbolizer, &after);
	for (int i = 0; i < MAX_ASKS; i++) {
		before = after;
		count = symbolizer_user(n->symbolizer, &n->target.process, m, address, ret);
		symbolizer_stats(n->symbolizer, &after);
		if (after.debug.unfinished == before.debug.unfinished &&
		    after.postponed == before.postponed)
			break;
		if (after.postponed != before.postponed)
			nanosleep(&ask_again, NULL);
		if (i + 1 < MAX_ASKS)
			symbolizer_trim(n->symbolizer);
	}
	return count;
}

static void add_frame(struct dump *d, const struct join_frame *f, struct dump_stack *s,
		      size_t before)
{
	struct dump_native *n = d->native;
	/* A return address may lie behind the last instruction of its function. */
	uint64_t address = f->exact ? f->address : f->address - 1;
	const struct mapping *m = process_find_mapping(&n->target.process, address);
	struct symbol symbols[SYMBOL_MAX_INLINED];
	size_t count = name(n, m, address, symbols);

	for (size_t i = 0; i < count; i++) {
		const struct dump_native_frame frame = {
			.before = before,
			.function = text_or_null(d, symbols[i].name),
			.module = text_or_null(d, symbols[i].module),
			.file = text_or_null(d, symbols[i].file),
			.line = symbols[i].line,
			.address = symbols[i].address,
		};

		vec_push(&s->natives, frame);
	}
}

static void add_frames(struct dump *d, const struct native_stack *native,
		       const struct python_thread *python, struct dump_stack *s)
{
	struct join_stack *joined = &d->native->joined;
	const struct join_input in = {
		.native = native->entries,
		.native_count = native->count,
		.native_end = native->end,
		.python_entries = python ? python->entries : NULL,
		.python_count = python ? python->count : 0,
		.python = d->has_python ? &d->python : NULL,
	};
	size_t before = 0;

	join(&in, joined);
	for (uint32_t i = 0; i < joined->count; i++) {
		const struct join_frame *f = &joined->frames[i];

		if (f->kind == UNWIND_PYTHON)
			before++;
		else if (f->kind == JOIN_GAP)
			vec_push(&s->natives,
				 (struct dump_native_frame){.before = before, .gap = true});
		else
			add_frame(d, f, s, before);
	}
	s->natives_cut = native->end != UNWIND_NATIVE_COMPLETE;
}

void dump_native_read(struct dump *d, pid_t tid, struct python_reader *r, size_t i,
		      struct dump_stack *s)
{
	struct python_part python = {r, i};
	const struct python_thread *t = r ? python_reader_thread(r, i) : NULL;
	struct native_stack native;
	int code = take(d, tid, &python, &native);

	if (t)
		dump_read_stack(d, t, s);
	s->natives_failed = code;
	add_frames(d, &native, t, s);
}

int dump_native_tids(const struct dump *d, pid_vec *ret)
{
	const struct core_thread *threads;
	size_t n;

	if (!d->core)
		return process_tids(d->pid, ret);
	n = core_threads(d->core, &threads);
	vec_clear(ret);
	for (size_t i = 0; i < n; i++)
		vec_push(ret, threads[i].tid);
	return 0;
}
