/* unwind/native/code_frame.h - what is known of a frame before an instruction, and behind it.
 *
 * Heights count bytes, places words below the CFA. Threads: any. */
#ifndef GLIM_UNWIND_CODE_FRAME_H
#define GLIM_UNWIND_CODE_FRAME_H

#include "unwind/native/unwind_table_abi.h"
#include "unwind/native/x86.h"

enum code_frame_kind {
	CODE_FRAME,
	CODE_OUTERMOST, /* nobody called */
	CODE_SIGNAL,	/* return from a signal handler: the rest is fixed */
};
struct code_frame {
	int32_t height;		 /* CFA = rsp + height; 0: not known */
	int32_t frame;		 /* CFA = frame_base + frame; 0: not known */
	uint16_t rbp_at, rbx_at; /* 0: in the register; UINT16_MAX: lost */
	uint8_t kind;
	uint8_t frame_base; /* UNWIND_RBP, or UNWIND_RBX as in hand-written code */
	uint8_t dirty;	    /* X86_WRITES_RBP, X86_WRITES_RBX: the register holds something else */
};

/* A function was called just now. */
extern const struct code_frame code_frame_at_entry;

/* What the instruction makes of it. */
void code_frame_apply(struct code_frame *s, const struct x86_insn *insn);
/* Something is pushed: a register, as DWARF numbers it, or X86_NO_REGISTER. */
void code_frame_push(struct code_frame *s, uint8_t reg);
/* Has the caller its registers back, but for what was never known? */
bool code_frame_may_return(const struct code_frame *s);
bool code_frame_equal(const struct code_frame *a, const struct code_frame *b);
/* What is known on both ways. */
struct code_frame code_frame_meet(const struct code_frame *a, const struct code_frame *b);
/* The rule that says it; of kind UNWIND_CFA_NONE where too little is known. */
struct unwind_rule code_frame_rule(const struct code_frame *s);

#endif
