/* capture/interpreters.h - what a Python itself knows of its threads: their names, and who holds
 * the lock.
 *
 * The lock is looked at once a tick. Memory: belongs to the struct until interpreters_fini.
 * Threads: one at a time. */
#ifndef GLIM_CAPTURE_INTERPRETERS_H
#define GLIM_CAPTURE_INTERPRETERS_H

#include "capture/named_threads.h"
#include "unwind/python/awaiters.h"
#include "unwind/python/gil.h"

struct interpreter {
	uint64_t address;
	int64_t now_ns;	       /* of the tick that it was looked at in */
	struct python_gil gil; /* zero where it is not known */
};
struct interpreters {
	struct memory memory;
	struct python python;
	struct python_objects objects;
	bool has_objects;
	struct named_threads names; /* of all of them */
	VEC(struct interpreter) list;
	struct python_awaiters awaiters;
};

void interpreters_init(struct interpreters *i, pid_t pid, const struct memory *m,
		       const struct python *py);
void interpreters_fini(struct interpreters *i);
/* As it is at this tick; lives until the next call. */
const struct interpreter *interpreters_look(struct interpreters *i, uint64_t address,
					    int64_t now_ns);
/* The frames that await the task which a thread runs; NULL where there are none. */
const struct python_awaiters *interpreters_awaiters(struct interpreters *i,
						    const struct python_awaiters_thread *t,
						    int64_t now_ns);

#endif
