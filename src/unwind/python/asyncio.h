/* unwind/python/asyncio.h - the tasks of asyncio, and which task awaits which.
 *
 * Found by asyncio's own tables of tasks, in C's layout of a task or in Python's. Memory: names
 * belong to the struct until _fini. Threads: one at a time a struct. */
#ifndef GLIM_UNWIND_PYTHON_ASYNCIO_H
#define GLIM_UNWIND_PYTHON_ASYNCIO_H

#include "base/hash.h"
#include "base/vec.h"
#include "unwind/python/task_lists.h"
#include "unwind/unwind_abi.h"

struct python_task {
	uint64_t address, loop, coroutine;
	uint64_t waits_for;  /* a future; 0: it runs, or is about to */
	uint64_t awaited_by; /* address of the task that waits for this one; 0: none is known */
	bool running;	     /* its loop runs it now */
	char *name;	     /* from strangers */
};
struct python_tasks {
	VEC(struct python_task) all; /* those that are not done */
	struct map64 by_address;     /* number in all */
	bool cut;		     /* there are more than a bound */
};
void python_tasks_fini(struct python_tasks *t);
/* Add those of an interpreter. -ENOENT: it has no asyncio; -ENOTSUP: one that we do not know. */
int python_tasks_read(struct python_tasks *t, const struct python_objects *o,
		      const struct python_layout *l, uint64_t interpreter);
/* One task, without its name and who awaits it. -ENOENT: it is done; -EINVAL: it is none. */
int python_task_read(const struct python_objects *o, uint64_t address, struct python_task *ret);
/* The address of the task that waits for this one: by await, gather(), wait(), wait_for(),
 * shield() or a TaskGroup; 0: none is known. */
uint64_t python_task_awaiter(const struct python_objects *o, uint64_t task);
/* pthread_self of the thread that runs an event loop; 0: not known. */
uint64_t python_loop_thread(const struct python_objects *o, uint64_t loop);
/* The event loop that a thread runs, by the address of its state; 0: not known. If none runs, it
 * may be what is no loop (None). */
uint64_t python_running_loop(const struct python_objects *o, const struct python_task_lists *lists,
			     uint64_t thread_state);

#endif
