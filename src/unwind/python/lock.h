/* unwind/python/lock.h - the lock of Python's threading that a thread waits for, and who holds it.
 *
 * Proven by the kernel: the lock is the one whose futex the thread waits at. Threads: any. */
#ifndef GLIM_UNWIND_PYTHON_LOCK_H
#define GLIM_UNWIND_PYTHON_LOCK_H

#include "unwind/python/object.h"

struct python_lock {
	uint64_t address; /* of the object */
	bool reentrant;	  /* an RLock; a Lock does not keep who holds it */
	uint64_t owner;	  /* pthread_self of the holder; 0: not known */
};
/* Look for it among the variables and temporaries of the innermost frame and its code. -ENOENT:
 * what the thread waits for is no lock that they hold. */
int python_lock_waited(const struct python_objects *o, uint64_t frame, uint64_t code,
		       uint64_t futex, struct python_lock *ret);

#endif
