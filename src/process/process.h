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
	size_t mappings_dropped;      /* left out: more than a bound, or torn while reading */
	pid_t thread; /* to ask for memory and files when the main thread ended; 0: that one */
};
/* The number by which /proc and the memory of the process are found. */
static inline pid_t process_tid(const struct process *p)
{
	return p->thread ? p->thread : p->pid;
}

/* Kernel threads and zombies have no mappings: not an error. */
int process_read(pid_t pid, struct process *ret, struct err *e);
/* Read name and mappings again; returns 1 when the mappings changed, 0 when not, and -ESRCH also
 * when the pid is another process by now, or a zombie. p is untouched on failure. */
int process_refresh(struct process *p, struct err *e);
void process_fini(struct process *p);
/* The executable mapping that holds the address, or NULL. */
const struct mapping *process_find_mapping(const struct process *p, uint64_t address);

/* Something was mapped, of which the path is copied: what lay in its place is gone. */
void process_map(struct process *p, const struct mapping *m);
/* Append copies of all mappings of another process. */
void process_copy_mappings(struct process *to, const struct process *from);

/* Open the file behind a mapping for reading, even when it was deleted, replaced, or lives in
 * another mount namespace; the vdso is copied into a file in memory. Returns a descriptor; only
 * regular files are opened (-ENODEV), and never another file of the same name (-ESTALE). */
int process_open_mapping(const struct process *p, const struct mapping *m);
/* Open a regular file by the path that a process would use, in its root; pid 0: in ours. Links on
 * the way are followed, never out of the root; the last part may be one only with follow. -ENODEV:
 * not a regular file. */
int process_open_path(pid_t pid, const char *path, bool follow);
/* Copy the first n bytes of the [vdso], m; of a process that ended, too. */
int process_read_vdso(const struct process *p, const struct mapping *m, void *buf, size_t n);
/* Copy memory of the process; all n bytes or a negative errno (-EFAULT, -ESRCH, -EPERM). */
int process_read_memory(pid_t pid, uint64_t address, void *buf, size_t n);
/* A string of fewer than max bytes and its end; returns its length, -ENAMETOOLONG when no end is
 * among the first max bytes. */
int process_read_string(pid_t pid, uint64_t address, char *buf, size_t max);

/* The user that the process acts as, as our user namespace counts, and its pid as it sees itself.
 */
int process_identity(pid_t pid, uid_t *ret_user, pid_t *ret_inner);

/* A thread of a process, as this /proc counts and as the process does: they differ where it lives
 * in a pid namespace of its own. */
struct process_thread {
	pid_t tid, inner;
};
typedef VEC(struct process_thread) process_thread_vec;
/* All threads of a process, in ret, whose old content goes. */
int process_threads(pid_t pid, process_thread_vec *ret);

/* All pids that this /proc shows, in ret_pids, whose old content goes. */
typedef VEC(pid_t) pid_vec;
int process_list(pid_vec *ret_pids);
/* The threads of a process, in ret_tids, whose old content goes. */
int process_tids(pid_t pid, pid_vec *ret_tids);
/* Append all processes that descend from those in the list, each once. Who loses its parent is
 * nobody's descendant. */
int process_descendants(pid_vec *pids);
static inline void pids_fini(pid_vec *v)
{
	vec_fini(v);
}

#endif
