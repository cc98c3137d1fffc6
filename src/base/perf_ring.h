/* base/perf_ring.h - the records that the kernel writes of one perf event, in the order in which it
 * wrote them: perf_event_open(2), "MMAP layout".
 *
 * Memory: the ring belongs to the caller and owns the event's descriptor; records are copied out.
 * Threads: one at a time a ring. */
#ifndef GLIM_BASE_PERF_RING_H
#define GLIM_BASE_PERF_RING_H

#include "base/base.h"

struct perf_event_mmap_page;
struct perf_ring {
	int fd;
	struct perf_event_mmap_page *page; /* and the bytes of the records behind it */
	size_t bytes;			   /* a power of two */
};

/* Make the ring of an event. The memory of rings is counted, and a user may have used most of it:
 * it has between most and least bytes, both a power of two of pages. A negative errno: none; the
 * descriptor is the caller's then. */
int perf_ring_open(int fd, size_t most, size_t least, struct perf_ring *ret);
void perf_ring_close(struct perf_ring *r);
/* Copy out the next record, its struct perf_event_header first; its size, or 0: there is none now.
 * One that has more than n bytes (16 at least) is skipped. -EPROTO: what was there is no record,
 * and all of it was skipped. */
ssize_t perf_ring_take(struct perf_ring *r, void *ret_record, size_t n);
/* Is there nothing to take? */
bool perf_ring_empty(const struct perf_ring *r);

#endif
