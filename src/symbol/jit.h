/* symbol/jit.h - names of code that programs make while they run, as their runtimes tell them.
 *
 * Two sources a process: /tmp/perf-PID.map (Node.js, Python, Java agents, .NET; as the process sees
 * /tmp and its own pid) and a jitdump file, which the process maps. Both grow; a look-up reads what
 * is new, in slices, seldom enough to cost little, whatever the number of processes. A file counts
 * only when it is a regular one that belongs to the process's user or to root. What it says is used
 * for this process alone.
 *
 * Memory: bounded; returned text lives until jit_trim. Threads: one at a time. */
#ifndef GLIM_SYMBOL_JIT_H
#define GLIM_SYMBOL_JIT_H

#include "process/process.h"

struct jit; /* opaque */
struct jit_name {
	const char *name; /* readable */
	const char *file; /* "" when unknown */
	uint32_t line;	  /* 0: unknown */
};

struct jit *jit_new(size_t max_bytes);
void jit_free(struct jit *j);
/* May a mapping hold code that was made at run time? */
bool jit_is_made(const struct mapping *m);
/* The function that was last made at this address of the process; false when nobody named one. */
bool jit_find(struct jit *j, const struct process *p, uint64_t address, struct jit_name *ret);
/* Close all files, and forget what was not asked for lately when there is too much. */
void jit_trim(struct jit *j);
size_t jit_bytes(const struct jit *j);
struct jit_stats {
	size_t processes, ranges; /* with names, of all processes */
	uint64_t ignored;	  /* lines and records that made no sense */
	uint64_t left_out;	  /* files of which a part did not fit into the bound */
};
void jit_stats(const struct jit *j, struct jit_stats *ret);

#endif
