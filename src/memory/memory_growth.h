/* memory/memory_growth.h - which lines memory grew under, of a process that is only looked at.
 *
 * At each look it is said what ran; what memory grew by from one measurement to the next belongs
 * to what ran at the looks between, and at both, in equal parts. That is a sample: a line that is
 * over between two looks is not seen, and the longer it is watched the truer the shares are. A look
 * that is made because memory was taken sees who took it. A
 * thread that waits takes nothing where it waits: where it was only seen to wait, what it took is
 * put under a mark below the place.
 * Memory: belongs to the struct. Threads: one at a time. */
#ifndef GLIM_MEMORY_GROWTH_H
#define GLIM_MEMORY_GROWTH_H

#include "memory/memory_run.h"

/* What is known of a stack, by its number. */
struct memory_growth_stack {
	double bytes;
	uint64_t samples, first_look;
	int64_t most, first; /* usage of the process when it was seen: the most, the first */
};
/* A thread at a look. */
struct memory_growth_part {
	pid_t thread;
	uint32_t stack;
	double share; /* of what the process did since the last look */
	bool runs;    /* at this moment; else it waits */
	bool touched; /* it certainly took memory since; else it only may have */
	bool before;  /* at the last measurement: what follows began there */
};
typedef VEC(struct memory_growth_part) memory_growth_parts;
struct memory_growth {
	struct profile *stacks; /* where frames and stacks are to be made, within bounds; it gets
				   its samples at the end */
	VEC(struct memory_growth_stack) all;
	memory_growth_parts now, between; /* of this look; since the last measurement */
	uint64_t looks;
	int64_t last; /* measured, -1: nothing yet */
	int64_t peak;
	uint64_t peak_ns; /* CLOCK_REALTIME */
	uint32_t peak_stack;
};

void memory_growth_init(struct memory_growth *g);
void memory_growth_fini(struct memory_growth *g);
/* False when there are so many stacks that no new ones are to be made. */
bool memory_growth_has_room(const struct memory_growth *g);
/* At this look a thread ran this. Where threads certainly took memory the others are given none. */
void memory_growth_add(struct memory_growth *g, const struct memory_growth_part *part);
/* The look is over. bytes: what it has now, -1 when that was not measured at this look.
 * realtime_ns: CLOCK_REALTIME. just_taken: it is looked at because memory was taken a moment ago,
 * so that this belongs to what runs now, and nothing of it to what ran before. */
void memory_growth_look(struct memory_growth *g, int64_t bytes, uint64_t realtime_ns,
			bool just_taken);

/* Is a function among those that are to be shown with their source? */
typedef bool memory_growth_wanted_fn(void *arg, const char *file, const char *function);
/* Hand all that over to a process of a run: the stacks with what grew under each, the functions
 * that are wanted, line by line, and what ran at the peak. folder: of files that have relative
 * names. */
void memory_growth_give(struct memory_growth *g, const char *folder,
			memory_growth_wanted_fn *wanted, void *arg, struct memory_run *run,
			struct memory_process *to);

#endif
