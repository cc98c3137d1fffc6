#include "cmd/mem_stacks.h"

#include "base/clock.h"
#include "cmd/target.h"
#include "process/activity.h"

enum { MAX_THREADS = 32 }; /* whose faults are asked for at each look: some microseconds each */

/* ---- stacks ---- */

static uint32_t mark(struct profile *p, const char *name)
{
	struct profile_function function = {.kind = FRAME_MARK};
	struct profile_frame frame = {};

	function.name = profile_string(p, name);
	frame.function = profile_function(p, &function);
	return profile_frame(p, &frame);
}

static uint32_t frame_of(struct mem_stacks *s, struct profile *p, const struct unwind_entry *e)
{
	const struct code_entry *c = target_code(&s->targets, s->target, e->address, e->tag >> 8);
	uint64_t key = (uint64_t)c->id << 32 | e->lasti, *known;
	struct profile_function function = {.kind = FRAME_PYTHON};
	struct profile_frame frame = {};
	uint32_t number;

	if (c->failed)
		return profile_mark(p, OUTCOME_PYTHON_BAD_READ);
	known = map64_get(&s->frames, key);
	if (known)
		return (uint32_t)*known;
	function.name = profile_string(p, c->code.name);
	function.file = profile_string(p, c->code.file);
	function.start_line = c->code.first_line;
	frame.line = python_code_line(&c->code, e->lasti);
	frame.function = profile_function(p, &function);
	number = profile_frame(p, &frame);
	map64_set(&s->frames, key, number);
	return number;
}

static bool is_running(struct mem_stacks *s, pid_t tid)
{
	for (size_t i = 0; i < s->threads.len; i++)
		if (s->threads.data[i].tid == tid)
			return s->threads.data[i].running;
	return false;
}

static void add_thread(struct mem_stacks *s, size_t i, double share, bool touched,
		       struct memory_growth *g)
{
	const struct python_thread *t = python_reader_thread(s->reader, i);
	struct memory_growth_part part = {.thread = t->tid, .share = share, .touched = touched};
	struct profile *p = g->stacks;
	uint32_t stack = 0;

	python_reader_read(s->reader, i);
	part.runs = t->holds_gil || !t->tid || is_running(s, t->tid);
	if (!memory_growth_has_room(g)) {
		s->left_out++;
		part.stack = profile_stack(p, 0, mark(p, "stacks that no room was for"));
		memory_growth_add(g, &part);
		return;
	}
	for (uint32_t k = t->count; k-- > 0;)
		if ((t->entries[k].tag & 0xff) != UNWIND_PYTHON_BOUNDARY)
			stack = profile_stack(p, stack, frame_of(s, p, &t->entries[k]));
	s->looked++;
	if (t->end == UNWIND_PYTHON_TORN) {
		s->torn++;
		stack = profile_stack(p, stack, profile_mark(p, OUTCOME_PYTHON_TORN));
	}
	if (!stack)
		stack = profile_stack(p, 0, mark(p, "outside of Python"));
	part.stack = stack;
	memory_growth_add(g, &part);
}

/* ---- which threads ---- */

static struct mem_thread *thread_at(struct mem_stacks *s, pid_t tid)
{
	for (size_t i = 0; i < s->threads.len; i++)
		if (s->threads.data[i].tid == tid)
			return &s->threads.data[i];
	vec_push(&s->threads, (struct mem_thread){.tid = tid});
	return &s->threads.data[s->threads.len - 1];
}

static void look_at_thread(struct mem_stacks *s, pid_t tid)
{
	struct mem_thread *t = thread_at(s, tid);
	uint64_t faults;
	char state;

	int code = s->no_faults ? 0 : faults_follow(&s->faults, tid);

	s->no_faults = code && code != -ESRCH ? code : s->no_faults;
	t->listed = true;
	t->new = 0;
	t->running = false;
	if (activity_read_faults(s->pid, tid, &state, &faults))
		return;
	/* What it touched before it was seen for the first time is of no look. */
	t->new = t->faults ? (double)(MAX(faults, t->faults) - t->faults) : 0;
	t->faults = MAX(faults, (uint64_t)1);
	t->running = state == 'R';
}

static void forget_ended(struct mem_stacks *s)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->threads.len; i++)
		if (s->threads.data[i].listed)
			s->threads.data[kept++] = s->threads.data[i];
	s->threads.len = kept;
}

static void look_at_threads(struct mem_stacks *s, size_t n)
{
	for (size_t i = 0; i < s->threads.len; i++)
		s->threads.data[i].listed = false;
	for (size_t i = 0; i < n; i++)
		if (python_reader_thread(s->reader, i)->tid)
			look_at_thread(s, python_reader_thread(s->reader, i)->tid);
	forget_ended(s);
}

/* Those that touched new memory, each by its part; false: none did. */
static bool add_touching(struct mem_stacks *s, size_t n, struct memory_growth *g)
{
	double all = 0;

	for (size_t i = 0; i < s->threads.len; i++)
		all += s->threads.data[i].new;
	for (size_t i = 0; i < n && all > 0; i++) {
		const struct python_thread *t = python_reader_thread(s->reader, i);

		/* A state that called another interpreter is not the whole thread. */
		if (t->tid && !t->in_other && thread_at(s, t->tid)->new > 0)
			add_thread(s, i, thread_at(s, t->tid)->new / all, true, g);
	}
	return all > 0;
}

/* The one that holds the lock, else one that runs, else the main thread. */
static size_t most_likely(struct mem_stacks *s, size_t n)
{
	size_t running = n, main = 0;
	uint64_t holder;

	python_reader_read(s->reader, 0);
	holder = python_reader_thread(s->reader, 0)->gil_holder;
	for (size_t i = 0; i < n; i++) {
		const struct python_thread *t = python_reader_thread(s->reader, i);

		if (holder && t->state == holder)
			return i;
		if (running == n && is_running(s, t->tid))
			running = i;
		if (t->tid == s->pid)
			main = i;
	}
	return running < n ? running : main;
}

void mem_stacks_look(struct mem_stacks *s, struct memory_growth *g)
{
	int n = python_reader_list(s->reader);

	if (n <= 0)
		return;
	look_at_threads(s, (size_t)MIN(n, MAX_THREADS));
	if (n == 1)
		add_thread(s, 0, 1, true, g);
	else if (n > MAX_THREADS || !add_touching(s, (size_t)n, g))
		add_thread(s, most_likely(s, (size_t)n), 1, false, g);
}

/* ---- the process ---- */

static int open_reader(struct mem_stacks *s, struct err *e)
{
	struct target *t = targets_add(&s->targets, s->pid, 0, clock_mono_ns());
	int code;

	s->target = t;
	if (!t->readable ||
	    runtimes_find_python(s->runtimes, &t->process, &s->memory, &t->python) <= 0)
		return err_set(e, -ENOENT, "it runs no CPython");
	code = python_reader_new(&s->memory, &t->python, &s->reader, e);
	if (code < 0)
		return code;
	t->has_python = true;
	code = python_reader_list(s->reader);
	return code < 0 ? err_sys(e, code, "its memory cannot be read") : 0;
}

int mem_stacks_open(pid_t pid, struct mem_stacks *ret, struct err *e)
{
	int code = target_check_memory(pid, "mem", e);

	*ret = (struct mem_stacks){.pid = pid, .memory = memory_of_process(pid)};
	if (code < 0)
		return code;
	ret->runtimes = runtimes_new();
	faults_open(&ret->faults);
	code = open_reader(ret, e);
	if (code < 0)
		mem_stacks_close(ret);
	return code;
}

void mem_stacks_close(struct mem_stacks *s)
{
	python_reader_free(s->reader);
	targets_fini(&s->targets);
	runtimes_free(s->runtimes);
	map64_fini(&s->frames);
	vec_fini(&s->threads);
	faults_close(&s->faults);
	*s = (struct mem_stacks){};
}
