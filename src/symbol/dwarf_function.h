/* symbol/dwarf_function.h - the functions of a unit, and what was inlined into each.
 *
 * A unit's entries are walked once for its functions: 16 bytes are kept of each. What was inlined
 * into a function is found by a walk of its own entries when an address of it is asked for, and
 * kept then. Memory: freed by dwarf_functions_fini. Threads: one at a time. */
#ifndef GLIM_SYMBOL_DWARF_FUNCTION_H
#define GLIM_SYMBOL_DWARF_FUNCTION_H

#include "symbol/dwarf_index.h"

struct dwarf_function {
	uint32_t start, end; /* behind the code's base */
	uint32_t entry;	     /* behind the unit's offset */
	uint32_t body;	     /* number in bodies, plus 1; 0: not known yet */
};
struct dwarf_inlined {
	uint64_t origin; /* offset of what was inlined, in .debug_info of the file or of alt */
	bool alt;
	uint32_t call_file, call_line;
	uint32_t ranges; /* the first; those of the next follow */
	uint32_t end;	 /* number of the first one that was not inlined into this one */
};
struct dwarf_piece {
	uint32_t start, end;
};
struct dwarf_body {
	VEC(struct dwarf_inlined) inlined; /* each before those that were inlined into it */
	VEC(struct dwarf_piece) pieces;
};
struct dwarf_functions {
	VEC(struct dwarf_function) functions; /* by start */
	VEC(struct dwarf_body) bodies;
	uint64_t next; /* entry to look at; 0 before the start */
	bool done;
	bool thorough; /* functions in functions were looked for */
	bool bad;      /* the rest of the unit cannot be read */
	size_t body_bytes;
};

/* Go on until all functions of a unit are known. -EAGAIN when the work ran out. */
int dwarf_functions_scan(struct dwarf_functions *fs, const struct dwarf_unit *u,
			 const struct dwarf_code *code, size_t max_bytes);
/* Forget all, and look into functions for more of them the next time. */
void dwarf_functions_again(struct dwarf_functions *fs);
/* Forget what was inlined, which is quickly found again. */
void dwarf_functions_drop_bodies(struct dwarf_functions *fs);
void dwarf_functions_fini(struct dwarf_functions *fs);
size_t dwarf_functions_bytes(const struct dwarf_functions *fs);
/* The function that has an address (behind the code's base), NULL where there is none. */
struct dwarf_function *dwarf_functions_find(const struct dwarf_functions *fs, uint32_t at);
/* What was inlined into a function. It lives until the next call. */
int dwarf_functions_body(struct dwarf_functions *fs, const struct dwarf_unit *u,
			 const struct dwarf_code *code, struct dwarf_function *f,
			 const struct dwarf_body **ret);
/* What was inlined where an address is, outermost first; returns how many, max at most. */
size_t dwarf_body_find(const struct dwarf_body *b, uint32_t at, uint32_t *ret, size_t max);

#endif
