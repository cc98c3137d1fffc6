/* cmd/timing.h - what `glim time` measured, and how it is told.
 *
 * A timing has commands, a command the runs of it. A single run has the tree of its processes, too.
 * Memory: all belongs to the timing until timing_fini. Threads: the main thread. */
#ifndef GLIM_CMD_TIMING_H
#define GLIM_CMD_TIMING_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/statistics.h"
#include "cmd/table.h"
#include "process/run.h"

struct timed_command {
	char **argv;
	size_t argc;
	VEC(struct run) runs;
	struct family family; /* of a single run, when it was followed */
};
struct timing {
	struct timed_command *commands;
	size_t n;
	unsigned int wanted, warmup; /* runs of each */
	bool followed;		     /* the family is known */
	struct err unfollowed;	     /* else why; empty: nobody asked */
	int64_t took_ns;	     /* all runs, wall clock */
	double other_cpus; /* which other programs kept busy meanwhile; below 0: unknown */
	unsigned int cpus;
	double slowest_hz, fastest_hz; /* of the CPUs at the end of each run; 0: unknown */
};
void timing_fini(struct timing *t);

/* What is told of a run. One table for text, JSON and statistics. */
struct measure {
	const char *key;   /* in JSON */
	const char *title; /* in a table of several runs; NULL: it is not in it */
	const char *unit;  /* of amount_put; what JSON has is seconds, bytes or a number */
	size_t offset;	   /* of an int64_t in struct run */
};
extern const struct measure measures[];
extern const size_t measure_count;
static inline int64_t measure_of(const struct measure *m, const struct run *r)
{
	int64_t v;

	memcpy(&v, (const char *)r + m->offset, sizeof(v));
	return v;
}
/* As JSON has it. */
double measure_scaled(const struct measure *m, double v);
/* What all runs of a command say of it; false: it is not known of one of them. */
bool measure_statistics(const struct measure *m, const struct timed_command *c,
			struct statistics *ret);
const struct measure *measure_find(const char *key);
enum { MEASURED_BY_SEVERAL = 5 }; /* enough runs to speak of how they scatter */

/* What the main thread waited for; RUN_UNKNOWN where the kernel does not tell. */
struct waiting {
	int64_t all, run_queue, disk;
	int64_t other; /* all but these; with disks where those are unknown */
};
struct waiting timing_waiting(const struct run *r);

/* The same of all threads of all its processes, where the kernel accounts for them; false: not of
 * all. */
bool timing_all_waiting(const struct timing *t, const struct timed_command *c, int64_t *ret_queue,
			int64_t *ret_disk);

/* How far b is from a, for one measure; false: it is unknown. All comparisons of a timing together
 * are wrong as often as one at 0.95. */
bool timing_compare(const struct timing *t, const struct measure *m, const struct timed_command *a,
		    const struct timed_command *b, struct comparison *ret);
double timing_level(const struct timing *t);

/* What is not known of it, and why it should not be trusted: a sentence each, in memory of a. */
typedef VEC(const char *) sentences;
void timing_unknown(const struct timing *t, struct arena *a, sentences *ret);
void timing_doubts(const struct timing *t, struct arena *a, sentences *ret);

/* The command as a person may see it, shortened. */
const char *timing_name(const struct timed_command *c, struct arena *a);

/* look: how the place where it is written shows things. */
void timing_put_text(const struct timing *t, struct table_look look, struct buf *out);
void timing_put_json(const struct timing *t, struct buf *out);

#endif
