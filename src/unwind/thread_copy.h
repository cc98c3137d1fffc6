/* unwind/thread_copy.h - what the native walk of a thread needs, copied while the thread stands
 * still, so that it may go on before it is walked.
 *
 * Memory: belongs to the struct until thread_copy_fini. Threads: one at a time. */
#ifndef GLIM_UNWIND_THREAD_COPY_H
#define GLIM_UNWIND_THREAD_COPY_H

#include "process/memory.h"
#include "process/thread_stop.h"
#include "unwind/replay.h"

enum {
	THREAD_COPY_BYTES = 64 << 10, /* of a stack whose depth is not known */
	THREAD_COPY_MAX = 1 << 20,
};

struct thread_copy {
	struct thread_registers registers;
	struct unwind_region region; /* of the stack, from its pointer on */
	struct unwind_entry first;   /* where the walk goes on, when few registers are known */
	uint8_t *bytes;
	size_t cap;
};

void thread_copy_fini(struct thread_copy *c);
/* Copy the stack below these registers up to an address, or as far as it goes when that is 0. */
void thread_copy_take(struct thread_copy *c, const struct memory *m,
		      const struct thread_registers *r, uint64_t end);
/* Have it walked: all of r but space, run, pid and memory. c must live on until then. */
void thread_copy_replay(const struct thread_copy *c, struct replay *r);
/* How far up the stack was needed by a walk that ended well, for thread_copy_take. */
uint64_t thread_copy_end(const struct thread_copy *c, const struct replay *r);

#endif
