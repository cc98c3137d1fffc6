/* process/process.h - what /proc tells of a process: its name, programs, mappings, CPU and memory.
 *
 * Everything here may fail at any moment because the process ends: -ESRCH says so. Text is from
 * strangers. Memory: a struct process and its mappings belong to the caller until process_fini.
 * Threads: any, one at a time a struct. */
#ifndef GLIM_PROCESS_H
#define GLIM_PROCESS_H

#include <sys/types.h>

#include "base/err.h"
#include "base/strtab.h"
#include "base/vec.h"

/* An executable stretch of a process' memory. */
struct mapping {
	uint64_t start, end; /* addresses */
	uint64_t offset;     /* in the file */
	uint64_t dev, inode; /* 0: no file */
	char *path; /* as the process sees it, without " (deleted)"; "" for anonymous memory,
		       "[vdso]" ... */
	bool deleted;
};
struct process {
	pid_t pid;
	uint64_t start_time; /* clock ticks since boot: tells a reused pid */
	char comm[16];
	VEC(struct mapping) mappings; /* sorted by start; only executable ones */
};

int process_read(pid_t pid, struct process *ret, struct err *e);
/* Read the mappings again; returns 1 when they changed, 0 when not. */
int process_refresh(struct process *p, struct err *e);
void process_fini(struct process *p);
const struct mapping *process_find_mapping(const struct process *p, uint64_t address);

/* Open the file behind a mapping even when it was deleted, replaced, or lives in another mount
 * namespace. */
int process_open_mapping(const struct process *p, const struct mapping *m);
/* Copy memory of the process; all n bytes or a negative errno (-EFAULT, -ESRCH, -EPERM). */
int process_read_memory(pid_t pid, uint64_t address, void *buf, size_t n);
/* A terminated string of at most max bytes; returns its length. */
int process_read_string(pid_t pid, uint64_t address, char *buf, size_t max);

/* All pids of the machine, in ret_pids. */
typedef VEC(pid_t) pid_vec;
int process_list(pid_vec *ret_pids);

#endif
