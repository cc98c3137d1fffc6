/* symbol/table.h - which function of an ELF file covers an address, in 12 bytes a symbol.
 *
 * Only functions are kept, of .symtab and .dynsym together, sorted by address. Names stay in the
 * file until somebody asks: most are never seen in a profile. Functions more than 4 GiB behind the
 * first code of a file are left out; no code model of x86-64 or arm64 puts any there.
 * Memory: freed by symbol_table_fini. Threads: reading is free for all. */
#ifndef GLIM_SYMBOL_TABLE_H
#define GLIM_SYMBOL_TABLE_H

#include "symbol/elf_file.h"

struct table_symbol {
	uint32_t start; /* behind base */
	uint32_t size;
	uint32_t name : 29; /* offset in its string table */
	uint32_t dynamic : 1;
	uint32_t rank : 2; /* enum rank: which of several at one address is the better name */
};
_Static_assert(sizeof(struct table_symbol) == 12, "there are millions of these");

/* Where names are: those of .symtab and those of .dynsym. */
enum symbol_strings { SYMBOL_FULL, SYMBOL_DYNAMIC };
struct symbol_table {
	uint64_t base;
	struct table_symbol *symbols;
	size_t len;
	struct {
		uint64_t offset, size;
	} strings[2]; /* by enum symbol_strings, in its file */
};

/* Build the table of f; -EFBIG when the file has more than max_symbols, -ENOENT when it has none.
 * full: the file that has its .symtab, which is f itself, or its debug file. */
int symbol_table_read(const struct elf_file *f, const struct elf_file *full, size_t max_symbols,
		      struct symbol_table *ret, struct err *e);
void symbol_table_fini(struct symbol_table *t);
/* The symbol that covers an address, NULL where there is none. */
const struct table_symbol *symbol_table_find(const struct symbol_table *t, uint64_t address);
/* Read the best of the names that a symbol and its aliases have, from the files that the table was
 * read from, by enum symbol_strings. The text belongs to the caller; "" when there is none. */
int symbol_table_name(const struct symbol_table *t, const struct table_symbol *s, const int fds[2],
		      char **ret);

#endif
