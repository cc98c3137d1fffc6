/* symbol/dwarf_line.h - the line program of a unit: which file and line an address is of.
 *
 * The program is run once; of every few hundred bytes the state is kept (16 bytes), so that an
 * address needs only a short run from the nearest one. Memory: freed by dwarf_lines_fini.
 * Threads: one at a time. */
#ifndef GLIM_SYMBOL_DWARF_LINE_H
#define GLIM_SYMBOL_DWARF_LINE_H

#include "symbol/dwarf_index.h"

struct dwarf_line_state {
	uint64_t address;
	uint32_t file, line;
};
struct dwarf_line_mark {
	uint32_t address; /* behind the code's base */
	uint32_t at;	  /* the next operation, behind the program's start */
	uint32_t file, line;
};
struct dwarf_sequence {
	uint32_t start, end;   /* behind the code's base */
	uint32_t first, count; /* marks */
};
struct dwarf_lines {
	struct dwarf_encoding encoding;
	uint64_t tables, program, end; /* in .debug_line */
	uint8_t step, line_range, opcode_base;
	int8_t line_base;
	uint8_t operands[256]; /* of the standard operations */
	VEC(struct dwarf_sequence) sequences;
	VEC(struct dwarf_line_mark) marks;
	uint64_t next; /* operation to look at; 0: the header was not read yet */
	struct dwarf_line_state state;
	bool in_sequence, done;
	bool dropped; /* the linker dropped what this sequence is of */
};

/* Go on until all of a unit's lines are known. -EAGAIN when the work ran out. */
int dwarf_lines_scan(struct dwarf_lines *l, const struct dwarf_unit *u,
		     const struct dwarf_code *code, size_t max_bytes);
void dwarf_lines_fini(struct dwarf_lines *l);
size_t dwarf_lines_bytes(const struct dwarf_lines *l);
/* File number and line of an address (behind the code's base); -ENOENT where there are none. */
int dwarf_lines_find(const struct dwarf_lines *l, const struct dwarf_unit *u,
		     const struct dwarf_code *code, uint32_t at, uint32_t *ret_file,
		     uint32_t *ret_line);
/* The path of a file number, with its folder and the unit's in front where it is relative. */
int dwarf_lines_file(const struct dwarf_lines *l, const struct dwarf_unit *u, uint32_t file,
		     char **ret);

#endif
