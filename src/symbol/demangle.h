/* symbol/demangle.h - from linker names to what people wrote, for C++ and both Rust manglings.
 *
 * As flame graphs want it: namespaces, classes and template arguments, but no return type, no
 * parameters, no Rust hash. Names are from strangers: a few bytes can stand for gigabytes, so the
 * result is cut. Threads: any. */
#ifndef GLIM_SYMBOL_DEMANGLE_H
#define GLIM_SYMBOL_DEMANGLE_H

#include "base/base.h"

enum {
	DEMANGLE_MAX_IN = 16 * 1024, /* longer linker names stay as they are */
	DEMANGLE_MAX_OUT = 2 * 1024, /* longer results are cut and end in "..." */
};

/* The name in memory of its own ("@plt" behind it stays); a plain copy (cut likewise) when it is
 * not mangled. */
char *demangle(const char *name) __attribute__((malloc, returns_nonnull));

#endif
