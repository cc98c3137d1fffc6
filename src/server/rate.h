/* server/rate.h - how often somebody may try something: token buckets by name.
 *
 * A fixed table: who floods it with names only pushes out the buckets that were used least lately.
 * Threads: any. */
#ifndef GLIM_SERVER_RATE_H
#define GLIM_SERVER_RATE_H

#include <pthread.h>

#include "base/base.h"

enum { RATE_SETS = 1024, RATE_WAYS = 4 };

struct rate_limit {
	char kind;	    /* tells names of one kind from those of another */
	unsigned int burst; /* tries at once */
	unsigned int every; /* seconds until one more is allowed */
};
struct rate_bucket {
	uint64_t name;
	double tokens;
	int64_t when_ns; /* 0: never used */
};
struct rate {
	pthread_mutex_t lock;
	uint8_t seed[16];
	struct rate_bucket buckets[RATE_SETS][RATE_WAYS];
};

void rate_init(struct rate *r);
void rate_fini(struct rate *r);
/* Take one try. Returns 0, or the seconds to wait for the next one. */
unsigned int rate_take(struct rate *r, const struct rate_limit *limit, const char *name,
		       int64_t now_ns);
/* A try that turned out well does not count. */
void rate_give_back(struct rate *r, const struct rate_limit *limit, const char *name,
		    int64_t now_ns);

#endif
