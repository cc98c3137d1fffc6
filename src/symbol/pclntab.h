/* symbol/pclntab.h - the function table that every Go program carries for its own tracebacks:
 * names, source lines and inlined calls of Go code, stripped or not.
 *
 * Formats of Go 1.18 (magic 0xfffffff0) and 1.20 to 1.27 (0xfffffff1), 64 bits; older ones are
 * -ENOENT. Only where the parts lie and a coarse index are kept, 16 KiB at most; a lookup reads the
 * few pieces that it needs with pread, so that nothing is mapped and files may be huge. All offsets
 * are from strangers: they are checked against their part, and loops end with it.
 * Memory: freed by pclntab_fini. Threads: reading is free for all. */
#ifndef GLIM_PCLNTAB_H
#define GLIM_PCLNTAB_H

#include "symbol/elf_file.h"

struct pclntab_part {
	uint64_t offset, size; /* in the file */
};
struct pclntab {
	uint64_t text, text_end; /* addresses of Go code */
	uint32_t functions;
	bool start_lines; /* functions know their first line: the format of 1.20 */
	struct pclntab_part names, units, files, values, table;
	struct pclntab_part inlined; /* of size 0 when it was not found: no inlined functions */
	uint32_t *index;	     /* start of every function whose number divides by stride */
	uint32_t stride;
};

/* From runtime.abi.FuncFlag (Go 1.18 to 1.27, internal/abi/symtab.go). */
enum pclntab_flag {
	PCLNTAB_TOP_FRAME = 1, /* nobody called it */
	PCLNTAB_SP_WRITE = 2,  /* moves the stack pointer in ways the table cannot say */
	PCLNTAB_ASSEMBLY = 4,
};
struct pclntab_function {
	uint64_t start, end; /* addresses */
	uint32_t name;	     /* offset in names */
	/* Offsets in values; 0: none. */
	uint32_t stack, file, line, inline_index;
	uint32_t unit;	      /* index of its first file in units */
	uint32_t inline_tree; /* offset in inlined; UINT32_MAX: none */
	uint32_t start_line;  /* 0: unknown */
	uint8_t flags;	      /* enum pclntab_flag */
	uint8_t id;	      /* not 0: the runtime, or generated code; numbers differ by version */
};
/* A function that an instruction belongs to. */
struct pclntab_frame {
	uint32_t name, file; /* offsets for pclntab_text; file UINT32_MAX: unknown */
	uint32_t line, start_line;
};

/* -ENOENT: the file has no such table. */
int pclntab_open(const struct elf_file *f, struct pclntab *ret);
void pclntab_fini(struct pclntab *t);
size_t pclntab_bytes(const struct pclntab *t);
/* Functions of an address, innermost first; returns how many, -ENOENT for no Go code. fd is the
 * file. */
int pclntab_find(const struct pclntab *t, int fd, uint64_t address, struct pclntab_frame *ret,
		 size_t max);
/* Text at an offset of t->names or t->files; it belongs to the caller. */
int pclntab_text(const struct pclntab_part *part, int fd, uint64_t offset, char **ret);

/* The function of a record of t->table, all but its end. -EBADMSG: it does not fit into size bytes.
 */
int pclntab_function(const struct pclntab *t, const uint8_t *record, size_t size,
		     struct pclntab_function *ret);

/* A run of values: each holds from where the one before ends up to pc. */
struct pclntab_run {
	const uint8_t *at, *end;
	uint64_t pc;
	int32_t value; /* starts at -1 */
	bool started;
};
/* False at the end of the run, or where it is damaged. */
bool pclntab_next(struct pclntab_run *r);

#endif
