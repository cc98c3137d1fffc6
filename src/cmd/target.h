/* cmd/target.h - the process that a command is to look at: `-p PID`.
 *
 * Whatever cannot be done with it is said so that the next command line is the right one. Threads:
 * any. */
#ifndef GLIM_CMD_TARGET_H
#define GLIM_CMD_TARGET_H

#include <sys/types.h>

#include "base/err.h"

/* The process whose number text is: -EINVAL when it is no number, -ESRCH when there is none, or
 * when it is that of a thread. */
int target_find(const char *text, pid_t *ret_pid, struct err *e);
/* "python3 (1234)", printable, to be freed. */
char *target_name(pid_t pid);
/* May this program read its memory? -EPERM: says which rule forbids it, and how to lift that.
 * command: what stands behind "glim" in the advice. */
int target_check_memory(pid_t pid, const char *command, struct err *e);

/* May its threads be stopped to see their native functions? As above, and -EBUSY: says who traces
 * it. */
int target_check_trace(pid_t pid, const char *command, struct err *e);

/* Put what can be done behind the reason that is in e; returns its code. */
int target_advise(struct err *e, const char *advice);

/* What decides about that; apart for tests. */
struct target_facts {
	pid_t pid;
	uid_t owner, us;  /* effective users */
	bool may_trace;	  /* we have CAP_SYS_PTRACE */
	int ptrace_scope; /* of Yama; 0 where there is none */
	const char *command;
};
/* Why it was refused; always -EPERM. */
int target_refused(const struct target_facts *f, struct err *e);

#endif
