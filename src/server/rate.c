#include "server/rate.h"

#include "base/hash.h"
#include "base/io.h"

void rate_init(struct rate *r)
{
	memset(r, 0, sizeof(*r));
	pthread_mutex_init(&r->lock, NULL);
	io_random(r->seed, sizeof(r->seed));
}

void rate_fini(struct rate *r)
{
	pthread_mutex_destroy(&r->lock);
}

/* The bucket of a name, filled up to now; a new name gets the one used least lately of its set. */
static struct rate_bucket *find_bucket(struct rate *r, const struct rate_limit *limit,
				       const char *name, int64_t now_ns)
{
	uint64_t seed = hash_bytes(r->seed, sizeof(r->seed)) + (uint8_t)limit->kind;
	uint64_t h = hash_mix(seed, hash_bytes(name, strlen(name)));
	struct rate_bucket *set = r->buckets[h % RATE_SETS], *oldest = set;

	for (size_t i = 0; i < RATE_WAYS; i++) {
		struct rate_bucket *b = &set[i];

		if (b->when_ns && b->name == h) {
			double more = (double)(now_ns - b->when_ns) / NSEC_PER_SEC / limit->every;

			b->tokens = MIN(b->tokens + MAX(more, 0.0), (double)limit->burst);
			b->when_ns = now_ns;
			return b;
		}
		if (b->when_ns < oldest->when_ns)
			oldest = b;
	}
	*oldest = (struct rate_bucket){h, limit->burst, now_ns};
	return oldest;
}

unsigned int rate_take(struct rate *r, const struct rate_limit *limit, const char *name,
		       int64_t now_ns)
{
	unsigned int wait = 0;

	pthread_mutex_lock(&r->lock);
	struct rate_bucket *b = find_bucket(r, limit, name, now_ns);

	if (b->tokens >= 1)
		b->tokens -= 1;
	else
		wait = (unsigned int)((1 - b->tokens) * limit->every) + 1;
	pthread_mutex_unlock(&r->lock);
	return wait;
}

void rate_give_back(struct rate *r, const struct rate_limit *limit, const char *name,
		    int64_t now_ns)
{
	pthread_mutex_lock(&r->lock);
	struct rate_bucket *b = find_bucket(r, limit, name, now_ns);

	b->tokens = MIN(b->tokens + 1, (double)limit->burst);
	pthread_mutex_unlock(&r->lock);
}
