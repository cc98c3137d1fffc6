/* unwind/python/greenlet.h - the greenlets of a process (and so those of gevent), and their stacks.
 *
 * Found among the objects that the garbage collector knows. Their layout is that of greenlet 2
 * to 3.5, and is believed where its parts point at each other. Memory: names belong to the struct
 * until _fini. Threads: one at a time a struct. */
#ifndef GLIM_UNWIND_PYTHON_GREENLET_H
#define GLIM_UNWIND_PYTHON_GREENLET_H

#include "base/hash.h"
#include "base/vec.h"
#include "unwind/python/coroutine.h"

enum python_greenlet_state {
	PYTHON_GREENLET_CREATED, /* it did not start */
	PYTHON_GREENLET_SUSPENDED,
	PYTHON_GREENLET_RUNNING, /* its frames are on the stack of its thread */
};
struct python_greenlet {
	uint64_t address;
	uint64_t parent; /* address of a greenlet; 0: none is known */
	uint64_t main;	 /* the one that its thread started with; 0: it did not start */
	uint64_t stack;	 /* an address in the native stack of its thread; 0: not known */
	bool is_main;
	enum python_greenlet_state state;
	char *name; /* from strangers */
};
struct python_greenlets {
	VEC(struct python_greenlet) all; /* those that are not dead, nor of threads that ended */
	bool cut;			 /* there are or may be more */
	bool unknown;			 /* some are of a version of greenlet that is not known */
};
void python_greenlets_fini(struct python_greenlets *g);
/* Add those of an interpreter. -ENOENT: it has not imported greenlet. */
int python_greenlets_read(struct python_greenlets *g, const struct python_objects *o,
			  const struct python *py, uint64_t interpreter);
/* The frames of one that is suspended, the innermost first. Returns how many; -EAGAIN: it ran
 * meanwhile. ret_end: enum unwind_python_end. */
int python_greenlet_frames(const struct python_objects *o, const struct python *py,
			   uint64_t address, struct python_coroutine_frame *ret, size_t max,
			   uint8_t *ret_end);

#endif
