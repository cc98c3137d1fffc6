/* store/sqlite/column.h - columns of numbers as bytes: what blocks and points are written with.
 *
 * A packed thing is a 32-bit hash of all that follows, then columns: each a stream of varints,
 * compressed by itself where that helps. Memory: the caller's. Threads: any. */
#ifndef GLIM_STORE_SQLITE_COLUMN_H
#define GLIM_STORE_SQLITE_COLUMN_H

#include "base/buf.h"
#include "base/err.h"
#include "base/wire.h"

/* Small numbers of either sign become small numbers without one. */
static inline uint64_t zigzag(int64_t v)
{
	return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
}
static inline int64_t unzigzag(uint64_t v)
{
	return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

/* Arithmetic on what strangers sent: it wraps instead of being undefined. */
static inline int64_t wrap_add(int64_t a, int64_t b)
{
	return (int64_t)((uint64_t)a + (uint64_t)b);
}
static inline int64_t wrap_subtract(int64_t a, int64_t b)
{
	return (int64_t)((uint64_t)a - (uint64_t)b);
}
static inline int64_t wrap_multiply(int64_t a, int64_t b)
{
	return (int64_t)((uint64_t)a * (uint64_t)b);
}

/* Begin a packed thing in out, which is emptied; end it, when all columns are written. */
void pack_begin(struct buf *out);
void pack_end(struct buf *out);
/* Append column and empty it. */
int pack_column(struct buf *out, struct buf *column, int level);

struct unpack {
	struct wire_reader in;
};
int unpack_begin(struct unpack *u, const void *p, size_t n, struct err *e);
/* The next column, of at most max bytes, which are put in to where they were compressed. */
int unpack_column(struct unpack *u, size_t max, struct buf *to, struct wire_reader *ret_column,
		  struct err *e);
/* A bare number between the columns. */
int unpack_number(struct unpack *u, uint64_t max, uint64_t *ret_n, struct err *e);
/* What to say when a column is shorter than it should be. */
int unpack_short(struct err *e);

#endif
