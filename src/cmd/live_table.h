/* cmd/live_table.h - windows of samples, one after the other, as rows: what they use now and what
 * they used since the start.
 *
 * Four tables grow side by side, of functions, lines, processes and threads, so that whoever looks
 * can change between them. What a row uses now is a mean of the last windows, in which what
 * is 1.5 s older counts half as much. Rows are bounded: when there are too many,
 * those with the least time go, and are counted.
 *
 * Memory: all belongs to the table; rows are found by number until the next live_table_add.
 * Threads: one at a time. */
#ifndef GLIM_LIVE_TABLE_H
#define GLIM_LIVE_TABLE_H

#include "profile/profile.h"

enum live_kind { LIVE_FUNCTIONS, LIVE_LINES, LIVE_PROCESSES, LIVE_THREADS, LIVE_KINDS };
enum { LIVE_MAX_ROWS = 20000 }; /* a kind */

/* What a row is of: strings of the table, 0 where there is none. */
struct live_key {
	uint32_t name;	 /* of a function, a process, a thread */
	uint32_t file;	 /* functions, lines: source file */
	uint32_t module; /* functions, lines: program or library; threads: process */
	uint32_t pid;	 /* processes, threads */
	uint32_t line;	 /* functions: the first one */
	uint32_t kind;	 /* functions, lines: enum frame_kind */
};
struct live_row {
	struct live_key key;
	double self, total;   /* now: nanoseconds a second */
	double gil, gil_wait; /* processes, threads: of total, with the GIL, waiting for it */
	double running;	      /* of total, without what waits for anything; in wall mode */
	int64_t self_sum, total_sum; /* nanoseconds since the start */
};
struct live_rows {
	VEC(struct live_row) list;
	struct hash_index index;
	uint64_t dropped; /* rows that had to go */
};
struct live_table {
	struct strtab strings;
	struct live_rows rows[LIVE_KINDS];
	double weight;	     /* of the windows that `now` is the mean of, up to 1 */
	struct live_row all; /* of everything */
	int64_t duration_ns; /* since the start */
	bool knows_gil;	     /* samples said who has it */
};

/* Only samples of this process, or of this thread of it (NULL: any), or of threads that run. */
struct live_focus {
	const char *pid, *thread;
	bool running;
};

int live_table_add(struct live_table *t, const struct profile *window,
		   const struct live_focus *focus, struct err *e);
/* Start over. */
void live_table_fini(struct live_table *t);
const char *live_text(const struct live_table *t, uint32_t string);
/* A number of `now` as nanoseconds a second: early windows are no mean of nothing. */
double live_rate(const struct live_table *t, double now);
/* Which samples of a profile are in focus, in ret_keep[samples]. */
void live_focus_samples(const struct live_focus *focus, const struct profile *p, bool *ret_keep);

#endif
