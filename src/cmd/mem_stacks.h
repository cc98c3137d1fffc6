/* cmd/mem_stacks.h - what a Python process runs at the looks of `glim mem -p`, as stacks of its
 * growth.
 *
 * Reads as python_reader.h does: never stops it. Of several threads those count that touched new
 * memory since the last look, each by how much, which the kernel tells; where none did, the one
 * that holds Python's lock, or runs. Memory: belongs to the struct. Threads: one at a time. */
#ifndef GLIM_CMD_MEM_STACKS_H
#define GLIM_CMD_MEM_STACKS_H

#include "capture/target.h"
#include "memory/memory_growth.h"
#include "process/faults.h"
#include "unwind/python/python_reader.h"

struct mem_thread {
	pid_t tid;
	uint64_t faults; /* pages that it touched first, so far */
	double new;	 /* of these since the last look */
	bool running, listed;
};
struct mem_stacks {
	pid_t pid;
	struct memory memory;
	struct runtimes *runtimes;
	struct targets targets;
	struct target *target; /* of pid */
	struct python_reader *reader;
	VEC(struct mem_thread) threads;
	struct map64 frames;   /* by code id << 32 | byte offset */
	struct faults faults;  /* of these threads; says when a look is worth the most */
	int no_faults;	       /* a negative errno: the kernel tells of none */
	uint64_t left_out;     /* stacks that no room was for */
	uint64_t torn, looked; /* stacks that were read, and of these without their inner part */
};

/* -ENOENT: it runs no Python; -ENOTSUP, -EPERM, -ESRCH: its stacks cannot be read, e says why. */
int mem_stacks_open(pid_t pid, struct mem_stacks *ret, struct err *e);
void mem_stacks_close(struct mem_stacks *s);
/* Add what runs now to a look of g. */
void mem_stacks_look(struct mem_stacks *s, struct memory_growth *g);

#endif
