/* unwind/native/row.h - what a program's .eh_frame says of one place in its code: how to get from
 * there to the caller.
 *
 * Only the cases that Glim can follow are told apart. The tables are from strangers: every length
 * is bounded by its entry, every entry by a named size. Threads: any. */
#ifndef GLIM_UNWIND_ROW_H
#define GLIM_UNWIND_ROW_H

#include "symbol/elf_file.h"

enum row_kind {
	ROW_NONE = 0, /* nothing is said */
	ROW_FP = 1, /* the frame pointer is kept: caller's fp at [fp], return address at [fp + 8] */
	ROW_SP = 2, /* return address at [sp + offset - 8] */
	ROW_END = 3,   /* nobody called: the start of a thread or program */
	ROW_OTHER = 4, /* something else: not followed */
};
struct row {
	uint8_t kind;	/* enum row_kind */
	bool fp_saved;	/* ROW_SP: the caller's fp is at [sp + offset + fp_at]; else unchanged */
	int32_t offset; /* ROW_SP */
	int32_t fp_at;
};

/* Where each function's entry is, for files that have no sorted table of it (static programs). */
struct row_place {
	uint64_t start, entry;
};
struct row_table {
	VEC(struct row_place) places; /* sorted by start */
};
/* Empty where the file has a table itself, or nothing at all. */
void row_table_init(struct row_table *t, const struct elf_file *f);
void row_table_fini(struct row_table *t);

/* The row of an address (as the file counts). Never fails: what cannot be read is ROW_NONE, what is
 * broken is ROW_OTHER. */
void row_find(const struct elf_file *f, const struct row_table *t, uint64_t address,
	      struct row *ret);

/* Run one program of call frame instructions, from code address start to address. Used by row_find,
 * and alone in tests. state is the rules so far, rules those of the CIE (NULL while that is run).
 */
struct row_rules {
	enum { CFA_REGISTER, CFA_PLT, CFA_OTHER } cfa;
	uint64_t cfa_register;
	int64_t cfa_offset;
	enum { RULE_SAME, RULE_AT, RULE_AT_FP, RULE_UNDEFINED, RULE_OTHER } fp, ra;
	int64_t fp_at, ra_at;
	uint64_t plt_threshold; /* CFA_PLT */
};
struct row_program {
	const uint8_t *data;
	size_t len;
	uint64_t code_align;
	int64_t data_align;
	uint64_t ra_register;
};
/* False where the program is broken or uses what we do not know. */
bool row_run(const struct row_program *p, uint64_t start, uint64_t address,
	     const struct row_rules *initial, struct row_rules *state);
void row_from_rules(const struct row_rules *r, uint64_t address, struct row *ret);

#endif
