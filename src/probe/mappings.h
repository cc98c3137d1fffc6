/* probe/mappings.h - what processes map as code, told by the kernel at that moment.
 *
 * One perf event a CPU without samples, which records executable mappings and exec. They come in
 * rings of their own and wake nobody: read them with every drain. A process that ended before
 * anybody read /proc is known all the same. Memory: records live until the callback returns.
 * Threads: one at a time. */
#ifndef GLIM_PROBE_MAPPINGS_H
#define GLIM_PROBE_MAPPINGS_H

#include <sys/types.h>

#include "base/err.h"

struct mapping_events; /* opaque */

struct mapping_event {
	uint64_t time_ns; /* CLOCK_MONOTONIC, as samples have it */
	pid_t pid;
	bool exec;	     /* all that was mapped is gone; the rest is empty then */
	uint64_t start, end; /* addresses */
	uint64_t offset;     /* in the file */
	uint64_t dev, inode; /* 0: no file */
	const char *path;    /* as the process sees it */
};

struct mapping_events *mapping_events_new(void);
void mapping_events_free(struct mapping_events *m);
/* Follow what runs on a CPU. -ENODEV: it is not online. */
int mapping_events_add(struct mapping_events *m, unsigned int cpu, struct err *e);
/* No longer; what waits is handed over by the next drains. */
void mapping_events_remove(struct mapping_events *m, unsigned int cpu);
/* Hand over what waits, in the order of time. Returns how many records were lost since the last
 * call, because nobody read them in time. */
typedef void (*mapping_event_fn)(const struct mapping_event *e, void *arg);
uint64_t mapping_events_drain(struct mapping_events *m, mapping_event_fn cb, void *arg);

#endif
