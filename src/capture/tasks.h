/* capture/tasks.h - the threads of one process as the kernel sees them: does it run, its name.
 *
 * Files of /proc are kept open, which makes a look at a thread one short system call. Memory: a
 * tasks belongs to its maker until tasks_fini. Threads: one at a time. */
#ifndef GLIM_CAPTURE_TASKS_H
#define GLIM_CAPTURE_TASKS_H

#include <sys/types.h>

#include "base/vec.h"

enum { TASK_COMM = 16 };
struct task {
	pid_t tid;
	int stat_fd, syscall_fd; /* -1: not open */
	char comm[TASK_COMM];
	int64_t comm_ns; /* when that was read */
};
struct tasks {
	pid_t pid;
	VEC(struct task) list;
	size_t last; /* the one that was asked for: it is asked for again, or the next is */
};

void tasks_fini(struct tasks *t);
/* On a CPU, or waiting for one? Negative: there is no such thread. */
int tasks_is_running(struct tasks *t, pid_t tid);
/* The address of the futex that it waits at; 0: it does not, or that is not told. */
uint64_t tasks_futex(struct tasks *t, pid_t tid);
/* Its name, "" where it is not known. */
const char *tasks_comm(struct tasks *t, pid_t tid, int64_t now_ns);

#endif
