/* capture/tasks.h - the threads of one process as the kernel sees them: whether each runs, how long
 * it ran, its name.
 *
 * Files of /proc are kept open, which makes a look at a thread one short system call. Memory: a
 * tasks belongs to its maker until tasks_fini. Threads: one at a time. */
#ifndef GLIM_CAPTURE_TASKS_H
#define GLIM_CAPTURE_TASKS_H

#include <sys/types.h>

#include "base/vec.h"
#include "capture/run_clock.h"

enum task_file { TASK_SYSCALL, TASK_SCHEDSTAT, TASK_STATUS, TASK_STAT, TASK_FILES };
enum { TASK_COMM = 16 };
struct task {
	pid_t tid;
	int fds[TASK_FILES]; /* -1: not open */
	struct run_clock clock;
	int64_t claimed_ns; /* tasks_claim */
	bool used;	    /* asked for since the last sweep */
	char comm[TASK_COMM];
	int64_t comm_ns; /* when that was read */
};
struct tasks {
	pid_t pid;
	VEC(struct task) list;
	size_t last;	   /* the one that was asked for: it is asked for again, or the next is */
	int64_t period_ns; /* of samples */
	int64_t first_ns;  /* what counts of a thread's run time before it was first asked for */
	int64_t left_ns;   /* run time of threads that ended, which no sample stands for */
	int64_t swept_ns;
	bool told; /* run times are */
};

void tasks_fini(struct tasks *t);
/* On a CPU, or waiting for one? Negative: there is no such thread. */
int tasks_is_running(struct tasks *t, pid_t tid);
/* The run time that a sample of the thread stands for which is taken now (run_clock.h); 0: it is
 * not to be taken, for the thread waits or did not run. -ESRCH: there is no such thread; -ENOTSUP:
 * this kernel does not tell run times. */
int64_t tasks_take_run_time(struct tasks *t, pid_t tid, int64_t now_ns);
/* The same of a thread that held Python's lock when it was sampled last. Whoever has it runs, or
 * was sent away: so it is not asked, at a third of the price, how often it left its CPU, as long as
 * it is ready to run. *ret_trusted: such a value stands only if it still has the lock. */
int64_t tasks_take_run_time_of_holder(struct tasks *t, pid_t tid, int64_t now_ns,
				      bool *ret_trusted);
/* It has not: what its sample stands for after all. */
int64_t tasks_take_run_time_again(struct tasks *t, pid_t tid, int64_t value, int64_t now_ns);
/* Of several who would sample a thread now: true to the first. */
bool tasks_claim(struct tasks *t, pid_t tid, int64_t now_ns);
/* Forget threads that were not asked for lately: they ended. To be called now and then. */
void tasks_sweep(struct tasks *t, int64_t now_ns);
/* Run time of all threads, ended or not, that no sample stands for. */
int64_t tasks_left(const struct tasks *t);
/* The address of the futex that it waits at; 0: it does not, or that is not told. */
uint64_t tasks_futex(struct tasks *t, pid_t tid);
/* Its name, "" where it is not known. */
const char *tasks_comm(struct tasks *t, pid_t tid, int64_t now_ns);

#endif
