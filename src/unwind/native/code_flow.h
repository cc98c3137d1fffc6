/* unwind/native/code_flow.h - frames of code that no call frame information describes.
 *
 * musl is shipped without any, and so is much assembly. Their instructions say where the frame is:
 * each function is followed from its start through all its branches, with the height of the stack,
 * the frame pointer, and the places of rbp and rbx at each instruction. What is not reached, or
 * reached with different heights, or does not return with the stack as it was, has no rule: better
 * none than a wrong one. By their bytes alone are known: the return from a signal handler, the
 * start of a program, and that of a thread.
 *
 * Functions start where a symbol, a call or an address in other code says so. Memory: belongs to
 * the struct; a few times the code that is looked at, which is bounded. Threads: any. Input is from
 * strangers: work is linear in the size of the code. */
#ifndef GLIM_UNWIND_CODE_FLOW_H
#define GLIM_UNWIND_CODE_FLOW_H

#include "symbol/elf_file.h"
#include "unwind/native/unwind_table_abi.h"

struct code_range {
	uint64_t start, end; /* virtual addresses of the file */
};
typedef VEC(struct code_range) code_ranges;

struct code_rule {
	uint64_t address; /* from here on, up to the next */
	struct unwind_rule rule;
};
struct code_flow {
	VEC(struct code_rule) rules; /* sorted */
};

/* The rules of code in some gaps, which are sorted, given the code around them. */
void code_flow_find(const struct elf_file *f, const code_ranges *gaps, const code_ranges *covered,
		    struct code_flow *ret);
void code_flow_fini(struct code_flow *flow);

#endif
