/* memory/memory_watch.h - memory over time of the processes of a run, seen from outside.
 *
 * Looks at those that have a file in the run's folder, first a hundred times a second, more rarely
 * the longer it lasts: there are never more than some thousand points of all together. Memory:
 * belongs to the struct. Threads: one at a time. */
#ifndef GLIM_MEMORY_WATCH_H
#define GLIM_MEMORY_WATCH_H

#include "memory/memory_run.h"

struct memory_watch_point {
	pid_t pid;
	uint32_t look; /* at which it was seen */
	uint64_t realtime_ns;
	int64_t resident, allocated;
};
struct memory_watch {
	const char *folder; /* of the run; NULL: there is none, only what is put is kept */
	bool allocated;	    /* look at that, too */
	int interval_ms;    /* until the next look */
	uint32_t looks;
	VEC(struct memory_watch_point) points;
};

void memory_watch_init(struct memory_watch *w, const char *folder, bool allocated);
void memory_watch_fini(struct memory_watch *w);
/* Look once at each. */
void memory_watch_look(struct memory_watch *w);
/* Keep what somebody else saw at a look of his; -1: not known. */
void memory_watch_put(struct memory_watch *w, pid_t pid, int64_t resident, int64_t allocated);
/* All that was seen becomes the timelines of the run. */
void memory_watch_give(const struct memory_watch *w, struct memory_run *run);

#endif
