#include "unwind/python/awaiters.h"

#include "unwind/python/asyncio.h"

enum {
	MAX_AWAITERS = 64, /* tasks that await each other */
	MAX_RUNNING = 16,  /* loops that run in one interpreter */
};
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
	    python_dict_find(o, module, "_current_tasks", &a->current))
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

/* The task that runs in this thread; 0: none. */
static uint64_t running_task(struct python_awaiters *a, const struct python_objects *o,
			     uint64_t thread, int64_t now_ns)
{
	struct python_dict d;
	uint64_t loop, task;

	if (now_ns - a->loops_ns >= loops_believed_ns) {
		vec_clear(&a->loops);
		a->loops_ns = now_ns;
	}
	if (python_dict_open(o, a->current, &d) || !d.used)
		return 0;
	for (int i = 0; i < MAX_RUNNING && python_dict_next(o, &d, &loop, &task) > 0; i++)
		if (thread_of(a, o, loop) == thread)
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
	if (python_task_read(o, address, &task) ||
	    python_coroutine_frame(o, task.coroutine, &a->below))
		return;
	for (int i = 0; i < MAX_AWAITERS; i++) {
		address = python_task_awaiter(o, address);
		if (!address || !add_frames(a, o, l, address))
			return;
	}
}

uint32_t python_awaiters_read(struct python_awaiters *a, const struct python_objects *o,
			      const struct python_layout *l, uint64_t interpreter, uint64_t thread,
			      int64_t now_ns)
{
	uint64_t task =
		find_table(a, o, interpreter, now_ns) ? running_task(a, o, thread, now_ns) : 0;

	if (!task)
		return 0;
	if (task != a->task || now_ns - a->task_ns >= task_believed_ns) {
		a->task = task;
		a->task_ns = now_ns;
		read_task(a, o, l, task);
	}
	return a->count;
}
