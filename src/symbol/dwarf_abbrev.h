/* symbol/dwarf_abbrev.h - how the entries of debug information are written: abbreviations, made
 * ready to read or to step over quickly, and the values of attributes.
 *
 * Memory: freed by dwarf_abbrevs_fini. Threads: reading is free for all. */
#ifndef GLIM_SYMBOL_DWARF_ABBREV_H
#define GLIM_SYMBOL_DWARF_ABBREV_H

#include "symbol/dwarf_file.h"

/* What of a unit's header says how its values are written. */
struct dwarf_encoding {
	uint8_t version, offset_size, address_size;
};

/* What an entry is to us. */
enum dwarf_kind {
	DWARF_OTHER,
	DWARF_SCOPE, /* may hold functions: always walked into */
	DWARF_BLOCK, /* of a function: walked into with the function */
	DWARF_INLINED,
	DWARF_FUNCTION,
};

struct dwarf_attr {
	uint16_t name, form; /* of GNU's and others' numbers only those that fit */
	int32_t value;	     /* of DW_FORM_implicit_const, cut to what lines and files need */
	uint8_t fixed;	     /* size of the plain number that it is; 0: not as simple */
};
struct dwarf_abbrev {
	uint32_t code;
	uint32_t attrs; /* the first one */
	uint32_t skip;	/* the first of the operations that step over its values */
	uint16_t count; /* of attributes; 0 where they are of no use to us */
	uint8_t kind;	/* enum dwarf_kind */
	bool children : 1;
	bool code_range : 1; /* has an address or ranges */
	bool sibling : 1;
	int32_t fixed;	    /* size of all values, -1 where it is not known */
	int16_t sibling_at; /* DW_AT_sibling's place among the values when it is always there, in 4
			       bytes; -1: elsewhere */
};
struct dwarf_abbrevs {
	VEC(struct dwarf_abbrev) abbrevs; /* by code */
	VEC(struct dwarf_attr) attrs;
	VEC(uint8_t) skips;
};

/* Read the table at an offset of .debug_abbrev; not further than the abbreviation with the code
 * `until` when that is not 0. */
int dwarf_abbrevs_read(const struct dwarf_file *f, uint64_t offset, struct dwarf_encoding e,
		       uint64_t until, struct dwarf_abbrevs *ret);
void dwarf_abbrevs_fini(struct dwarf_abbrevs *a);
size_t dwarf_abbrevs_bytes(const struct dwarf_abbrevs *a);
/* The abbreviation with a code; NULL where there is none. */
const struct dwarf_abbrev *dwarf_abbrevs_search(const struct dwarf_abbrevs *a, uint64_t code);
static inline const struct dwarf_abbrev *dwarf_abbrevs_find(const struct dwarf_abbrevs *a,
							    uint64_t code)
{
	/* Compilers count from 1. */
	if (code - 1 < a->abbrevs.len && a->abbrevs.data[code - 1].code == code)
		return &a->abbrevs.data[code - 1];
	return dwarf_abbrevs_search(a, code);
}

struct dwarf_value {
	uint16_t form; /* 0: there is none */
	uint64_t number;
	const char *text; /* of DW_FORM_string, inside what was read */
};
/* Read one value. */
void dwarf_value_read(struct byte_reader *r, struct dwarf_encoding e, uint16_t form, int32_t value,
		      struct dwarf_value *ret);
/* Read the value of an attribute. */
static inline void dwarf_attr_read(struct byte_reader *r, struct dwarf_encoding e,
				   const struct dwarf_attr *a, struct dwarf_value *ret)
{
	if (a->fixed)
		*ret = (struct dwarf_value){.form = a->form, .number = byte_fixed(r, a->fixed)};
	else
		dwarf_value_read(r, e, a->form, a->value, ret);
}
/* Step over all values of an entry. */
void dwarf_skip(struct byte_reader *r, struct dwarf_encoding e, const struct dwarf_abbrevs *a,
		const struct dwarf_abbrev *abbrev);

#endif
