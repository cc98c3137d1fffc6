/* capture/interpreters.h - what a Python itself knows of its threads: their names, and who holds
 * the lock.
 *
 * The lock is looked at once a tick; names once a second, or when a thread is new. Memory: belongs
 * to the struct until interpreters_fini. Threads: one at a time. */
#ifndef GLIM_CAPTURE_INTERPRETERS_H
#define GLIM_CAPTURE_INTERPRETERS_H

#include "unwind/python/awaiters.h"
#include "unwind/python/gil.h"
#include "unwind/python/thread_names.h"

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
	struct python_thread_names names; /* of all of them */
	int64_t names_ns;		  /* when they were read */
	VEC(struct interpreter) list;
	struct python_awaiters awaiters;
};

void interpreters_init(struct interpreters *i, const struct memory *m, const struct python *py);
void interpreters_fini(struct interpreters *i);
/* As it is at this tick; lives until the next call. */
const struct interpreter *interpreters_look(struct interpreters *i, uint64_t address,
					    int64_t now_ns);
/* What threading calls a thread; NULL where it has no name for it. */
const char *interpreters_thread_name(struct interpreters *i, uint64_t interpreter,
				     uint64_t thread_id, int64_t now_ns);

/* The frames that await the task which a thread runs; NULL where there are none. */
const struct python_awaiters *interpreters_awaiters(struct interpreters *i, uint64_t interpreter,
						    uint64_t thread_id, int64_t now_ns);

#endif
