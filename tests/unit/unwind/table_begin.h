/* Where a walk by tables begins: here, or where a stopped thread is. Included behind
 * native_tables.h and unwind/native/table_walk.h. */
#ifndef GLIM_TEST_TABLE_BEGIN_H
#define GLIM_TEST_TABLE_BEGIN_H

#include "registers.h"

/* In this function, with the registers that it may not change. */
#define table_begin_here(w)                                                                        \
	__asm__ volatile("lea 0(%%rip), %0\n\t"                                                    \
			 "mov %%rsp, %1\n\t"                                                       \
			 "mov %%rbp, %2\n\t"                                                       \
			 "mov %%rbx, %3\n\t"                                                       \
			 "mov %%rbp, %4\n\t"                                                       \
			 "mov %%r10, %5"                                                           \
			 : "=&r"((w)->pc), "=m"((w)->sp), "=m"((w)->rbp), "=m"((w)->rbx),          \
			   "=m"((w)->registers[UNWIND_RBP]), "=m"((w)->registers[10]))

static inline void table_begin(pid_t pid, const struct user_regs_struct *r, struct table_walk *ret)
{
	*ret = (struct table_walk){
		.pc = r->rip,
		.sp = r->rsp,
		.rbp = r->rbp,
		.rbx = r->rbx,
		.thread_base = r->fs_base,
	};
	assert_true(tables_process(pid, &ret->process));
	dwarf_registers(r, ret->registers);
	table_start(ret);
}

#endif
