/* process/core.h - a process as its core file keeps it: memory, mappings, threads.
 *
 * x86-64 ELF cores, of the kernel or of gcore. Pages of files that the core leaves out are read
 * from the files, when their build ids are those that the core has. What stands in it is from
 * strangers: every offset is checked. Memory: all belongs to the struct core until core_close.
 * Threads: one at a time. */
#ifndef GLIM_PROCESS_CORE_H
#define GLIM_PROCESS_CORE_H

#include "process/memory.h"
#include "process/process.h"
#include "process/thread_stop.h"

struct core; /* opaque */
/* exe: where the program is when it was moved, else NULL; every file of its build id is read there.
 * -EINVAL: no core file that we can read. */
int core_open(const char *path, const char *exe, struct core **ret, struct err *e);
void core_close(struct core *c);

/* Lives as long as c. */
struct memory core_memory(const struct core *c);
/* Executable mappings and its name; to be given to process_fini. Files that are missing, or are
 * others by now, have no mapping; pid is 0, since another process may have it. */
void core_process(const struct core *c, struct process *ret);
/* What it was when it lived; 0: not known. */
pid_t core_pid(const struct core *c);
/* Its threads, the one that ended it first. Lives as long as c. */
struct core_thread {
	pid_t tid;
	struct thread_registers registers;
};
size_t core_threads(const struct core *c, const struct core_thread **ret);
/* The command line, of at most 80 bytes; "" where it is not known. */
const char *core_command(const struct core *c);
/* A file that the process had mapped, and that cannot be used: missing, or another by now. NULL:
 * there is none. */
const char *core_missing(const struct core *c);
/* When it was written, nanoseconds since 1970. */
int64_t core_time(const struct core *c);

#endif
