/* unwind/python/asyncio.h - the tasks of asyncio, and which task awaits which.
 *
 * Found by asyncio's own tables of tasks, in C's layout of a task or in Python's. Memory: names
 * belong to the struct until _fini. Threads: one at a time a struct. */
#ifndef GLIM_UNWIND_PYTHON_ASYNCIO_H
#define GLIM_UNWIND_PYTHON_ASYNCIO_H

#include "base/hash.h"
#include "base/vec.h"
#include "unwind/python/object.h"

struct python_task {
	uint64_t address, loop, coroutine;
	uint64_t waits_for;	      /* a future; 0: it runs, or is about to */
	uint64_t callback, callbacks; /* what is done when it ends: a callable, a list of others */
	uint64_t awaited_by; /* address of the task that waits for this one; 0: none is known */
	bool running;	     /* its loop runs it now */
	char *name;	     /* from strangers */
};
struct python_tasks {
	VEC(struct python_task) all;	    /* those that are not done */
	struct map64 by_address, by_waiter; /* number in all: of a task; of what one waits for */
	bool cut;			    /* there are more than a bound */
};
void python_tasks_fini(struct python_tasks *t);
/* Add those of an interpreter. -ENOENT: it has no asyncio. */
int python_tasks_read(struct python_tasks *t, const struct python_objects *o, uint64_t interpreter);
/* pthread_self of the thread that runs an event loop; 0: not known. */
uint64_t python_loop_thread(const struct python_objects *o, uint64_t loop);

#endif
