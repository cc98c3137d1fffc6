/* unwind/python/task_lists.h - the lists in which CPython 3.14 and later keep the tasks of asyncio:
 * one a thread, and what the state of each thread says of the task that runs there.
 *
 * The module _asyncio tells debuggers where they are (Modules/_asynciomodule.c:
 * Py_AsyncioModuleDebugOffsets); what its tasks look like must be what we know. Lists change while
 * they are read. Memory: the caller's. Threads: any. */
#ifndef GLIM_UNWIND_PYTHON_TASK_LISTS_H
#define GLIM_UNWIND_PYTHON_TASK_LISTS_H

#include "unwind/python/object.h"

struct python_task_lists {
	bool known; /* false: to 3.13, or where nobody imported _asyncio */
	uint16_t running_loop, running_task, of_thread; /* in the state of a thread */
	uint16_t of_interpreter; /* in its state: tasks of threads that ended */
	/* Tasks that are not of C: a WeakSet of all, and a set of those that run eagerly. */
	uint64_t others, eager;
};
/* -ENOTSUP: there are lists, but not as we know them. */
int python_task_lists_find(const struct python_objects *o, uint64_t interpreter,
			   struct python_task_lists *ret);
/* The tasks of a list, by the address of its head: returns how many of them, at most max, which
 * need not be tasks by the time they are looked at. ret_cut: there are more. */
int python_task_list(const struct python_objects *o, uint64_t head, uint64_t *ret, size_t max,
		     bool *ret_cut);

#endif
