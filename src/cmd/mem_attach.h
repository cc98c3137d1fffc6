/* cmd/mem_attach.h - glim mem -p: the memory of a process that runs already, from outside.
 *
 * Resident memory of any program; of Python the lines under which it grew, and the bytes of its own
 * allocator. Nothing is put into it, and it is never stopped. Threads: the main thread. */
#ifndef GLIM_CMD_MEM_ATTACH_H
#define GLIM_CMD_MEM_ATTACH_H

#include "cmd/options.h"
#include "memory/memory_run.h"

struct mem_attach {
	pid_t pid;
	double seconds;	 /* 0: until it ends, or a signal comes */
	unsigned int hz; /* looks a second */
	bool allocated;	 /* lines count what the allocator gave out, not resident memory */
	int signals;	 /* readable when it is to end */
	const option_values *only; /* files or functions of which lines are shown; empty: own code
				    */
};
/* Look at it until it ends, the time is over, or a signal comes. */
int mem_attach_run(const struct mem_attach *o, struct memory_run *run, struct err *e);

#endif
