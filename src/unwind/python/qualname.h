/* unwind/python/qualname.h - qualified names of functions to 3.10, whose code objects have plain
 * ones: "Class.method", "function.<locals>.inner", as code says itself from 3.11 on.
 *
 * Found are the functions that modules and classes hold (functions.h), which know their qualified
 * name since 3.3, and what is defined inside of these, by their constants. For 2.7 it is made of
 * the class that holds the function. What is not found, or held by several classes of 2.7, keeps
 * its plain name: nothing is guessed. Memory: belongs to its maker. Threads: one at a time. */
#ifndef GLIM_UNWIND_PYTHON_QUALNAME_H
#define GLIM_UNWIND_PYTHON_QUALNAME_H

#include "unwind/unwind.h"

/* Does code of this version say them itself? */
static inline bool python_knows_qualnames(uint32_t version_hex)
{
	return version_hex >= 0x030b0000;
}

struct python_qualnames; /* opaque: what was found of one process */
void python_qualnames_free(struct python_qualnames *q);
/* Put the qualified name of this code object, which was just read, in the place of its plain one.
 * *q is made when it is needed: NULL at first. */
void python_qualname(struct python_qualnames **q, const struct memory *m, const struct python *py,
		     uint64_t code, struct python_code *c);

#endif
