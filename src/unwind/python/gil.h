/* unwind/python/gil.h - who holds the global interpreter lock of CPython. Threads: any. */
#ifndef GLIM_UNWIND_PYTHON_GIL_H
#define GLIM_UNWIND_PYTHON_GIL_H

#include "process/memory.h"
#include "unwind/unwind.h"

struct python_gil {
	uint64_t address; /* of the struct; who waits for the lock waits at a futex inside */
	uint64_t holder;  /* thread state; 0: nobody */
};
/* Of the struct, in all versions: its size, and where the last holder and the lock itself are. */
enum { PYTHON_GIL_BYTES = 208, PYTHON_GIL_HOLDER = 8, PYTHON_GIL_LOCKED = 16 };

/* Where the lock of this interpreter is; as below. */
int python_gil_find(const struct memory *m, const struct python *py, uint64_t interpreter,
		    uint64_t *ret);

/* The lock of this interpreter: one for all before 3.12. -ENOTSUP: not known for this version. */
int python_gil_read(const struct memory *m, const struct python *py, uint64_t interpreter,
		    struct python_gil *ret);
static inline bool python_gil_is_at(const struct python_gil *g, uint64_t futex)
{
	return futex >= g->address && futex - g->address < PYTHON_GIL_BYTES;
}

#endif
