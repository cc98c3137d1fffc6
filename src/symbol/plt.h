/* symbol/plt.h - the entries of the procedure linkage table: which function each one jumps to.
 *
 * No symbol names them. Each entry is decoded: it jumps through a slot of memory, and a relocation
 * says what the loader puts there. Nothing is assumed of order or size of entries. x86-64 only.
 * Memory: the vector is the caller's. Threads: any. */
#ifndef GLIM_SYMBOL_PLT_H
#define GLIM_SYMBOL_PLT_H

#include "symbol/elf_file.h"

struct plt_entry {
	uint64_t address;
	uint64_t slot;	   /* address of the pointer that it jumps through */
	uint32_t size;	   /* in bytes */
	uint32_t name;	   /* of the function, in the strings of .dynsym; 0: none */
	uint64_t resolver; /* address of the function that chooses, of static programs; 0: none */
};
typedef VEC(struct plt_entry) plt_entry_vec;

/* Find the entries that have a name or a resolver, by address. None is no failure. */
void plt_read(const struct elf_file *f, plt_entry_vec *ret);

#endif
