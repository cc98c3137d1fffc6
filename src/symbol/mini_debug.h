/* symbol/mini_debug.h - the small symbol table that Fedora and its like put into stripped files.
 *
 * Section .gnu_debugdata is an ELF file, packed by xz, with the functions that .dynsym does not
 * name (GDB, "MiniDebugInfo"). It comes from a stranger: what it unpacks to has a bound, and so has
 * the memory that unpacking takes. Memory: the caller closes the file. Threads: any. */
#ifndef GLIM_SYMBOL_MINI_DEBUG_H
#define GLIM_SYMBOL_MINI_DEBUG_H

#include "symbol/elf_file.h"

/* Unpack it into a file in memory, of at most max bytes: -ENOENT where there is none, -EFBIG over
 * the bound, -EBADMSG when it is damaged. */
int mini_debug_open(const struct elf_file *f, size_t max, struct elf_file **ret);

#endif
