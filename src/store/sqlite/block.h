/* store/sqlite/block.h - samples of one series and one stretch of time, as bytes.
 *
 * `data` holds the sum over the whole stretch, an entry a (label set, stack). `detail` says how
 * each entry spreads over the windows that the stretch was made of, so that 10-second windows cost
 * little more than their sum. `spans` says when data was taken.
 * Values are left out where each is count * period.
 *
 * Memory: vectors and buffers are the caller's. Threads: any.
 * Invariants: entries are sorted by (labels, stack) and unique; what comes from a file is checked
 * against the limits below before it is believed. */
#ifndef GLIM_STORE_SQLITE_BLOCK_H
#define GLIM_STORE_SQLITE_BLOCK_H

#include "base/buf.h"
#include "base/err.h"
#include "base/vec.h"
#include "store/store_ops.h"

enum { BLOCK_ENTRIES_MAX = 1 << 22, BLOCK_WINDOWS_MAX = 1 << 16 };

struct entry {
	uint32_t labels;
	uint32_t stack;
	int64_t count;
	int64_t value;
};
struct entries {
	struct entry *data;
	size_t len;
	size_t cap;
};
/* Sort, and sum what is equal. */
void entries_join(struct entries *es);
int block_encode(const struct entries *es, int64_t period, int level, struct buf *out);
/* Appends to out. */
int block_decode(const void *p, size_t n, int64_t period, struct entries *out, struct err *e);

struct window {
	int64_t start;
	int64_t duration;
};
/* What an entry got in one window. */
struct part {
	uint32_t entry; /* place among the block's entries */
	uint32_t window;
	int64_t count;
	int64_t value;
};
struct detail {
	VEC(struct window) windows;
	VEC(struct part) parts; /* sorted by (entry, window), every entry has one at least */
};
void detail_fini(struct detail *d);
#define cleanup_detail cleanup(detail_fini)
/* start: of the whole stretch. */
int detail_encode(const struct detail *d, const struct entries *es, int64_t start, int64_t period,
		  int level, struct buf *out);
int detail_decode(const void *p, size_t n, const struct entries *es, int64_t start, int64_t period,
		  struct detail *out, struct err *e);

void spans_encode(struct cover *c, int64_t start, struct buf *out);
int spans_decode(const void *p, size_t n, int64_t start, struct cover *out, struct err *e);

#endif
