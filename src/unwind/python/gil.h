/* unwind/python/gil.h - who holds the global interpreter lock of CPython. Threads: any. */
#ifndef GLIM_UNWIND_PYTHON_GIL_H
#define GLIM_UNWIND_PYTHON_GIL_H

#include "process/memory.h"
#include "unwind/unwind.h"

struct python_gil {
	uint64_t address; /* of the struct; who waits for the lock waits at a futex inside */
	uint64_t holder;  /* thread state; 0: nobody */
};
enum { PYTHON_GIL_BYTES = 208 }; /* of the struct, in all versions */

/* The lock of this interpreter: one for all before 3.12. -ENOTSUP: not known for this version. */
int python_gil_read(const struct memory *m, const struct python *py, uint64_t interpreter,
		    struct python_gil *ret);
static inline bool python_gil_is_at(const struct python_gil *g, uint64_t futex)
{
	return futex >= g->address && futex - g->address < PYTHON_GIL_BYTES;
}

#endif
