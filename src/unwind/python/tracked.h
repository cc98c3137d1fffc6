/* unwind/python/tracked.h - the objects that CPython's garbage collector keeps in its lists: all
 * that can hold other objects, and so all instances of most types.
 *
 * The process runs on and changes its lists meanwhile: an object may be met twice, one that comes
 * or goes may be missed, and who is told of one must look whether it is what it seems to be.
 * Memory: the pages in use belong to one call. Threads: any. */
#ifndef GLIM_UNWIND_PYTHON_TRACKED_H
#define GLIM_UNWIND_PYTHON_TRACKED_H

#include "unwind/python/object.h"
#include "unwind/unwind.h"

/* Told of an object and its type; false: enough. */
typedef bool python_tracked_fn(void *arg, uint64_t object, uint64_t type);
/* Tell of those of an interpreter. ret_cut: a list could not be followed to its end, or is longer
 * than a bound. -ENOTSUP: where the lists are is not known of this version. */
int python_tracked_each(const struct python_objects *o, const struct python *py,
			uint64_t interpreter, python_tracked_fn *tell, void *arg, bool *ret_cut);

#endif
