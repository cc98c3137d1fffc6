/* cmd/timeit.h - what `glim timeit` measures: cases, each a statement in an interpreter, by turns.
 *
 * A repeat is what it is for the timeit module: the setup once, then so many loops. It is timed in
 * laps of about 0.2 ms, so that what the machine does beside hits few of them, and all cases
 * take turns with their laps (A B B A), so that it hits all of them alike. Repeats are spread over
 * fresh interpreters, as where things lie in memory, and in what order sets have their elements,
 * is drawn once for each. The loop of nothing is timed between the laps.
 *
 * Memory: texts are the caller's, the rest belongs to the struct. Threads: the main thread. */
#ifndef GLIM_CMD_TIMEIT_H
#define GLIM_CMD_TIMEIT_H

#include "base/statistics.h"
#include "cmd/table.h"
#include "cmd/timeit_worker.h"

enum timeit_clock { TIMEIT_WALL, TIMEIT_CPU, TIMEIT_CLOCKS };
enum { TIMEIT_PARTS = 5 }; /* of the repeats, at most: each in an interpreter of its own */

struct timeit_repeat {
	size_t first, n;   /* of its laps */
	unsigned int part; /* of the repeats, from 0 */
};
struct timeit_case {
	const char *statement;
	const char *python;	     /* path of the program */
	size_t against;		     /* the case that it is compared with, itself: none */
	struct worker_config config; /* of the worker */
	struct worker worker;
	bool open; /* the worker is */
	char name[32], version[32], executable[256];
	uint64_t loops;		/* of a repeat; 0: not known yet */
	double loop_ns;		/* wall time of one; 0: not known yet */
	double setup;		/* seconds */
	unsigned int part;	/* of the repeats, that the worker is of */
	unsigned int processes; /* that were started to be timed */
	timeit_laps laps, empty;
	VEC(struct timeit_repeat) repeats; /* those that are complete, and the first */
	struct timeit_memory memory;
};
struct timeit {
	const char *setup;
	uint64_t loops; /* 0: as many as take 0.2 s */
	unsigned int repeats;
	enum timeit_clock clock; /* that is asked for */
	bool memory, quiet;
	struct worker_config config; /* of all workers; those of a case are filled in for it */
	VEC(struct timeit_case) cases;
	bool interrupted;
	/* Called between two slices of the measurement, with the share of it that is done. */
	void (*progress)(void *arg, double share);
	void *arg;
};

/* Measure all cases. Also when it fails, what was measured until then is there. */
int timeit_measure(struct timeit *t, struct err *e);
void timeit_fini(struct timeit *t);

/* What one clock says of one case, seconds a loop; the loop itself is taken off. */
struct timeit_figures {
	enum timeit_clock clock;
	struct statistics laps;	      /* those that count */
	double best;		      /* what only the luckiest laps are below */
	double mean;		      /* of the parts' means */
	struct interval interval;     /* of that, 95 %, by how the parts differ */
	bool mean_known;	      /* there were enough parts for an interval */
	double medians[TIMEIT_PARTS]; /* NAN: the part has none */
	double loop;		      /* the loop of nothing */
	double reading;		      /* of the clocks, a lap; it is in none of the others */
	double best_total;	      /* of a repeat, with the loop, as the timeit module says it */
	double waited; /* of the wall time, for a CPU that others had; only best_total has it */
	bool only_undisturbed; /* laps in which the CPU was taken away are left out: */
	size_t left_out;
};
/* Needs a lap. */
void timeit_figures_init(struct timeit_figures *f, const struct timeit_case *c,
			 enum timeit_clock clock);
void timeit_figures_fini(struct timeit_figures *f);
/* Seconds of a whole repeat, with the loop. */
double timeit_repeat_seconds(const struct timeit_figures *f, const struct timeit_case *c,
			     const struct timeit_repeat *r);

/* How much longer b takes than a. Their parts were made side by side and are compared so. */
struct timeit_comparison {
	double ratio;		  /* b / a */
	struct interval interval; /* of that, 95 % */
	double p;
	bool known;	/* there were enough parts to say */
	bool different; /* known, and the interval leaves out 1 */
};
void timeit_compare(const struct timeit_figures *a, const struct timeit_figures *b,
		    struct timeit_comparison *ret);

/* A time as the timeit module writes it, in the unit given, or the one that fits: "12.3 usec". */
void timeit_put_time(struct buf *b, double seconds, const char *unit);
/* Is it a name of a unit of time: nsec, usec, msec or sec. */
bool timeit_unit(const char *name);

struct timeit_view {
	const char *unit; /* of times; NULL: what fits */
	bool verbose;	  /* every repeat */
	struct table_look look;
};
void timeit_put_text(const struct timeit *t, const struct timeit_view *view, struct buf *out);
/* error: why it ended early, NULL: it did not. */
void timeit_put_json(const struct timeit *t, const char *error, struct buf *out);

#endif
