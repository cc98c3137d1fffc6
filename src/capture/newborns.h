/* capture/newborns.h - the mappings of processes that started lately, as the kernel told them.
 *
 * Who ends before anybody reads /proc is known from here. Entries live for two seconds, longer than
 * any sample waits; who lives longer is read from /proc. Memory: all belongs to the struct, which
 * is bounded. Threads: one at a time. */
#ifndef GLIM_CAPTURE_NEWBORNS_H
#define GLIM_CAPTURE_NEWBORNS_H

#include "base/hash.h"
#include "probe/mappings.h"
#include "process/process.h"

struct newborn {
	pid_t pid;
	int64_t born_ns;     /* its last exec */
	struct process told; /* its mappings */
	bool partial;	     /* not all of them */
};
struct newborns {
	VEC(struct newborn *) list; /* oldest first */
	struct map64 by_pid;	    /* struct newborn * */
	uint64_t dropped;	    /* for lack of room */
};

/* As /proc would show it; the path is borrowed. */
struct mapping mapping_of_event(const struct mapping_event *e);

/* Forget all; also when some news were lost. */
void newborns_fini(struct newborns *n);
/* An exec starts a process anew; a mapping counts only for processes that did. */
void newborns_take(struct newborns *n, const struct mapping_event *e, int64_t now_ns);
/* Fill in the mappings of a process; false when not all of them are known. */
bool newborns_process(const struct newborns *n, pid_t pid, struct process *ret);
/* Forget the old. */
void newborns_tick(struct newborns *n, int64_t now_ns);

#endif
