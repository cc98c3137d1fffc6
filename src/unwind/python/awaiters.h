/* unwind/python/awaiters.h - what awaits the task that a thread runs now: the frames that belong
 * below those of its coroutine, for a sampler.
 *
 * The frames of a task that runs are on the stack of its thread, and end in the event loop; those
 * that wait for it are in coroutines elsewhere. Tables and the last task are kept, so that a sample
 * costs a few short reads. Who samples live memory asks for the task of now; who has a stack that
 * was taken a while ago asks for the step that it was taken in. Memory: frames live until the next
 * call. Threads: one at a time a struct; a struct is asked for one of both. */
#ifndef GLIM_UNWIND_PYTHON_AWAITERS_H
#define GLIM_UNWIND_PYTHON_AWAITERS_H

#include "base/vec.h"
#include "process/memory_pages.h"
#include "unwind/python/coroutine.h"
#include "unwind/python/task_lists.h"

enum { PYTHON_AWAITER_FRAMES = 256, PYTHON_AWAITER_LOOPS = 64 };

struct python_loop {
	uint64_t address, thread;
};
struct python_awaiters {
	uint64_t interpreter, current;	/* its table {loop: running task}; 0: no asyncio */
	struct python_task_lists lists; /* from 3.14 on: where states name tasks */
	int64_t table_ns, wait_ns;	/* when it was looked for, and for how long not again */
	VEC(struct python_loop) loops;
	int64_t loops_ns; /* when they were looked at */
	uint64_t task;	  /* that the frames are of */
	int64_t task_ns;
	uint64_t below;		 /* the frame that they belong below: the task's outermost */
	struct python_step step; /* that all this was read in; of a step only: */
	uint32_t depth;		 /* frames from below to the root of the thread */
	uint64_t code;		 /* of below */
	bool cut;		 /* some are not here: too many, or not read */
	uint32_t count;
	struct python_coroutine_frame frames[PYTHON_AWAITER_FRAMES]; /* innermost first */
};
void python_awaiters_fini(struct python_awaiters *a);
/* A thread: its pthread_self, and where its state and its interpreter are. */
struct python_awaiters_thread {
	uint64_t id, state, interpreter;
};
/* Those of the task that it runs now. Returns how many frames there are; they belong behind the
 * frame at a->below, when the thread's stack has it. */
uint32_t python_awaiters_read(struct python_awaiters *a, const struct python_objects *o,
			      const struct python_layout *l, const struct python_awaiters_thread *t,
			      int64_t now_ns);
/* Those of a step, which must still last, or be the last that was asked for. Returns how many
 * frames there are; they belong behind that of a->code which is the a->depth-th from the root.
 * -ESTALE: it is over, or its task is not known, or has no end; -ENOENT: there is no asyncio;
 * -ENOTSUP: no layout is known. pages: room to read in. */
int python_awaiters_of_step(struct python_awaiters *a, const struct python_objects *o,
			    const struct python_layout *l, const struct python_step *step,
			    struct memory_pages *pages, int64_t now_ns);
/* Put them behind the entry before `at`, in front of bytes that go on there; there is room. Nobody
 * called them: they belong to the call of the interpreter's loop that runs the coroutine, and its
 * end comes behind them. */
void python_awaiters_insert(const struct python_awaiters *a, struct unwind_entry *at, size_t bytes);

#endif
