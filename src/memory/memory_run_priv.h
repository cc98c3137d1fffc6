/* memory/memory_run_priv.h - a file of the library while it is read. All in it is a stranger's. */
#ifndef GLIM_MEMORY_RUN_PRIV_H
#define GLIM_MEMORY_RUN_PRIV_H

#include "memory/memory_run.h"
#include "memory/target/memory_abi.h"

struct memory_raw_function {
	const struct memory_function_abi *abi;
	const struct memory_line_abi *lines;
	const char *file, *name;
	uint32_t number; /* in the file */
};
struct memory_file {
	const struct memory_header_abi *header;
	const char *data;
	size_t size;				   /* that counts */
	VEC(struct memory_raw_function) functions; /* by their number until they are joined */
	VEC(const struct memory_stack_abi *) stacks;
};

/* Make the profiles of a process; -EBADMSG where its nodes make no sense. */
int memory_run_stacks(const struct memory_run *run, const struct memory_file *f,
		      struct memory_process *to);

#endif
