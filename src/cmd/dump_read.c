/* Reads what glim dump shows: the process, its threads and their stacks. */
#include "cmd/dump.h"

#include <limits.h>
#include <unistd.h>

#include "base/io.h"
#include "process/activity.h"
#include "unwind/python/gil.h"
#include "unwind/python/layout.h"
#include "unwind/python/process_name.h"
#include "unwind/python/thread_names.h"

enum {
	MAX_COMMAND = 64 << 10,
	MAX_TRIES = 5, /* for a stack whose variables are read while it changes */
};

void dump_stack_fini(struct dump_stack *s)
{
	for (size_t i = 0; i < s->frames.len; i++)
		vec_fini(&s->frames.data[i].values);
	vec_fini(&s->frames);
	vec_fini(&s->natives);
}

void dump_fini(struct dump *d)
{
	for (size_t i = 0; i < d->threads.len; i++)
		dump_stack_fini(&d->threads.data[i].stack);
	for (size_t i = 0; i < d->tasks.len; i++)
		dump_stack_fini(&d->tasks.data[i].stack);
	for (size_t i = 0; i < d->greenlets.len; i++)
		dump_stack_fini(&d->greenlets.data[i].stack);
	for (size_t i = 0; i < d->deadlocks.len; i++)
		vec_fini(&d->deadlocks.data[i].threads);
	vec_fini(&d->threads);
	vec_fini(&d->deadlocks);
	vec_fini(&d->tasks);
	vec_fini(&d->greenlets);
	python_qualnames_free(d->qualnames);
	dump_native_close(d);
	process_fini(&d->process);
	core_close(d->core);
	arena_fini(&d->arena);
}

/* ---- the process ---- */

static void read_command(struct dump *d)
{
	cleanup_buf struct buf b = {};
	char path[64];

	if (d->core) {
		d->command = core_command(d->core);
		return;
	}
	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)d->pid);
	io_read_file(path, MAX_COMMAND, &b);
	while (b.len && !b.data[b.len - 1])
		b.len--;
	for (size_t i = 0; i < b.len; i++)
		if (!b.data[i])
			b.data[i] = ' ';
	d->command = arena_strndup(&d->arena, b.len ? (char *)b.data : "", b.len);
}

static void read_name(struct dump *d)
{
	cleanup_buf struct buf name = {};

	if (!python_process_name(&d->memory, &d->python, &name))
		d->name = arena_strdup(&d->arena, buf_cstr(&name));
}

static int no_python(const struct dump *d, bool expected, struct err *e)
{
	if (d->core && core_missing(d->core))
		return err_set(e, -ENOENT,
			       "no Python is found in this core: %.200s is missing, or is another "
			       "file by now. If it was moved, name it with --exe",
			       core_missing(d->core));
	if (d->core)
		return err_set(e, -ENOENT, "no Python is found in this core");
	if (expected)
		return err_set(e, -EAGAIN, "process %d is only just starting: try again",
			       (int)d->pid);
	return err_set(e, -ENOENT,
		       "process %d runs no Python that glim knows: no interpreter is among its "
		       "files. If it starts one, name that process (pgrep -P %d lists those that "
		       "it started); --native shows functions of any program",
		       (int)d->pid, (int)d->pid);
}

static int find_python(struct dump *d, struct err *e)
{
	struct runtimes *r = runtimes_new();
	const struct mapping *m;
	bool expected, pypy;
	int found = runtimes_find_python(r, &d->process, &d->memory, &d->python);

	expected = !found && runtimes_expect_python(r, &d->process);
	pypy = !found && runtimes_has_pypy(r, &d->process);
	runtimes_free(r);
	if (pypy)
		return err_set(
			e, -ENOENT,
			"%s PyPy, whose stacks Glim does not read; it reads those of CPython",
			d->core ? "this core is of" : "this process runs");
	if (!found)
		return no_python(d, expected, e);
	m = process_find_mapping(&d->process, d->python.eval_start[0]);
	d->program = m ? m->path : "";
	if (d->python.process.layout.style == PYTHON_UNSUPPORTED)
		return err_set(e, -ENOTSUP,
			       "it runs Python %u.%u, which this version of glim does not know",
			       d->python.version >> 24, d->python.version >> 16 & 0xff);
	d->has_names = !python_objects_of(&d->objects, &d->memory, &d->python);
	d->has_objects = d->has_names && python_object_layout_of(d->python.version);
	if (d->options.locals && !d->has_objects)
		return err_set(e, -ENOTSUP,
			       "it runs Python %u.%u%s, whose variables glim cannot read: leave "
			       "--locals away",
			       d->python.version >> 24, d->python.version >> 16 & 0xff,
			       d->python.process.layout.free_threaded ? " without a GIL" : "");
	return 0;
}

/* ---- stacks ---- */

void dump_read_code(struct dump *d, const struct unwind_entry *entry, struct dump_frame *f)
{
	cleanup(python_code_fini) struct python_code c = {};

	if (python_code_read(&d->memory, d->python.version, &d->python.process.layout,
			     entry->address, entry->tag >> 8, &c))
		return;
	if (!python_knows_qualnames(d->python.version))
		python_qualname(&d->qualnames, &d->memory, &d->python, entry->address, &c);
	f->function = arena_strdup(&d->arena, c.name);
	f->file = arena_strdup(&d->arena, c.file);
	f->line = python_code_line(&c, entry->lasti);
	python_code_range(&c, entry->lasti, &f->range);
}

void dump_read_stack(struct dump *d, const struct python_thread *t, struct dump_stack *s)
{
	dump_stack_fini(s);
	for (uint32_t i = 0; i < t->count; i++) {
		const struct unwind_entry *entry = &t->entries[i];
		struct dump_frame f = {.address = t->frames[i], .code = entry->address};

		if ((entry->tag & 0xff) == UNWIND_PYTHON_BOUNDARY)
			continue;
		dump_read_code(d, entry, &f);
		vec_push(&s->frames, f);
	}
	s->end = t->end;
}

/* Frames, from the outermost on, that are the same still. */
static size_t still_there(const struct dump_stack *s, const struct python_thread *t)
{
	size_t same = 0;

	for (uint32_t i = t->count; i-- && same < s->frames.len;) {
		const struct dump_frame *f = &s->frames.data[s->frames.len - 1 - same];

		if ((t->entries[i].tag & 0xff) == UNWIND_PYTHON_BOUNDARY)
			continue;
		if (f->address != t->frames[i] || f->code != t->entries[i].address)
			break;
		same++;
	}
	return same;
}

/* The process runs on while its variables are read. They are shown of those frames that were there
 * before and after. */
static void read_variables(struct dump *d, struct python_reader *r, size_t i, struct dump_stack *s)
{
	const struct python_thread *t = python_reader_thread(r, i);

	for (int tries = 0; tries < MAX_TRIES; tries++) {
		size_t same;

		dump_read_locals(d, s);
		python_reader_read(r, i);
		same = still_there(s, t);
		for (size_t k = 0; k + same < s->frames.len; k++) {
			s->frames.data[k].moved = true;
			vec_clear(&s->frames.data[k].values);
		}
		/* Native frames are of the moment of the first reading. */
		if (same == s->frames.len || tries == MAX_TRIES - 1 || d->native)
			return;
		dump_read_stack(d, t, s);
	}
}

/* ---- threads ---- */

static void read_activity(struct dump *d, struct dump_thread *t, const struct python_gil *gil)
{
	cleanup_buf struct buf text = {};
	struct activity a;

	t->activity = "";
	if (d->core || !t->tid || activity_read(d->pid, t->tid, &a))
		return;
	activity_describe(d->pid, &a, &text);
	t->running = a.state == 'R';
	t->wants_gil = gil && !t->holds_gil && python_gil_is_at(gil, activity_futex(&a));
	if (activity_futex(&a) && t->stack.frames.len && d->has_objects)
		python_lock_waited(&d->objects, t->stack.frames.data[0].address,
				   t->stack.frames.data[0].code, activity_futex(&a), &t->lock);
	t->activity = arena_strdup(&d->arena, buf_cstr(&text));
	if (!t->name)
		t->name = arena_strdup(&d->arena, a.comm);
}

/* What is asked of an interpreter: threads of one stand together. */
struct interpreter {
	uint64_t address;
	struct python_gil gil;
	bool has_gil;
	struct python_thread_names names; /* of all interpreters so far */
};

static void interpreter_read(struct dump *d, uint64_t address, struct interpreter *i)
{
	if (i->address == address)
		return;
	i->address = address;
	i->gil = (struct python_gil){};
	i->has_gil = !python_gil_read(&d->memory, &d->python, address, &i->gil);
	d->has_gil |= i->has_gil;
	if (d->has_names)
		python_thread_names_read(&i->names, &d->objects, address);
	if (!d->has_objects)
		return;
	dump_read_tasks(d, address);
	dump_read_greenlets(d, address);
}

static void read_thread(struct dump *d, struct python_reader *r, size_t i,
			const struct interpreter *interpreter)
{
	const struct python_thread *thread = python_reader_thread(r, i);
	struct dump_thread t = {.id = thread->id,
				.tid = thread->tid,
				.state = thread->state,
				.interpreter = thread->interpreter,
				.main = thread->tid && thread->tid == d->pid};
	const char *name = python_thread_names_find(&interpreter->names, thread->id);

	if (name)
		t.name = arena_strdup(&d->arena, name);
	if (d->native && t.tid)
		dump_native_read(d, t.tid, r, i, &t.stack);
	else
		dump_read_stack(d, thread, &t.stack);
	t.holds_gil = interpreter->has_gil && interpreter->gil.holder == thread->state;
	read_activity(d, &t, &interpreter->gil);
	if (!t.name)
		t.name = "";
	if (thread->in_other)
		dump_stack_fini(&t.stack);
	else
		vec_push(&d->threads, t);
}

static bool is_read(const struct dump *d, pid_t tid)
{
	for (size_t i = 0; i < d->threads.len; i++)
		if (d->threads.data[i].tid == tid)
			return true;
	return false;
}

/* Threads that Python does not know. */
static void read_others(struct dump *d)
{
	cleanup(pids_fini) pid_vec tids = {};

	if (!d->native || dump_native_tids(d, &tids))
		return;
	for (size_t i = 0; i < tids.len; i++) {
		struct dump_thread t = {.tid = tids.data[i], .main = tids.data[i] == d->pid};

		if (is_read(d, t.tid))
			continue;
		dump_native_read(d, t.tid, NULL, 0, &t.stack);
		read_activity(d, &t, NULL);
		if (!t.name)
			t.name = "";
		vec_push(&d->threads, t);
	}
}

/* The main thread first, then as they were started. */
static int by_start(const void *a, const void *b)
{
	const struct dump_thread *x = a, *y = b;

	if (x->main != y->main)
		return x->main ? -1 : 1;
	return (x->tid > y->tid) - (x->tid < y->tid);
}

static int read_pythons(struct dump *d, struct python_reader *r, struct err *e)
{
	struct interpreter interpreter = {};
	int n = d->native ? python_reader_list(r) : python_reader_take(r);

	if (n < 0)
		return err_sys(e, n, "its memory cannot be read");
	for (int i = 0; i < n; i++) {
		interpreter_read(d, python_reader_thread(r, (size_t)i)->interpreter, &interpreter);
		read_thread(d, r, (size_t)i, &interpreter);
	}
	python_thread_names_fini(&interpreter.names);
	for (size_t k = 0; k < d->threads.len && d->options.locals; k++)
		for (int i = 0; i < n; i++)
			if (python_reader_thread(r, (size_t)i)->state == d->threads.data[k].state)
				read_variables(d, r, (size_t)i, &d->threads.data[k].stack);
	return 0;
}

static int read_threads(struct dump *d, struct python_reader *r, struct err *e)
{
	int code = r ? read_pythons(d, r, e) : 0;

	if (code)
		return code;
	read_others(d);
	dump_sort_tasks(d);
	if (d->threads.len)
		qsort(d->threads.data, d->threads.len, sizeof(d->threads.data[0]), by_start);
	dump_place_greenlets(d);
	dump_find_deadlocks(d);
	return 0;
}

static void free_reader(struct python_reader **r)
{
	python_reader_free(*r);
}

static int open_process(struct dump *d, struct err *e)
{
	const struct dump_options *o = &d->options;
	int r;

	if (!o->core) {
		d->pid = o->pid;
		d->memory = memory_of_process(d->pid);
		return process_read(d->pid, &d->process, e);
	}
	r = core_open(o->core, o->exe, &d->core, e);
	if (r < 0)
		return r;
	d->pid = core_pid(d->core);
	d->memory = core_memory(d->core);
	core_process(d->core, &d->process);
	return 0;
}

int dump_read(const struct dump_options *o, struct dump *d, struct err *e)
{
	cleanup(free_reader) struct python_reader *reader = NULL;
	int r;

	*d = (struct dump){.options = *o};
	r = open_process(d, e);
	if (!r)
		r = find_python(d, e);
	if (!r)
		r = python_reader_new(&d->memory, &d->python, &reader, e);
	d->has_python = !r;
	/* Native frames are there without it. */
	if (o->native && (r == -ENOENT || r == -ENOTSUP))
		r = 0;
	if (!r && o->native)
		r = dump_native_open(d, e);
	if (!r)
		r = read_threads(d, reader, e);
	if (r < 0)
		return r;
	read_command(d);
	if (d->has_python)
		read_name(d);
	if (d->options.source)
		dump_read_sources(d);
	return 0;
}
