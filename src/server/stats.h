/* server/stats.h - what the server counts about itself, shown at /metrics.
 *
 * Threads: all counters are atomic and only grow. */
#ifndef GLIM_SERVER_STATS_H
#define GLIM_SERVER_STATS_H

#include <stdatomic.h>
#include <stdint.h>

#include "server/route.h"

/* X(NAME, status) */
#define STATS_STATUSES(X)                                                                          \
	X(200)                                                                                     \
	X(201)                                                                                     \
	X(204)                                                                                     \
	X(304)                                                                                     \
	X(400)                                                                                     \
	X(401)                                                                                     \
	X(403)                                                                                     \
	X(404)                                                                                     \
	X(405)                                                                                     \
	X(408)                                                                                     \
	X(409)                                                                                     \
	X(413)                                                                                     \
	X(415)                                                                                     \
	X(417)                                                                                     \
	X(421)                                                                                     \
	X(429)                                                                                     \
	X(431)                                                                                     \
	X(500)                                                                                     \
	X(501)                                                                                     \
	X(503)                                                                                     \
	X(505)
enum stats_status {
#define X(status) STATS_##status,
	STATS_STATUSES(X)
#undef X
		STATS_OTHER,
	STATS_COUNT
};

/* Why a window or a point was not taken. X(NAME, label) */
#define STATS_REJECTS(X)                                                                           \
	X(CONTENT_TYPE, "content_type")                                                            \
	X(TOO_LARGE, "too_large")                                                                  \
	X(ENCODING, "encoding")                                                                    \
	X(MALFORMED, "malformed")                                                                  \
	X(PARTIAL, "partial")                                                                      \
	X(STORE, "store")
enum stats_reject {
#define X(name, label) REJECT_##name,
	STATS_REJECTS(X)
#undef X
		REJECT_COUNT
};

struct stats {
	int64_t started_ns;
	/* One more than the routes: requests that no route took. */
	atomic_uint_fast64_t requests[ROUTES_MAX + 1][STATS_COUNT];
	atomic_uint_fast64_t connections, refused_connections;
	atomic_uint_fast64_t ingest_bytes, ingest_decoded_bytes;
	atomic_uint_fast64_t windows, points;
	atomic_uint_fast64_t rejected[REJECT_COUNT];
	atomic_uint_fast64_t appends, append_ns;
	atomic_uint_fast64_t queries, query_ns;
};

void stats_request(struct stats *s, const struct route *r, int status);
static inline void stats_add(atomic_uint_fast64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

#endif
