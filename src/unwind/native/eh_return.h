/* unwind/native/eh_return.h - functions that go on in the handler of an exception: those of libgcc
 * that end with __builtin_eh_return.
 *
 * They overwrite the registers that they saved, and their return address, by those of the handler's
 * frame (gcc 12, libgcc/unwind-dw2.c, uw_install_context_1), and jump to it a few instructions
 * later. Their call frame information goes on as if nothing had been overwritten. What is true in
 * the meantime stands in their struct _Unwind_Context, which they read for
 * _Unwind_DebugHook(cfa, handler): who comes next is the handler, that the exception unwound to.
 *
 * Memory: none. Threads: any. Input is from strangers: the code is at most EH_RETURN_MAX bytes. */
#ifndef GLIM_UNWIND_EH_RETURN_H
#define GLIM_UNWIND_EH_RETURN_H

#include "symbol/elf_file.h"
#include "unwind/native/cfi.h"
#include "unwind/native/unwind_table_abi.h"

enum { EH_RETURN_MAX = 8 << 10 };

struct eh_return {
	uint64_t install;   /* the call that overwrites; 0: this is no such function */
	uint64_t installed; /* the instruction behind it */
	uint64_t leaves;    /* from here on the stack pointer is the handler's */
};

/* May a function be one? Takes no time; few are. */
bool eh_return_possible(const struct cfi_fde *fde);
/* Whether it is one; then the rules of its code from install on, and from installed on, are
 * in ret_rules. */
bool eh_return_find(const struct elf_file *f, const struct cfi_section *s,
		    const struct cfi_fde *fde, struct eh_return *ret,
		    struct unwind_rule ret_rules[2]);

#endif
