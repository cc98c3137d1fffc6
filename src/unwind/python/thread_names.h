/* unwind/python/thread_names.h - what Python's threading calls the threads of a process.
 *
 * Read from threading's table of running threads. Memory: names belong to the struct until _fini.
 * Threads: one at a time a struct. */
#ifndef GLIM_UNWIND_PYTHON_THREAD_NAMES_H
#define GLIM_UNWIND_PYTHON_THREAD_NAMES_H

#include "base/vec.h"
#include "unwind/python/object.h"

struct python_thread_name {
	uint64_t id; /* pthread_self */
	char *name;  /* UTF-8, from strangers */
};
struct python_thread_names {
	VEC(struct python_thread_name) all;
	uint64_t interpreter, table; /* where the last ones were */
};
void python_thread_names_fini(struct python_thread_names *n);
/* Forget all names. */
void python_thread_names_clear(struct python_thread_names *n);
/* Add those of an interpreter. -ENOENT: it has not imported threading. Where the table is is kept,
 * so that doing it again costs few reads. */
int python_thread_names_read(struct python_thread_names *n, const struct python_objects *o,
			     uint64_t interpreter);
/* NULL: threading does not know it. The pointer dies at the next _clear. */
const char *python_thread_names_find(const struct python_thread_names *n, uint64_t id);

#endif
