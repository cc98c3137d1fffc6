/* process/run.h - one run of a command: what it took, from its first instruction until it ended.
 *
 * The process is a child of ours that waits for its go. What the kernel accounts is taken at the
 * only moment at which all of it is there, when the process has ended and was not reaped yet;
 * nothing is asked of it while it runs but its resident memory, now and then. What the kernel does
 * not tell is RUN_UNKNOWN. Threads: one at a time. */
#ifndef GLIM_PROCESS_RUN_H
#define GLIM_PROCESS_RUN_H

#include "process/activity.h"
#include "process/family.h"

enum { RUN_UNKNOWN = -1 };

struct run {
	int64_t wall_ns; /* at least the CPU time of its main thread */
	/* Of the command and of all processes that were waited for, as everywhere: */
	int64_t user_ns, system_ns, cpu_ns; /* the last: both */
	int64_t minor_faults, major_faults;
	int64_t voluntary_switches, involuntary_switches;
	int64_t read_bytes, written_bytes; /* by system calls, of whatever kind of file */
	int64_t disk_read_bytes, disk_written_bytes;
	int64_t peak_rss;  /* of that process which had the most */
	bool peak_at_most; /* it may have had less: so much a copy of us has that is to become it */
	/* Of the main thread of the command: */
	int64_t main_cpu_ns;
	int64_t run_queue_ns; /* it could run, and no CPU was free */
	int64_t disk_ns;      /* it waited for a disk, or to be swapped in */
	/* As seen now and then, of the command and of it with all its descendants at one time: */
	int64_t asleep_ns[ACTIVITY_REASON_COUNT]; /* since the look before, of the main thread */
	unsigned int asleep;			  /* so often it was seen to sleep */
	int64_t end_rss, end_rss_age_ns; /* the last, and how long before the end that was */
	int64_t together_rss;		 /* the greatest; pages that they share count for each */
	int signal;			 /* that ended it, or 0 */
	int status;			 /* as a shell tells it: 128 and the signal's number */
};

/* What belongs to our own preparations, and the counters of this process as they were. */
struct run_watch {
	pid_t pid;
	int ended;	       /* a pidfd of it */
	struct family *family; /* or NULL */
	int64_t start_ns;      /* CLOCK_MONOTONIC */
	struct run before;
};

/* Call it just before the process is told to go. */
void run_begin(struct run_watch *w, pid_t pid, int ended, struct family *family);
/* Wait for its end, and reap it. */
int run_wait(struct run_watch *w, struct run *ret, struct err *e);

#endif
