/* process/activity.h - what a thread does at this moment, as the kernel says it.
 *
 * The system call and its arguments are told only to those who may trace the process. Threads:
 * any. */
#ifndef GLIM_PROCESS_ACTIVITY_H
#define GLIM_PROCESS_ACTIVITY_H

#include <sys/types.h>

#include "base/buf.h"

struct activity {
	char state;    /* R, S, D, T ... as in /proc/PID/stat */
	char comm[16]; /* its name for the kernel */
	int call;      /* number of the system call that it waits in; -1: none, or not told */
	uint64_t arguments[6];
};
/* What it waits for. X(NAME, text); the order is the one in which several count. */
#define ACTIVITY_REASONS(X)                                                                        \
	X(SOCKETS, "sockets") /* of the network, and of this machine */                            \
	X(CHILDREN, "children")                                                                    \
	X(LOCKS, "locks")                                                                          \
	X(PIPES, "pipes") /* and terminals */                                                      \
	X(FILES, "files")                                                                          \
	X(TIMERS, "timers")                                                                        \
	X(ELSE, "else")
enum activity_reason {
#define X(name, text) ACTIVITY_##name,
	ACTIVITY_REASONS(X)
#undef X
		ACTIVITY_REASON_COUNT
};
extern const char *const activity_reasons[ACTIVITY_REASON_COUNT];
/* -ESRCH: there is no such thread. */
int activity_read(pid_t pid, pid_t tid, struct activity *ret);
/* Less of it, and cheaper: its state, and how many pages it touched first since it began. */
int activity_read_faults(pid_t pid, pid_t tid, char *ret_state, uint64_t *ret_faults);
/* "running", "waits in read, fd 0 (pipe)": for a person, printable. */
void activity_describe(pid_t pid, const struct activity *a, struct buf *out);
/* Of one that does not run: by its system call, and by what the descriptors of that are. */
enum activity_reason activity_reason(pid_t pid, const struct activity *a);
/* The address of the futex that it waits at; 0: it does not. */
uint64_t activity_futex(const struct activity *a);

#endif
