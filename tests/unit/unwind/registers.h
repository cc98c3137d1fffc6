/* The registers of a stopped thread, as DWARF numbers them. */
#ifndef GLIM_TEST_REGISTERS_H
#define GLIM_TEST_REGISTERS_H

#include <sys/user.h>

#include "unwind/native/unwind_table_abi.h"

static inline void dwarf_registers(const struct user_regs_struct *r, uint64_t ret[UNWIND_REGISTERS])
{
	/* System V ABI, table 3.36. */
	const uint64_t all[] = {r->rax, r->rdx, r->rcx, r->rbx, r->rsi, r->rdi, r->rbp, r->rsp,
				r->r8,	r->r9,	r->r10, r->r11, r->r12, r->r13, r->r14, r->r15};

	memcpy(ret, all, sizeof(all));
}

#endif
