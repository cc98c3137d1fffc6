/* process/usage.h - CPU and memory of the host and of each process.
 *
 * CPU time is asked of the kernel's clock of each process: one short system call a process, in
 * nanoseconds. /proc/PID/stat, ten times as dear, is read of those that ran since the last reading
 * and now and then of the others. Memory: belongs to the struct until usage_fini. Threads: one at
 * a time. */
#ifndef GLIM_PROCESS_USAGE_H
#define GLIM_PROCESS_USAGE_H

#include "process/process.h"

struct process_usage {
	pid_t pid;
	char comm[16];
	double cpu_seconds; /* since the last reading, or since it started when that is later; 0 in
			       the first reading */
	uint64_t rss_bytes;
};
/* What is remembered of a process; opaque to callers. */
struct usage_seen {
	uint64_t start_time;
	int64_t cpu_ns;
	unsigned int age; /* readings since its stat was read */
};
typedef VEC(struct process_usage) process_usage_vec;
typedef VEC(struct usage_seen) usage_seen_vec;

struct usage {
	int64_t time_ns;	 /* of this reading, CLOCK_REALTIME */
	int64_t interval_ns;	 /* since the last; 0: the first */
	double host_cpu_seconds; /* busy CPU time of all CPUs in the interval, without idle and
				    iowait, nor time stolen by a hypervisor */
	unsigned int cpus;	 /* online */
	uint64_t memory_total, memory_used; /* used: total - available */
	process_usage_vec processes;	    /* by pid */
	usage_seen_vec seen;		    /* of each of them */
	uint64_t last_busy_ticks;
	int64_t last_mono_ns;
};

/* Take a reading into u (zeroed before the first). */
int usage_read(struct usage *u, struct err *e);
/* Only what all CPUs worked since boot, in clock ticks, and how many there are. */
int usage_read_host(uint64_t *ret_busy, unsigned int *ret_cpus, struct err *e);
/* Only the bytes of one process that are resident; 0: it is gone, or has ended. */
int64_t usage_resident(pid_t pid);
void usage_fini(struct usage *u);

#endif
