/* symbol/names.h - the functions of one file: the table, and the files that its names are in.
 *
 * A stripped file gets the symbols of its debug file, or those that are packed inside it. Memory:
 * freed by names_fini. Threads: one at a time. */
#ifndef GLIM_SYMBOL_NAMES_H
#define GLIM_SYMBOL_NAMES_H

#include "symbol/debug_file.h"
#include "symbol/table.h"

enum names_origin { NAMES_OWN, NAMES_DEBUG_FILE, NAMES_MINI_DEBUG };
struct names {
	struct symbol_table table;
	enum names_origin origin; /* of the names of .symtab */
	bool stripped;		  /* the file has no .symtab */
	struct debug_link link;
	int fds[2]; /* by enum symbol_strings; -1: closed. The file itself is [SYMBOL_DYNAMIC], and
		       the caller's to open */
	size_t unpacked; /* bytes of memory that fds[0] is */
};

/* Is this a stripped file whose symbols were not found? */
static inline bool names_stripped(const struct names *n)
{
	return n->stripped && n->origin == NAMES_OWN;
}
/* Does names_load read a file of so many bytes? */
bool names_are_large(const struct elf_file *f, const struct debug_search *where, uint64_t bytes);
/* Read the table of a file; what is missing (all of it, when there are no symbols) is no error.
 * Takes the debug file's descriptor along. */
void names_load(const struct elf_file *f, const struct debug_search *where, size_t max_bytes,
		struct names *ret);
void names_fini(struct names *n);
size_t names_bytes(const struct names *n);
/* Does reading the name want the file itself to be open in fds[SYMBOL_DYNAMIC]? */
bool names_want_own(const struct names *n, const struct table_symbol *s);
/* The linker's name of a symbol, which the caller frees; opens the debug file again if need be. */
int names_read(struct names *n, const struct table_symbol *s, const struct debug_search *where,
	       char **ret);
/* Close what keeps a file system busy. */
void names_close(struct names *n);

#endif
