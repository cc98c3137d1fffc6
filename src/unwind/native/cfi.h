/* unwind/native/cfi.h - call frame information (.eh_frame, .debug_frame): its records and its
 * programs, run without a machine.
 *
 * A program of CFI describes, address by address, where a frame keeps its caller's registers. Only
 * those that a walk needs are followed: rbx, rbp, rsp and the return address.
 * Memory: a section borrows its bytes; states point into them. Threads: one at a time a section.
 * Input is from strangers: every read is inside the section, all work is linear in its size. */
#ifndef GLIM_UNWIND_CFI_H
#define GLIM_UNWIND_CFI_H

#include "base/hash.h"
#include "base/vec.h"

enum cfi_slot { CFI_RBX, CFI_RBP, CFI_RSP, CFI_RA, CFI_SLOTS };

enum cfi_kind {
	CFI_SAME = 0, /* nothing said */
	CFI_UNDEFINED,
	CFI_AT_CFA,	/* saved at CFA + number */
	CFI_IS_CFA,	/* is CFA + number */
	CFI_REGISTER,	/* in the register `number` */
	CFI_EXPRESSION, /* saved at what the expression computes */
	CFI_IS_EXPRESSION,
};
struct cfi_bytes {
	const uint8_t *at, *end;
};
struct cfi_place {
	enum cfi_kind kind;
	int64_t number;
	struct cfi_bytes expression;
};
struct cfi_state {
	bool cfa_expression;
	uint64_t cfa_register;
	int64_t cfa_offset;
	struct cfi_bytes expression;
	struct cfi_place slots[CFI_SLOTS];
};

struct cfi_cie {
	uint64_t code_align;
	int64_t data_align;
	uint64_t ra_register;
	uint8_t fde_encoding;
	bool has_augmentation; /* FDEs have data of their own to skip */
	bool signal;	       /* frames of this kind were interrupted, they called nothing */
	bool valid;
	struct cfi_state initial;
};
struct cfi_fde {
	uint64_t start, end; /* virtual addresses of the file */
	uint32_t cie;	     /* index */
	uint32_t program_size;
	const uint8_t *program;
};
struct cfi_section {
	const uint8_t *data;
	size_t size;
	uint64_t address; /* of data[0], as the file is linked */
	bool debug_frame;
	bool terminated; /* a record of length 0 ends it: its true size is not known */
	VEC(struct cfi_cie) cies;
	struct map64 cie_index; /* by offset */
	VEC(struct cfi_fde) fdes;
	size_t bad; /* records that could not be used */
};

/* Find all FDEs. What is damaged is counted in s->bad and left out. */
void cfi_read(struct cfi_section *s);
void cfi_fini(struct cfi_section *s);

/* Run the program of an FDE: row is called with the state that holds from address on, in rising
 * order, the first time for f->start. Returns 0, -EBADMSG where the program is damaged (the rows
 * before were given), or what row returned when that is not 0. */
typedef int cfi_row_fn(void *arg, uint64_t address, const struct cfi_state *state);
int cfi_run(const struct cfi_section *s, const struct cfi_fde *f, cfi_row_fn *row, void *arg);

/* What an expression comes to, as far as real code needs it. */
enum cfi_value_kind {
	CFI_VALUE_NUMBER,
	CFI_VALUE_REGISTER, /* register + offset */
	CFI_VALUE_MEMORY,   /* word at register + offset, + add */
	CFI_VALUE_CFA,	    /* CFA + offset */
	CFI_VALUE_PLT,	    /* register + offset + ((pc & 15) >= add ? 8 : 0) */
	CFI_VALUE_PARTIAL,  /* inside of the evaluation only */
};
struct cfi_value {
	enum cfi_value_kind kind;
	unsigned int reg;
	int64_t offset;
	int64_t add;
};
/* -ENOTSUP for everything else. with_cfa: the CFA is on the stack at the start. */
int cfi_evaluate(struct cfi_bytes expression, bool with_cfa, struct cfi_value *ret);

#endif
