/* symbol/dwarf_unit.h - one unit of debug information: its header, its first entry, and what values
 * of its entries mean: addresses, lists of ranges, text.
 *
 * Memory: freed by dwarf_unit_fini. Threads: one at a time. */
#ifndef GLIM_SYMBOL_DWARF_UNIT_H
#define GLIM_SYMBOL_DWARF_UNIT_H

#include "symbol/dwarf_abbrev.h"

struct dwarf_head {
	uint64_t offset, end; /* in .debug_info: of the unit, and of the next */
	uint64_t entries;     /* of its first entry */
	uint64_t abbrevs;
	uint64_t dwo_id; /* of units in two parts */
	struct dwarf_encoding encoding;
	uint8_t type; /* enum dwarf_unit_type */
};

/* Where a .dwp file keeps the parts of one unit; zeroes elsewhere. */
struct dwarf_part {
	uint64_t info, abbrev, line, str_offsets, rnglists;
};

struct dwarf_unit {
	const struct dwarf_file *file; /* that has its entries */
	const struct dwarf_file *main; /* that has its addresses: the program's */
	const struct dwarf_file *alt;  /* that it shares text with (dwz), or NULL */
	struct dwarf_head head;
	struct dwarf_abbrevs abbrevs;
	uint64_t str_offsets, addr, rnglists, ranges; /* bases */
	uint64_t lists;				      /* part of a .dwp file that lists are in */
	uint64_t low;				      /* ranges count from it */
	bool split;				      /* entries are in a .dwo or .dwp file */
	/* Of the first entry. */
	struct dwarf_value low_pc, high_pc, range_list, line, folder, dwo_name;
	char *folder_text, *dwo_text; /* DW_AT_comp_dir and DW_AT_dwo_name, when asked for */
};

/* Read the header of the unit at an offset. */
int dwarf_head_read(const struct dwarf_file *f, uint64_t offset, struct dwarf_head *ret);
/* Read the unit at an offset. With all false, only what its first entry says; text and other
 * abbreviations are left out. part: of a unit in a .dwo or .dwp file, NULL elsewhere; the caller
 * then sets main, addr, ranges and low as the program's half of the unit has them. */
int dwarf_unit_read(const struct dwarf_file *f, const struct dwarf_file *alt,
		    const struct dwarf_head *head, const struct dwarf_part *part, bool all,
		    struct dwarf_unit *ret);
void dwarf_unit_fini(struct dwarf_unit *u);

/* The address that a value stands for. */
int dwarf_address(const struct dwarf_unit *u, const struct dwarf_value *v, uint64_t *ret);
typedef int dwarf_range_fn(void *arg, uint64_t start, uint64_t end);
/* Call cb for each range of an entry that has these attributes; empty ones are left out. Returns
 * what cb returned when that is not 0. */
int dwarf_ranges_each(const struct dwarf_unit *u, const struct dwarf_value *low,
		      const struct dwarf_value *high, const struct dwarf_value *list,
		      dwarf_range_fn *cb, void *arg);
/* The text of a value, in memory of its own; -ENOENT where it is none, or in a file that is
 * not there. */
int dwarf_text(const struct dwarf_unit *u, const struct dwarf_value *v, char **ret);

#endif
