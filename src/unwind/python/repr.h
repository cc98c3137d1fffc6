/* unwind/python/repr.h - an object as Python would write it, bounded.
 *
 * What is longer than its bound is cut with "...", what contains itself is "...", what cannot be
 * read is "<unreadable>", and an object of no kind that we know is "<type at 0x...>": no code of
 * the process runs. Text may hold anything: it is escaped as Python does, so that it is safe on a
 * terminal. Threads: any. */
#ifndef GLIM_UNWIND_PYTHON_REPR_H
#define GLIM_UNWIND_PYTHON_REPR_H

#include "unwind/python/object.h"

enum { PYTHON_REPR_ELEMENTS = 100, PYTHON_REPR_DEPTH = 8 };

struct python_repr_limits {
	size_t characters; /* of a text */
	size_t elements;   /* of a container, up to PYTHON_REPR_ELEMENTS */
	size_t depth;	   /* of containers in containers, up to PYTHON_REPR_DEPTH */
	size_t bytes;	   /* of all that is written, about */
	bool secrets;	   /* values of keys such as "password" are shown, not hidden */
};
void python_repr(const struct python_objects *o, uint64_t address,
		 const struct python_repr_limits *limits, struct buf *out);

/* What stands for a value that is hidden. */
#define PYTHON_HIDDEN "<hidden>"
/* Does a name say that its value is a secret: "password", "api_token"? */
bool python_secret_name(const char *name);

#endif
