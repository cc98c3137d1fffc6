/* store/sqlite/points.h - points of one metric and one period, as bytes.
 *
 * Sorted by label set, then time. Times are written once, since most label sets are measured
 * together. Values come back exactly: those that are short decimal numbers are written as whole
 * numbers, others with all their bits.
 * Memory: vectors and buffers are the caller's. Threads: any. */
#ifndef GLIM_STORE_SQLITE_POINTS_H
#define GLIM_STORE_SQLITE_POINTS_H

#include "base/buf.h"
#include "base/err.h"
#include "base/vec.h"

enum { POINTS_MAX = 1 << 24 };

struct point {
	uint32_t labels;
	uint32_t order; /* of two at one time the one with the larger order holds */
	int64_t time;
	int64_t interval;
	double value;
};
struct points {
	struct point *data;
	size_t len;
	size_t cap;
};
/* Sort, and leave one a (label set, time). */
void points_join(struct points *ps);
/* ps must be joined. */
int points_encode(const struct points *ps, int level, struct buf *out);
/* Appends to out. */
int points_decode(const void *p, size_t n, uint32_t order, struct points *out, struct err *e);

#endif
