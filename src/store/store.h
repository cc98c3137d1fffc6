/* store/store.h - where accounts, services, profiles and metrics live.
 *
 * One interface, several stores: sqlite (the default: one catalogue file, one file a day and
 * tenant) and memory (a fake for tests). The conformance suite in tests/unit/store runs on all of
 * them.
 *
 * Memory: results belong to the arena given by the caller, profiles are freed by profile_free.
 * Threads: every function may be called from any thread; writers wait for each other, readers do
 * not. Invariants: a batch is visible entirely or not at all, and is on disk when store_append
 * returns; a tenant never sees another tenant's rows. Times are nanoseconds since 1970. */
#ifndef GLIM_STORE_H
#define GLIM_STORE_H

#include "base/arena.h"
#include "base/err.h"
#include "profile/profile.h"

struct store; /* opaque */

/* Open the store in folder dir (made with mode 0700 where missing). */
int store_open_sqlite(const char *dir, struct store **ret_store, struct err *e);
int store_open_memory(struct store **ret_store);
void store_close(struct store *s); /* NULL is fine */
/* How long single windows can be told apart (ns, a week unless set); then only sums over 5 minutes
 * are left until the whole day goes. */
void store_keep_raw(struct store *s, int64_t keep);

/* --- catalogue ------------------------------------------------------------------------------- */

enum { STORE_NAME_MAX = 64, STORE_EMAIL_MAX = 254, STORE_HASH_MAX = 128 };

/* It is there from the start, and becomes the first account's. */
enum { STORE_FIRST_TENANT = 1 };

struct store_account {
	int64_t id, tenant;
	char email[STORE_EMAIL_MAX + 1]; /* lower case */
	char password[STORE_HASH_MAX];	 /* argon2id string */
	bool owner;
	int64_t created;
};
/* Add an account; tenant 0: the first account gets the first tenant, others one of their own.
 * only_first: -EPERM when any account exists (decided inside the transaction). -EEXIST when the
 * address is taken. Sets id and tenant. */
int store_account_add(struct store *s, struct store_account *a, bool only_first, struct err *e);
int store_account_by_email(struct store *s, const char *email,
			   struct store_account *ret); /* -ENOENT */
int store_account_by_id(struct store *s, int64_t id, struct store_account *ret);
int store_account_count(struct store *s, int64_t *ret_n);

/* Sessions are known by a 32-byte hash of their secret. */
int store_session_add(struct store *s, const uint8_t hash[32], int64_t account, int64_t expires,
		      struct err *e);
int store_session_get(struct store *s, const uint8_t hash[32], int64_t now, int64_t *ret_account);
int store_session_remove(struct store *s, const uint8_t hash[32]);

/* Scopes are stored: append only. */
enum key_scope { KEY_INGEST = 1, KEY_READ = 2, KEY_ADMIN = 3 };
struct store_key {
	int64_t id, tenant;
	int64_t account; /* who made it; 0: the server itself */
	char name[STORE_NAME_MAX + 1];
	char prefix[12]; /* first characters of the secret, to recognise it */
	uint8_t hash[32];
	enum key_scope scope;
	int64_t created, last_used; /* last_used 0: never */
};
int store_key_add(struct store *s, struct store_key *k, struct err *e); /* sets id */
int store_key_list(struct store *s, int64_t tenant, struct arena *a, struct store_key **ret_keys,
		   size_t *ret_n);
int store_key_by_hash(struct store *s, const uint8_t hash[32], struct store_key *ret); /* -ENOENT */
/* Set last_used, to the minute: each change costs a write that waits for the disk. */
int store_key_touch(struct store *s, int64_t id, int64_t now);
int store_key_remove(struct store *s, int64_t tenant, int64_t id); /* -ENOENT */

struct store_service {
	int64_t id, tenant;
	char name[STORE_NAME_MAX + 1];
	char first_host[256];
	int64_t created, first_seen, last_seen; /* 0: never */
};
/* -EEXIST when the tenant has a service of this name; ret gets it in both cases. */
int store_service_add(struct store *s, int64_t tenant, const char *name, struct store_service *ret,
		      struct err *e);
int store_service_list(struct store *s, int64_t tenant, struct arena *a,
		       struct store_service **ret_services, size_t *ret_n);

/* Small settings of the server itself (hash of the one-time link ...). -ENOENT when not set. */
int store_setting_get(struct store *s, const char *name, struct arena *a, const char **ret_value);
int store_setting_set(struct store *s, const char *name, const char *value); /* NULL removes */

/* --- data ------------------------------------------------------------------------------------ */

struct store_label {
	const char *key, *value;
};
struct store_point {
	const char *metric;
	const struct store_label *labels;
	size_t nlabels;
	int64_t time, interval;
	double value;
};
struct store_batch {
	int64_t tenant;
	const char *service; /* made when the tenant has none of this name */
	const char *host;
	const struct profile *const *profiles;
	size_t nprofiles;
	const struct store_point *points;
	size_t npoints;
};
/* Append all batches in one transaction. Profiles whose id is known already (of the same service,
 * host, type and start) are counted once; a point of a known (metric, labels, time) replaces the
 * old one. Samples and points without a label "host" get the batch's.
 * -ENOENT: no such tenant; -EINVAL: a time, name, value or unit that cannot be;
 * -EAGAIN: try later; -ENOSPC: the disk is full; nothing is stored then. */
int store_append(struct store *s, const struct store_batch *batches, size_t n, struct err *e);

enum store_match { MATCH_EQ, MATCH_NE, MATCH_RE, MATCH_NRE };
struct store_filter {
	const char *label;
	enum store_match match;
	const char *value; /* a POSIX extended regular expression for _RE, matched against the whole
			      value */
};
struct store_query {
	int64_t tenant;
	const char *service; /* -ENOENT when the tenant has none */
	const char *type;    /* of profile: "cpu" */
	int64_t from, until; /* from <= t < until */
	const struct store_filter *filters;
	size_t nfilters;
};

/* A window is in the range when its start is.
 *
 * Sum what matches into one profile that keeps only the labels in `by` (NULL: all).
 * ret_covered: seconds of the range that have data, at most until - from. */
int store_profile(struct store *s, const struct store_query *q, const char *const *by, size_t nby,
		  struct profile **ret_profile, double *ret_covered, struct err *e);

/* Names of labels, sorted; values of one label with their weight, heaviest first. */
int store_labels(struct store *s, const struct store_query *q, struct arena *a,
		 const char *const **ret_names, size_t *ret_n, struct err *e);
struct store_value {
	const char *value;
	double weight;
};
int store_label_values(struct store *s, const struct store_query *q, const char *label, size_t max,
		       struct arena *a, struct store_value **ret_values, size_t *ret_n,
		       bool *ret_truncated, struct err *e);

/* A metric over time. A point says that the value held from its time on, for its interval (10 s
 * where it has none). Within a step a series' value is, for rates and moments, the mean over the
 * part of the step that any point of the metric covers; for `samples`, `remarks` and `lost`, the
 * sum of the points whose time is in the step. Series that fall together under `by` are added up.
 * Steps without any point are NAN. Steps begin at multiples of step. */
struct store_series {
	const char *value; /* of the label `by`, "" without by */
	double *values;	   /* one a step */
};
struct store_series_set {
	int64_t first, step;
	size_t nsteps;
	struct store_series
		*series; /* largest sum first; beyond 20 the rest is one series "(rest)" */
	size_t nseries;
};
int store_metric(struct store *s, const struct store_query *q, const char *metric, const char *by,
		 int64_t step, struct arena *a, struct store_series_set *ret, struct err *e);

/* Drop the days (UTC) of all tenants that were over at `before`. */
int store_expire(struct store *s, int64_t before, struct err *e);
/* Roll-ups, checkpoints and whatever else the store wants to do in the background; call each
 * minute. */
int store_maintain(struct store *s, int64_t now, struct err *e);

#endif
