/* process/family.h - a process and all that descend from it: who they were and what CPU time each
 * had, also those that lived for a moment.
 *
 * The kernel writes a record of every fork, exec and end and of the CPU time at that end (perf
 * software events, which descendants inherit). No root is needed for one's own processes, none is
 * stopped, nothing is polled. Root hears more of each, by process/exits.h. What the kernel could
 * not write is counted. Who executes a program with the rights of another user, such as sudo, is
 * not followed any further.
 *
 * Memory: all belongs to the family. Threads: one at a time. */
#ifndef GLIM_PROCESS_FAMILY_H
#define GLIM_PROCESS_FAMILY_H

#include <sys/types.h>

#include "base/err.h"
#include "base/hash.h"
#include "base/vec.h"
#include "process/exits.h"

enum { FAMILY_NOBODY = UINT32_MAX };

struct family_member {
	pid_t pid;
	uint32_t parent; /* its index; FAMILY_NOBODY: not known, and of the first */
	char comm[16];	 /* of the program that it executed last */
	/* CLOCK_MONOTONIC; the first starts with its exec; end 0: it lives, or nobody knows. Newer
	 * kernels (seen: Linux 6.18) take the memory back after the end that they write: neither
	 * times have that in them. */
	int64_t start_ns, end_ns;
	int64_t cpu_ns;	  /* of all its threads */
	uint32_t threads; /* that it ever had */
	uint32_t alive;	  /* of these now */
	uint32_t told;	  /* how often the kernel told CPU time of it */
	/* Where the kernel accounts to us: the sums of so many of its threads. */
	uint32_t accounts;
	struct thread_account account; /* peak_rss: the greatest */
};
struct family {
	VEC(struct family_member) members; /* the first is the ancestor of all */
	struct map64 index;		   /* pid -> the last member with that number */
	uint64_t lost;			   /* records that had no room */
	uint64_t dropped;		   /* processes beyond a bound */
	bool accounted;			   /* the kernel accounts to us: as root */
	uint64_t accounts_lost;
	struct family_rings *rings;
};

/* Follow a process, which must not have executed its program yet: at that moment it begins. */
int family_open(pid_t pid, struct family *ret, struct err *e);
void family_close(struct family *f);
/* To wait for: readable when there is much to be drained. */
int family_fd(const struct family *f);
/* Take what was written until now. */
void family_drain(struct family *f);
/* The first one ended, and was not reaped: take the rest, and the CPU time of those that live. */
void family_end(struct family *f);
/* Did the kernel account for all of its threads? */
static inline bool family_accounted(const struct family_member *m)
{
	return m->accounts && m->accounts == m->threads && !m->alive;
}

#endif
