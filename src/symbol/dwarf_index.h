/* symbol/dwarf_index.h - which units a file's debug information has, and what code is whose.
 *
 * Units are found once, by their headers and first entries: .debug_aranges would be quicker to
 * read, but compilers leave it out, and it is silent about what it lacks. 8 bytes a unit and 12 a
 * range are kept. Memory: freed by dwarf_index_fini. Threads: one at a time. */
#ifndef GLIM_SYMBOL_DWARF_INDEX_H
#define GLIM_SYMBOL_DWARF_INDEX_H

#include "symbol/dwarf_unit.h"

/* Where code can be. What the linker dropped has addresses outside. */
struct dwarf_code {
	uint64_t base, end;
};
struct dwarf_range {
	uint32_t start, end; /* behind the code's base */
	uint32_t unit;	     /* number in units */
};
struct dwarf_index {
	struct dwarf_code code;
	VEC(uint64_t) units; /* their offsets, rising */
	VEC(struct dwarf_range) ranges;
	uint64_t next; /* unit to look at */
	bool done;
	size_t bad; /* units and ranges that are left out */
};

/* Go on until all is known. -EAGAIN when the work ran out. max_bytes: what the index may hold. */
int dwarf_index_scan(struct dwarf_index *x, const struct dwarf_file *f, size_t max_bytes);
void dwarf_index_fini(struct dwarf_index *x);
size_t dwarf_index_bytes(const struct dwarf_index *x);
/* The units that have an address, the likeliest first; returns how many, max at most. */
size_t dwarf_index_find(const struct dwarf_index *x, uint64_t address, uint32_t *ret, size_t max);
/* The unit that an offset of .debug_info lies in, UINT32_MAX when there is none. */
uint32_t dwarf_index_unit_at(const struct dwarf_index *x, uint64_t offset);
/* Cut a range to what code there can be; false where nothing is left. */
bool dwarf_code_clip(const struct dwarf_code *c, uint64_t start, uint64_t end, uint32_t *ret_start,
		     uint32_t *ret_end);

#endif
