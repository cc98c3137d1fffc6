#include "unwind/python/awaiters.h"

#include "unwind/python/asyncio.h"

enum {
	MAX_AWAITERS = 64, /* tasks that await each other */
	MAX_RUNNING = PYTHON_AWAITER_LOOPS,
	MAX_CALLERS = 512,  /* frames from a task to the root of its thread */
	MAX_READ = 1 << 17, /* of a process for one step: some ten milliseconds */
	/* CPython 3.8 to 3.15, Include/cpython/pystate.h: PyThreadState.interp */
	THREAD_INTERPRETER = 16,
};
/* Not reached by counting in ten years; but most pointers are above it, should the layout of a
 * thread state be another one. */
static const uint64_t max_count = 1ULL << 46;
/* To look for the table costs a read for each module: it is looked for less and less often. A task
 * may be awaited by another one a little later. */
static const int64_t first_wait_ns = NSEC_PER_SEC, last_wait_ns = 16 * NSEC_PER_SEC,
		     loops_believed_ns = NSEC_PER_SEC, task_believed_ns = NSEC_PER_SEC / 20;

void python_awaiters_fini(struct python_awaiters *a)
{
	vec_fini(&a->loops);
}

static bool find_table(struct python_awaiters *a, const struct python_objects *o,
		       uint64_t interpreter, int64_t now_ns)
{
	bool same = a->interpreter == interpreter;
	uint64_t module;

	/* Once it is there, it stays. */
	if (same && (a->current || now_ns - a->table_ns < a->wait_ns))
		return a->current;
	a->interpreter = interpreter;
	a->table_ns = now_ns;
	a->wait_ns = same ? MIN(a->wait_ns * 2, last_wait_ns) : first_wait_ns;
	if (python_module_dict(o, interpreter, "asyncio.tasks", &module) ||
	    python_dict_find(o, module, "_current_tasks", &a->current) ||
	    python_task_lists_find(o, interpreter, &a->lists))
		a->current = 0;
	return a->current;
}

static uint64_t thread_of(struct python_awaiters *a, const struct python_objects *o, uint64_t loop)
{
	struct python_loop new = {.address = loop};

	for (size_t i = 0; i < a->loops.len; i++)
		if (a->loops.data[i].address == loop)
			return a->loops.data[i].thread;
	new.thread = python_loop_thread(o, loop);
	if (a->loops.len < PYTHON_AWAITER_LOOPS)
		vec_push(&a->loops, new);
	return new.thread;
}

/* The task that the state of a thread names, from 3.14 on; 0: none. */
static uint64_t task_of_state(const struct python_awaiters *a, const struct python_objects *o,
			      uint64_t state)
{
	uint64_t task;

	return !a->lists.known || memory_word(o->memory, state + a->lists.running_task, &task)
		       ? 0
		       : task;
}

/* The task that runs in a thread; 0: none. */
static uint64_t running_task(struct python_awaiters *a, const struct python_objects *o,
			     const struct python_awaiters_thread *t, int64_t now_ns)
{
	struct python_dict d;
	uint64_t loop, task = task_of_state(a, o, t->state);

	if (task)
		return task;
	if (now_ns - a->loops_ns >= loops_believed_ns) {
		vec_clear(&a->loops);
		a->loops_ns = now_ns;
	}
	if (python_dict_open(o, a->current, &d) || !d.used)
		return 0;
	for (int i = 0; i < MAX_RUNNING && python_dict_next(o, &d, &loop, &task) > 0; i++) {
		uint64_t thread = thread_of(a, o, loop);

		/* Some do not tell, as that of uvloop. */
		if (thread ? thread == t->id : python_running_loop(o, &a->lists, t->state) == loop)
			return task;
	}
	return 0;
}

/* The task that runs in a loop; 0: none. */
static uint64_t task_of_loop(const struct python_awaiters *a, const struct python_objects *o,
			     uint64_t loop)
{
	struct python_dict d;
	uint64_t key, task;

	if (!loop || python_dict_open(o, a->current, &d))
		return 0;
	for (int i = 0; i < MAX_RUNNING && python_dict_next(o, &d, &key, &task) > 0; i++)
		if (key == loop)
			return task;
	return 0;
}

/* Append the frames of a task that waits, innermost first. */
static bool add_frames(struct python_awaiters *a, const struct python_objects *o,
		       const struct python_layout *l, uint64_t address)
{
	struct python_coroutine_frame *frames = a->frames + a->count;
	struct python_task task;
	uint64_t awaited;
	int n;

	if (python_task_read(o, address, &task))
		return false;
	n = python_coroutine_frames(o, l, task.coroutine, frames, PYTHON_AWAITER_FRAMES - a->count,
				    &awaited);
	if (n <= 0)
		return false;
	for (int i = 0; i < n / 2; i++) {
		struct python_coroutine_frame swapped = frames[i];

		frames[i] = frames[n - 1 - i];
		frames[n - 1 - i] = swapped;
	}
	a->count += (uint32_t)n;
	return true;
}

static void read_task(struct python_awaiters *a, const struct python_objects *o,
		      const struct python_layout *l, uint64_t address)
{
	struct python_task task;

	a->count = 0;
	a->below = 0;
	a->cut = false;
	if (python_task_read(o, address, &task) ||
	    python_coroutine_frame(o, task.coroutine, &a->below))
		return;
	for (int i = 1; !a->cut; i++) {
		address = python_task_awaiter(o, address);
		if (!address)
			return;
		a->cut = !add_frames(a, o, l, address) || i == MAX_AWAITERS ||
			 a->count == PYTHON_AWAITER_FRAMES;
	}
}

uint32_t python_awaiters_read(struct python_awaiters *a, const struct python_objects *o,
			      const struct python_layout *l, const struct python_awaiters_thread *t,
			      int64_t now_ns)
{
	uint64_t task =
		find_table(a, o, t->interpreter, now_ns) ? running_task(a, o, t, now_ns) : 0;

	if (!task)
		return 0;
	if (task != a->task || now_ns - a->task_ns >= task_believed_ns) {
		a->task = task;
		a->task_ns = now_ns;
		read_task(a, o, l, task);
	}
	return a->count;
}

static void set_kind(struct unwind_entry *e, uint32_t kind)
{
	e->tag = (e->tag & ~0xffU) | kind;
}

void python_awaiters_insert(const struct python_awaiters *a, struct unwind_entry *at, size_t bytes)
{
	uint32_t kind = at[-1].tag & 0xff;

	if (!a->count)
		return;
	memmove(at + a->count, at, bytes);
	for (uint32_t i = 0; i < a->count; i++)
		at[i] = a->frames[i].entry;
	set_kind(&at[-1], UNWIND_PYTHON);
	set_kind(&at[a->count - 1], kind);
}

/* ---- of a step that was sampled ---- */

/* Does the step last? */
static bool is_now(const struct python_objects *o, const struct python_layout *l,
		   const struct python_step *step)
{
	uint64_t counts[2];

	return !memory_read(o->memory, step->thread + l->thread_context, counts, sizeof(counts)) &&
	       counts[0] == step->contexts && counts[1] == step->number;
}

/* How many frames the thread has from this one to its root; 0: not known. */
static uint32_t count_callers(const struct python_objects *o, const struct python_layout *l,
			      uint64_t frame)
{
	uint32_t n = 0;

	for (; frame; n++)
		if (n == MAX_CALLERS || memory_word(o->memory, frame + l->frame_previous, &frame))
			return 0;
	return n;
}

/* Read by pages, while the step lasts, as is_now tells afterwards. */
static int read_step(struct python_awaiters *a, const struct python_objects *o,
		     const struct python_layout *l, const struct python_step *step, int64_t now_ns)
{
	uint64_t interpreter, code;

	if (memory_word(o->memory, step->thread + THREAD_INTERPRETER, &interpreter))
		return -ESTALE;
	if (!find_table(a, o, interpreter, now_ns))
		return -ENOENT;
	a->task = task_of_state(a, o, step->thread);
	if (!a->task)
		a->task = task_of_loop(a, o, python_running_loop(o, &a->lists, step->thread));
	if (!a->task)
		return -ESTALE;
	read_task(a, o, l, a->task);
	a->depth = a->below ? count_callers(o, l, a->below) : 0;
	if (!a->depth || memory_word(o->memory, a->below + l->frame_code, &code))
		return -ESTALE;
	a->code = code & ~(uint64_t)l->code_tags;
	return 0;
}

int python_awaiters_of_step(struct python_awaiters *a, const struct python_objects *o,
			    const struct python_layout *l, const struct python_step *step,
			    struct memory_pages *pages, int64_t now_ns)
{
	struct python_objects by_pages = *o;
	struct python_task task;
	int r = -ESTALE;

	if (!l->thread_context || step->contexts >= max_count || step->number >= max_count)
		return -ENOTSUP;
	if (!memcmp(step, &a->step, sizeof(*step)))
		return (int)a->count;
	a->step = (struct python_step){};
	if (is_now(o, l, step)) {
		memory_pages_start(pages, o->memory, MAX_READ);
		by_pages.memory = &pages->memory;
		r = read_step(a, &by_pages, l, step, now_ns);
	}
	/* A task that ends lets go of those that await it within its step, after it says that it is
	 * done: it is asked for that last. */
	if (!r && (!pages->left || python_task_read(o, a->task, &task) || !is_now(o, l, step)))
		r = -ESTALE;
	if (r)
		return r;
	a->step = *step;
	return (int)a->count;
}
