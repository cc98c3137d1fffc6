/* unwind/python/awaiters.h - what awaits the task that a thread runs now: the frames that belong
 * below those of its coroutine, for a sampler.
 *
 * The frames of a task that runs are on the stack of its thread, and end in the event loop; those
 * that wait for it are in coroutines elsewhere. Tables and the last task are kept, so that a sample
 * costs a few short reads. Memory: frames live until the next call. Threads: one at a time a
 * struct. */
#ifndef GLIM_UNWIND_PYTHON_AWAITERS_H
#define GLIM_UNWIND_PYTHON_AWAITERS_H

#include "base/vec.h"
#include "unwind/python/coroutine.h"

enum { PYTHON_AWAITER_FRAMES = 256, PYTHON_AWAITER_LOOPS = 64 };

struct python_loop {
	uint64_t address, thread;
};
struct python_awaiters {
	uint64_t interpreter, current; /* its table {loop: running task}; 0: no asyncio */
	int64_t table_ns, wait_ns;     /* when it was looked for, and for how long not again */
	VEC(struct python_loop) loops;
	int64_t loops_ns; /* when they were looked at */
	uint64_t task;	  /* that the frames are of */
	int64_t task_ns;
	uint64_t below; /* the frame that they belong below: the task's outermost */
	uint32_t count;
	struct python_coroutine_frame frames[PYTHON_AWAITER_FRAMES]; /* innermost first */
};
void python_awaiters_fini(struct python_awaiters *a);
/* Those of the thread with this pthread_self. Returns how many frames there are; they belong behind
 * the frame at a->below, when the thread's stack has it. */
uint32_t python_awaiters_read(struct python_awaiters *a, const struct python_objects *o,
			      const struct python_layout *l, uint64_t interpreter, uint64_t thread,
			      int64_t now_ns);

#endif
