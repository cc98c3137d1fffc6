/* unwind/python/functions.h - the functions that the modules and classes of a process hold, of
 * CPython 2.7 and 3.6 to 3.10, whose code objects do not know what they belong to.
 *
 * Looked for module by module, when somebody asks for code of a file: in the module's namespace, in
 * those of its classes and of classes in them, inside properties, class methods, static methods and
 * other objects that stand there (cached properties, partials), and in the closures of decorators.
 * What lies in the process is from strangers and changes: all is checked, and every loop has a
 * bound. Memory: belongs to the struct until python_functions_fini. Threads: one at a time. */
#ifndef GLIM_UNWIND_PYTHON_FUNCTIONS_H
#define GLIM_UNWIND_PYTHON_FUNCTIONS_H

#include "base/hash.h"
#include "base/vec.h"
#include "unwind/python/object.h"
#include "unwind/unwind.h"

struct python_function {
	uint64_t address;
	uint64_t code;
	uint64_t file;	/* python_functions_file of its code */
	uint64_t owner; /* a class; 0: it stands in a module; PYTHON_SHARED: in several places */
	uint64_t key;	/* the str object that it stands under there */
	uint32_t first_line;
};
enum { PYTHON_SHARED = 1 };

/* Include/funcobject.h and Include/code.h of the versions named. */
struct python_function_layout {
	uint32_t minor;
	uint16_t code, closure;
	uint16_t qualname;			     /* 0: it has none, as in 2.7 */
	uint16_t constants, flags, first_line, file; /* of a code object */
};

struct python_module_place {
	uint64_t dict;
	uint64_t stem; /* hash of the last part of its name; 0: __main__ */
};
struct python_functions {
	struct python_objects objects;
	uint64_t interpreters; /* of the pointer to the first one */
	uint16_t interpreter_next;
	const struct python_function_layout *layout;
	VEC(struct python_function) all;
	VEC(struct python_module_place) modules;
	uint64_t modules_used; /* how many there were when they were listed */
	struct map64 types;    /* type to enum python_holder */
	struct map64 seen;     /* functions to their number + 1; classes; namespaces */
	uint64_t left;	       /* objects that may be looked at still */
};

/* -ENOTSUP: of this version nothing is known, or nothing is needed. m must outlive the struct. */
int python_functions_init(struct python_functions *f, const struct memory *m,
			  const struct python *py);
void python_functions_fini(struct python_functions *f);
/* Look through the modules that may be of this file. */
void python_functions_look(struct python_functions *f, const char *file);
/* A number for the str object of a code object's file, the same for all code of the file. */
uint64_t python_functions_file(const struct python_functions *f, uint64_t file);
/* The function of this code object, if it was found and has it still, or NULL. */
const struct python_function *python_functions_find(const struct python_functions *f,
						    uint64_t code);

#endif
