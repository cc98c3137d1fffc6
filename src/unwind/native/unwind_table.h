/* unwind/native/unwind_table.h - the unwind table of one file, and the table of rules of the
 * machine; unwind_table_abi.h says what rows, rules and pages mean.
 *
 * A table is made by handing in states in rising order of addresses. Rules are shared by all files:
 * the same rule has the same index everywhere, and an index never changes its meaning while the
 * rules live. Memory: both belong to whoever holds the struct. Threads: one at a time a rules. */
#ifndef GLIM_UNWIND_TABLE_H
#define GLIM_UNWIND_TABLE_H

#include "base/err.h"
#include "base/hash.h"
#include "base/vec.h"
#include "unwind/native/unwind_table_abi.h"

struct unwind_rules {
	VEC(struct unwind_rule) rules; /* [UNWIND_NO_RULE] is of kind UNWIND_CFA_NONE */
	struct hash_index index;
};
void unwind_rules_init(struct unwind_rules *r);
void unwind_rules_fini(struct unwind_rules *r);
/* Index of a rule, added when it is new; -ENOSPC when the table is full. */
int unwind_rules_add(struct unwind_rules *r, const struct unwind_rule *rule);
/* Make to, which is not initialized, the same as another. */
void unwind_rules_copy(struct unwind_rules *to, const struct unwind_rules *from);

/* Why a state became no rule, for figures. */
enum unwind_unsupported {
	UNWIND_WHY_CFA_EXPRESSION, /* one that no code we know of has */
	UNWIND_WHY_CFA_REGISTER,   /* no general register */
	UNWIND_WHY_RANGE,	   /* an offset does not fit into a rule */
	UNWIND_WHY_RSP,		   /* the caller's stack pointer is not the CFA */
	UNWIND_WHY_RBP,
	UNWIND_WHY_RBX,
	UNWIND_WHY_RETURN, /* where the return address is */
	UNWIND_WHY_FULL,   /* no room for another rule */
	UNWIND_WHY_COUNT,
};
extern const char *const unwind_why_names[UNWIND_WHY_COUNT];

struct unwind_table_page {
	uint32_t first; /* index of its first row */
	uint32_t count;
};
struct unwind_table {
	uint64_t base; /* virtual address of the first page with code; a multiple of 64 KiB */
	VEC(unwind_row) rows;
	VEC(struct unwind_table_page) pages;
	/* Figures. */
	size_t states;	  /* rows before folding */
	size_t functions; /* FDEs used */
	size_t bad;	  /* records of the file that are damaged, or FDEs that lie
			     outside of its code or over each other */
	size_t unsupported[UNWIND_WHY_COUNT]; /* states */
	uint64_t unsupported_bytes;	      /* of code */
	uint64_t code_bytes;		      /* that have a state */
};
void unwind_table_fini(struct unwind_table *t);
/* The rule that holds at a virtual address of the file; never NULL. */
const struct unwind_rule *unwind_table_find(const struct unwind_table *t,
					    const struct unwind_rules *r, uint64_t address);

/* A table was made with a copy of `into`, which had `common` rules then, and both may have grown
 * since: add what the table needs, and give its rows the numbers that hold here. -ENOSPC: there is
 * no room for all of it, and the table is of no use. */
int unwind_table_merge(struct unwind_table *t, const struct unwind_rules *copy, size_t common,
		       struct unwind_rules *into);

enum { UNWIND_FOLDED_STATES = UNWIND_RULE_STEPS - 1 };

/* Takes states and makes rows of them. */
struct unwind_writer {
	struct unwind_table *table;
	struct unwind_rules *rules;
	struct unwind_rule rule; /* that holds from `start` on */
	uint64_t start;
	bool open; /* rule and start are set */
	/* Short states before, which will share the row of the one that lasts, and room for it. */
	struct {
		uint64_t address;
		struct unwind_rule rule;
	} folded[UNWIND_FOLDED_STATES + 1];
	size_t folded_len;
	struct map64 seen; /* how often there was a chain, by its hash */
};
/* Fill in where the parts of a page start; its other fields and its rows are there. */
void unwind_page_index(struct unwind_page *page, const unwind_row *rows);

/* Afterwards unwind_writer_fini is needed. Start a table whose first page holds the address
 * `first`. */
void unwind_writer_init(struct unwind_writer *w, struct unwind_table *t, struct unwind_rules *r,
			uint64_t first);
/* From address on, rule holds; addresses must not fall. -EFBIG: over a bound. */
int unwind_writer_add(struct unwind_writer *w, uint64_t address, const struct unwind_rule *rule);
/* The last rule ends before end. */
int unwind_writer_finish(struct unwind_writer *w, uint64_t end);
void unwind_writer_fini(struct unwind_writer *w);

#endif
