/* unwind/python/pymalloc_file.h - the variables of CPython's allocator in an ELF file, 2.7 to 3.11.
 *
 * They are static: .symtab names them, and in stripped files the exported functions that count what
 * is allocated read them. What is found is only where they may be; pymalloc.h looks what they lead
 * to. Threads: any. */
#ifndef GLIM_UNWIND_PYTHON_PYMALLOC_FILE_H
#define GLIM_UNWIND_PYTHON_PYMALLOC_FILE_H

#include "process/process.h"

enum { PYMALLOC_PLACES = 16 };

/* Addresses in the process. */
struct pymalloc_places {
	uint64_t arenas[PYMALLOC_PLACES]; /* variables that may point at the first arena */
	uint64_t counts[PYMALLOC_PLACES]; /* and that may say how many there is room for */
	size_t narenas, ncounts;
};
/* Look into the file that has this address of p. Never fails: what cannot be read has none. */
void pymalloc_file_read(const struct process *p, uint64_t code, struct pymalloc_places *ret);

#endif
