/* capture/stops.h - native stacks without the kernel's help: one thread at a time is made to stand
 * still (process/thread_stop.h), its registers and its stack are copied, and what else belongs to
 * that moment is read; then it goes on, and the copy is walked.
 *
 * Memory: belongs to its owner; the frames of a thread live until the next. Threads: one at a time,
 * always the same. */
#ifndef GLIM_CAPTURE_STOPS_H
#define GLIM_CAPTURE_STOPS_H

#include "capture/natives.h"

enum { STOPS_LONG_US = 1023 };
struct stops_stats {
	uint64_t stopped; /* threads, by ptrace */
	uint64_t waited;  /* stood still by themselves */
	uint64_t failed;  /* were not made to stand still */
	/* From asking one to stop until it went on. */
	int64_t max_ns;
	uint32_t took_us[STOPS_LONG_US + 1]; /* how many took so long; the last: or longer */
};
struct stops {
	struct natives natives;
	struct thread_copy copy;
	struct map64 threads; /* by tid: how far its stack was needed (stops.c) */
	struct stops_stats stats;
};

/* cache: see natives_init. */
void stops_init(struct stops *s, const char *cache);
void stops_fini(struct stops *s);
/* What else is to be read while the thread stands still; it may be called again, when the thread
 * did not. */
typedef void stops_read(void *arg);
/* The native frames of a thread of t. Sets *ret_changed when the mappings of t were read again and
 * differ. 0, or why it could not be made to stand still, as thread_stop_begin() says: read was
 * called all the same, and there are no frames. */
int stops_take(struct stops *s, struct target *t, pid_t tid, int64_t now_ns, stops_read *read,
	       void *arg, struct native_stack *ret, bool *ret_changed);
/* How long a thread was stopped, by the median, to the microsecond. */
int64_t stops_median_ns(const struct stops *s);
/* To be called often: once a second it tidies up. */
void stops_tick(struct stops *s, int64_t now_ns);

#endif
