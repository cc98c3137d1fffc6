/* process/usage.h - CPU and memory of the host and of each process, from /proc.
 *
 * A struct usage remembers the last reading, so that the next gives the CPU time in between. Cost
 * is one short read a process a reading. Memory: belongs to the struct until usage_fini. Threads:
 * one at a time. */
#ifndef GLIM_PROCESS_USAGE_H
#define GLIM_PROCESS_USAGE_H

#include "base/hash.h"
#include "process/process.h"

struct process_usage {
	pid_t pid;
	char comm[16];
	double cpu_seconds; /* since the last reading, or since it started when that is later; 0 in
			       the first reading */
	uint64_t rss_bytes;
};
struct usage {
	int64_t time_ns;	 /* of this reading, CLOCK_REALTIME */
	int64_t interval_ns;	 /* since the last; 0: the first */
	double host_cpu_seconds; /* busy CPU time of all CPUs in the interval, without idle and
				    iowait, nor time stolen by a hypervisor */
	unsigned int cpus;	 /* online */
	uint64_t memory_total, memory_used; /* used: total - available */
	VEC(struct process_usage) processes;
	struct map64 last; /* of each process: ticks then; opaque to callers */
	uint64_t last_busy_ticks;
	int64_t last_mono_ns;
};

/* Take a reading into u (zeroed before the first). */
int usage_read(struct usage *u, struct err *e);
void usage_fini(struct usage *u);

#endif
