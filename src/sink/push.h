/* sink/push.h - windows to a server: OTLP over HTTP or HTTPS, zstd, retried.
 *
 * push_add never blocks and never fails: the window is encoded into a bounded queue; when the queue
 * is full the oldest goes and is counted. Uploads run on the caller's libevent loop; a failure is
 * retried with exponential pauses and jitter, in order, the same bytes again (the server knows a
 * window by its id). What the server refuses for good (3xx, 4xx but 408 and 429) is dropped and
 * counted with its reason. Trouble is logged at once, then once a minute at most.
 * Memory: queue bounded by max_bytes. Threads: the loop's. SIGPIPE must be ignored by the program.
 */
#ifndef GLIM_SINK_PUSH_H
#define GLIM_SINK_PUSH_H

#include "format/otlp.h"

struct event_base;
struct push; /* opaque */
struct push_config {
	const char *url;     /* http://host:port or https://host:port, path prefix allowed */
	const char *key;     /* API key; "" none. Never logged */
	const char *ca_file; /* NULL: the system's */
	struct otlp_resource resource;
	size_t max_bytes; /* of the queue */
};
struct push_stats {
	uint64_t sent, retried, dropped_full, dropped_refused; /* requests */
	uint64_t lost_full, lost_refused; /* samples that went with the dropped requests */
	uint64_t bytes_sent, queued, queued_bytes;
	int64_t last_ok_ns;   /* CLOCK_REALTIME, 0 never */
	char last_error[256]; /* "" when the last attempt went well */
};

int push_open(struct event_base *loop, const struct push_config *cfg, struct push **ret,
	      struct err *e);
void push_add_profile(struct push *p, const struct profile *profile);
void push_add_points(struct push *p, const struct otlp_point *points, size_t n);
/* Call done once everything is sent or the deadline (ms) is over; until then failures are retried
 * with short pauses. */
void push_flush(struct push *p, unsigned int deadline_ms, void (*done)(void *arg), void *arg);
void push_stats(const struct push *p, struct push_stats *ret);
/* The server as it is named in messages, without any secret. */
const char *push_server(const struct push *p);
void push_close(struct push *p);

#endif
