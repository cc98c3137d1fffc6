/* profile/top.h - where the time goes, as tables: functions and lines by self and total, callers
 * and callees of a function.
 *
 * self is the value of the samples that were taken in the row's code itself, total adds what was
 * called from there. A row is counted once a stack, however often recursion repeats it, so that no
 * total exceeds that of the profile. Work is linear in the stacks, whatever their depth.
 *
 * Memory: rows are the caller's. Threads: any. */
#ifndef GLIM_PROFILE_TOP_H
#define GLIM_PROFILE_TOP_H

#include "profile/functions.h"

/* In the place of a function: nothing called it, it is the outermost frame of its stack. */
#define TOP_OUTERMOST UINT32_MAX

struct top_row {
	uint32_t function; /* of struct functions, or TOP_OUTERMOST */
	uint32_t line;	   /* 0: the whole function, or a line that is not known */
	int64_t self;
	int64_t total;
};
typedef VEC(struct top_row) top_rows;

/* Append a row for every function or line that has samples. keep: only the samples i with keep[i]
 * count (NULL: all). -EINVAL for profiles whose values cannot be added up. */
int top_functions(const struct functions *f, const bool *keep, top_rows *ret_rows, struct err *e);
int top_lines(const struct functions *f, const bool *keep, top_rows *ret_rows, struct err *e);
/* Who calls the functions i with chosen[i], and whom they call: total is the value of the stacks
 * with such a call in them, self of those that were taken in the function called. */
int top_callers(const struct functions *f, const bool *chosen, const bool *keep, top_rows *ret_rows,
		struct err *e);
int top_callees(const struct functions *f, const bool *chosen, const bool *keep, top_rows *ret_rows,
		struct err *e);

enum top_order { TOP_BY_SELF, TOP_BY_TOTAL };
/* Largest first; equal ones by the other number, then by name. */
void top_sort(const struct functions *f, enum top_order order, top_rows *rows);

#endif
