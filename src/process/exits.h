/* process/exits.h - what the kernel accounts of each thread, told when it ends (taskstats).
 *
 * It tells of every thread of the machine, so it needs CAP_NET_ADMIN, and process numbers as the
 * machine counts them. Records wait in the socket until they are drained. Memory: none. Threads:
 * one at a time. */
#ifndef GLIM_PROCESS_EXITS_H
#define GLIM_PROCESS_EXITS_H

#include <sys/types.h>

#include "base/err.h"
#include "base/vec.h"

struct thread_account {
	pid_t pid;			   /* of its process */
	int64_t run_queue_ns;		   /* it could run, and no CPU was free */
	int64_t disk_ns;		   /* kept only with kernel.task_delayacct */
	int64_t peak_rss;		   /* of its process */
	int64_t read_bytes, written_bytes; /* by system calls, rounded down to 1,024 */
	int64_t disk_read_bytes, disk_written_bytes;
};
typedef VEC(struct thread_account) thread_accounts;

/* A socket that hears of them from now on, or -EPERM, or another negative errno. */
int exits_open(void);
/* Append what came until now; returns how often records were lost because they were too many. */
unsigned int exits_drain(int fd, thread_accounts *ret);

#endif
