/* unwind/python/pymalloc.h - how many bytes CPython's own allocator has given out, read from
 * outside while the program runs.
 *
 * Objects of up to 512 bytes lie in pools, pools in arenas; each pool says how many of its blocks
 * are in use and how large they are. Nothing is stopped or called: what changes meanwhile is seen
 * before or after, pool by pool, and what makes no sense is left out and counted. Larger objects,
 * which go to malloc, are not in it.
 * Memory: belongs to the struct until python_pymalloc_close. Threads: one at a time. */
#ifndef GLIM_UNWIND_PYTHON_PYMALLOC_H
#define GLIM_UNWIND_PYTHON_PYMALLOC_H

#include "base/err.h"
#include "unwind/unwind.h"

struct pymalloc_batch; /* opaque: a reading's memory */
struct python_pymalloc {
	struct memory memory;
	struct python python;
	uint64_t arenas_at, count_at; /* to 3.11: the variables, of which one is a number */
	uint16_t state_at;	      /* from 3.12 on: the state, in an interpreter */
	bool state_elsewhere;	      /* from 3.13 on: that is a pointer to it */
	uint32_t pool_bytes, alignment;
	struct pymalloc_batch *batch;
};
/* What is in use. */
struct python_heap {
	uint64_t bytes, blocks; /* in the sizes that were given, up to 15 bytes above those asked */
	uint64_t arena_bytes;	/* of the arenas, which belong to the kernel */
	uint64_t arenas, pools;
	uint64_t odd; /* pools that made no sense when they were read: not in the above */
};

/* Find the bookkeeping of the interpreter of p. -ENOTSUP with a sentence: this version or build
 * keeps it where we do not know, or does not use it (PYTHONMALLOC). */
int python_pymalloc_open(const struct process *p, const struct memory *m, const struct python *py,
			 struct python_pymalloc *ret, struct err *e);
void python_pymalloc_close(struct python_pymalloc *a);
/* Look at all pools once: some hundred nanoseconds each. -ESRCH: the process ended; -EBADMSG: what
 * is there is no such bookkeeping, at several tries; -E2BIG: it is larger than a bound. */
int python_pymalloc_read(struct python_pymalloc *a, struct python_heap *ret);

#endif
