/* store/memory/memory_priv.h - the parts of the memory store, for each other.
 *
 * Everything is kept as it came, and every query looks at everything: slow and plain, so that it
 * can be believed. One lock; results are copies. */
#ifndef GLIM_STORE_MEMORY_PRIV_H
#define GLIM_STORE_MEMORY_PRIV_H

#include <pthread.h>

#include "store/store_ops.h"

struct memory_session {
	uint8_t hash[32];
	int64_t account, expires;
};
struct memory_setting {
	char *name, *value;
};
struct memory_window {
	int64_t tenant, service;
	char *host;
	struct profile *profile;
};
struct memory_point {
	int64_t tenant, service;
	char *metric;
	char *pairs; /* labels.c */
	size_t len;
	int64_t time, interval;
	double value;
};
struct memory_store {
	struct store base;
	pthread_rwlock_t lock;
	int64_t last_id;
	VEC(int64_t) tenants;
	VEC(struct store_account) accounts;
	VEC(struct memory_session) sessions;
	VEC(struct store_key) keys;
	VEC(struct store_service) services;
	VEC(struct memory_setting) settings;
	VEC(struct memory_window) windows;
	VEC(struct memory_point) points;
};

static inline struct memory_store *memory_store(struct store *s)
{
	return (struct memory_store *)s;
}
static inline void unlock_cleanup(pthread_rwlock_t **l)
{
	pthread_rwlock_unlock(*l);
}
#define READ_SCOPE(s)                                                                              \
	cleanup(unlock_cleanup) pthread_rwlock_t *lock__ =                                         \
		(pthread_rwlock_rdlock(&(s)->lock), &(s)->lock)
#define WRITE_SCOPE(s)                                                                             \
	cleanup(unlock_cleanup) pthread_rwlock_t *lock__ =                                         \
		(pthread_rwlock_wrlock(&(s)->lock), &(s)->lock)

/* data.c */
int memory_append(struct store *s, const struct store_batch *batches, size_t n, struct err *e);
int memory_profile(struct store *s, const struct store_query *q, const char *const *by, size_t nby,
		   struct profile **ret_profile, double *ret_covered, struct err *e);
int memory_weights(struct store *s, const struct store_query *q,
		   void (*each)(void *ctx, const char *pairs, size_t len, double weight), void *ctx,
		   struct err *e);
int memory_metric(struct store *s, const struct store_query *q, const char *metric, const char *by,
		  int64_t step, struct arena *a, struct store_series_set *ret, struct err *e);
int memory_expire(struct store *s, int64_t before, struct err *e);

/* With the lock held; memory.c. */
bool memory_has_tenant(const struct memory_store *s, int64_t tenant);
struct store_service *memory_service(struct memory_store *s, int64_t tenant, const char *name,
				     bool add);

#endif
