/* store/store_ops.h - what the stores have in common; not for users of store.h.
 *
 * A store embeds struct store as its first member and fills in one table. Arguments were checked by
 * store.c before they reach an operation. Threads and memory: as in store.h. */
#ifndef GLIM_STORE_OPS_H
#define GLIM_STORE_OPS_H

#include "base/buf.h"
#include "store/store.h"

struct store_ops {
	void (*close)(struct store *s);
	int (*account_add)(struct store *s, struct store_account *a, bool only_first,
			   struct err *e);
	int (*account_by_email)(struct store *s, const char *email, struct store_account *ret);
	int (*account_by_id)(struct store *s, int64_t id, struct store_account *ret);
	int (*account_count)(struct store *s, int64_t *ret_n);
	int (*session_add)(struct store *s, const uint8_t hash[32], int64_t account,
			   int64_t expires, struct err *e);
	int (*session_get)(struct store *s, const uint8_t hash[32], int64_t now,
			   int64_t *ret_account);
	int (*session_remove)(struct store *s, const uint8_t hash[32]);
	int (*key_add)(struct store *s, struct store_key *k, struct err *e);
	int (*key_list)(struct store *s, int64_t tenant, struct arena *a,
			struct store_key **ret_keys, size_t *ret_n);
	int (*key_by_hash)(struct store *s, const uint8_t hash[32], struct store_key *ret);
	int (*key_touch)(struct store *s, int64_t id, int64_t now);
	int (*key_remove)(struct store *s, int64_t tenant, int64_t id);
	int (*service_add)(struct store *s, int64_t tenant, const char *name,
			   struct store_service *ret, struct err *e);
	int (*service_list)(struct store *s, int64_t tenant, struct arena *a,
			    struct store_service **ret_services, size_t *ret_n);
	int (*setting_get)(struct store *s, const char *name, struct arena *a,
			   const char **ret_value);
	int (*setting_set)(struct store *s, const char *name, const char *value);
	int (*append)(struct store *s, const struct store_batch *batches, size_t n, struct err *e);
	int (*profile)(struct store *s, const struct store_query *q, const char *const *by,
		       size_t nby, struct profile **ret_profile, double *ret_covered,
		       struct err *e);
	/* Weight of every label set that matches, each given once or more often. */
	int (*weights)(struct store *s, const struct store_query *q,
		       void (*each)(void *ctx, const char *pairs, size_t len, double weight),
		       void *ctx, struct err *e);
	int (*metric)(struct store *s, const struct store_query *q, const char *metric,
		      const char *by, int64_t step, struct arena *a, struct store_series_set *ret,
		      struct err *e);
	int (*expire)(struct store *s, int64_t before, struct err *e);
	int (*maintain)(struct store *s, int64_t now, struct err *e);
};

struct store {
	const struct store_ops *ops;
	int64_t keep_raw; /* ns, see store_keep_raw; read and written atomically */
};

enum {
	STORE_LABELS_MAX = 64,
	STORE_TOUCH_SECONDS = 60, /* last_used of a key is written this often at most */
};

/* --- labels.c: a label set as text: key NUL value NUL ..., sorted by key --------------------- */

/* The labels of a profile's set, and host where the set has none of that name. Replaces out. */
void labels_of_profile(const struct profile *p, uint32_t set, const char *host, struct buf *out);
void labels_of_point(const struct store_point *point, const char *host, struct buf *out);
/* Value of a label, "" where the set has none. */
const char *labels_get(const char *pairs, size_t len, const char *key);
/* The next pair at *pos, false at the end. */
bool labels_next(const char *pairs, size_t len, size_t *pos, const char **ret_key,
		 const char **ret_value);
/* The set in p, only with the labels in by (all when by is NULL). */
uint32_t labels_to_profile(struct profile *p, const char *pairs, size_t len, const char *const *by,
			   size_t nby);

/* --- filter.c --------------------------------------------------------------------------------- */

struct filter;
struct filters {
	struct filter *list;
	size_t n;
};
/* -EINVAL: a regular expression is wrong or asks for too much. */
int filters_init(const struct store_query *q, struct filters *ret_filters, struct err *e);
void filters_fini(struct filters *f);
#define cleanup_filters cleanup(filters_fini)
bool filters_match(const struct filters *f, const char *pairs, size_t len);

/* --- cover.c: stretches of time that have data ------------------------------------------------ */

struct span {
	int64_t from, until;
};
struct cover {
	VEC(struct span) spans;
	bool sorted; /* by from, none touches another */
};
void cover_fini(struct cover *c);
#define cleanup_cover cleanup(cover_fini)
void cover_add(struct cover *c, int64_t from, int64_t until);
/* Sort and join what touches. */
void cover_join(struct cover *c);
/* Nanoseconds covered between from and until; joins first. */
int64_t cover_ns(struct cover *c, int64_t from, int64_t until);
/* Give an answer the time that it covers, and a unit where nothing was found to tell it; returns
 * the seconds covered. */
double profile_set_range(struct profile *p, struct cover *c, const struct store_query *q);

/* --- series.c: points to a metric over time --------------------------------------------------- */

enum { SERIES_MAX = 20, SERIES_STEPS_MAX = 100000, SERIES_NO_INTERVAL = 10 };

struct series;
int series_new(const struct store_query *q, const char *metric, const char *by, int64_t step,
	       struct series **ret_series, struct err *e);
void series_free(struct series *s);
void series_cleanup(struct series **s);
#define cleanup_series cleanup(series_cleanup)
/* The group of a label set, SERIES_NONE where a filter says no. */
enum { SERIES_NONE = -1 };
int64_t series_group(struct series *s, const char *pairs, size_t len);
/* Points out of the query's range are left out. */
void series_add(struct series *s, int64_t group, int64_t time, int64_t interval, double value);
void series_finish(struct series *s, struct arena *a, struct store_series_set *ret);

#endif
