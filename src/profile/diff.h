/* profile/diff.h - what changed between two profiles of one type.
 *
 * Both are joined into one, so that a stack that is gone and one that is new are there like all
 * others; only their processes are kept of the labels. Memory: belongs to the struct. Threads: one
 * at a time. */
#ifndef GLIM_PROFILE_DIFF_H
#define GLIM_PROFILE_DIFF_H

#include "profile/functions.h"

/* What a sample was, or a function is, in one of the two. */
struct diff_side {
	int64_t self, total;
};
struct diff_row {
	uint32_t function; /* of struct functions */
	struct diff_side before, after;
};
typedef VEC(struct diff_row) diff_rows;

struct diff {
	struct profile *joined; /* the values are those of both together */
	struct functions functions;
	int64_t *before_values, *before_counts; /* of joined's samples; the rest is what is after */
	int64_t before, after;			/* totals */
};

/* -EINVAL for profiles of different types, and for values that cannot be added up. */
int diff_init(struct diff *ret_d, const struct profile *before, const struct profile *after,
	      struct err *e);
void diff_fini(struct diff *d);
/* Append a row for every function that has samples before or after. */
int diff_functions(struct diff *d, diff_rows *ret_rows, struct err *e);
/* How much a row's self (or total) changed: as a share of the whole, from -1 to 1, or, absolute, in
 * the profile's unit. */
double diff_change(const struct diff *d, const struct diff_row *row, bool total, bool absolute);
/* The largest change first, whichever its direction. */
void diff_sort(const struct diff *d, bool total, bool absolute, diff_rows *rows);
/* How many samples were before. */
int64_t diff_count_before(const struct diff *d);
/* Append the stacks as text, a line each, "process;frame;...;leaf BEFORE AFTER" which is what
 * difffolded.pl writes and flamegraph.pl draws. Numbers are samples of one period for both
 * (profile/periods.h). Lines of sources are left out: they move between versions. */
void diff_put_folded(const struct diff *d, struct buf *out);

#endif
