/* store/sqlite/sqlite_priv.h - the parts of the SQLite store, for each other.
 *
 * Files: catalogue.db, and tTENANT/YYYY-MM-DD.db for each tenant and day (UTC). One writer: all
 * that changes anything holds write_lock. Readers have connections of their own, from pools, and
 * see a snapshot. The folder is locked: one process at a time.
 * Lock order: write_lock, then pool_lock or seen_lock. */
#ifndef GLIM_STORE_SQLITE_PRIV_H
#define GLIM_STORE_SQLITE_PRIV_H

#include <pthread.h>

#include "store/sqlite/block.h"
#include "store/sqlite/db.h"
#include "store/sqlite/dict.h"
#include "store/store_ops.h"

enum {
	POOL_MAX = 4,	 /* idle readers a file */
	IDLE_MAX = 64,	 /* idle readers of all files */
	WRITERS_MAX = 4, /* day files that stay open for writing */
};

#define DAY_NS	  (24 * 3600 * NSEC_PER_SEC)
#define PERIOD_NS (300 * NSEC_PER_SEC) /* of a block of level 1 */
#define HOUR_NS	  (3600 * NSEC_PER_SEC)

/* Idle readers of one file, under pool_lock. */
struct pool {
	struct db *idle[POOL_MAX];
	int n;
};

/* What is left to do for a day. */
enum day_state {
	DAY_OPEN,   /* windows may have to be rolled up */
	DAY_ROLLED, /* the day is over, and all of it is rolled up */
	DAY_BARE,   /* single windows were dropped, too */
};

struct day_file {
	int64_t tenant, day; /* day: since 1970 */
	char *path, *name;
	int refs;  /* the table of days is one */
	bool dead; /* unlinked */
	struct pool pool;
	enum day_state state; /* under write_lock */
};

/* A day file that is open for writing, under write_lock. */
struct day_writer {
	struct day_file *file;
	struct db *db;
	struct dict dict;
	bool has_dict; /* only who appends needs it */
	uint64_t last_use;
};

/* What the writer knows of a service, under write_lock; last_seen under seen_lock as well. */
struct service_state {
	int64_t id, tenant;
	int64_t first_seen, last_seen;
	int64_t saved; /* last_seen in the catalogue */
};

struct sqlite_store {
	struct store base;
	char *dir;
	int lock_fd;
	struct sql_set sql;

	pthread_mutex_t write_lock;
	struct db *catalogue;
	VEC(struct day_writer *) writers;
	uint64_t uses;
	struct strtab service_names; /* "TENANT NAME": number n is services.data[n - 1] */
	VEC(struct service_state) services;

	pthread_mutex_t seen_lock;

	pthread_mutex_t pool_lock;
	struct view *views;
	int64_t complete; /* number of the last complete batch */
	int idle;
	struct pool catalogue_pool;
	VEC(struct day_file *) days; /* sorted by tenant and day */
};

static inline struct sqlite_store *sqlite_store(struct store *s)
{
	return (struct sqlite_store *)s;
}

static inline void unlock_cleanup(pthread_mutex_t **m)
{
	pthread_mutex_unlock(*m);
}
/* Hold a mutex until the end of the scope. */
#define LOCK_SCOPE(name, mutex)                                                                    \
	cleanup(unlock_cleanup) pthread_mutex_t *name = (pthread_mutex_lock(mutex), (mutex))

/* --- days.c ----------------------------------------------------------------------------------- */

/* Fill the table of days from the folder. */
int days_scan(struct sqlite_store *s, struct err *e);
void days_close(struct sqlite_store *s);
/* A reference to the file of a day, which need not exist on disk yet; NULL where there is none and
 * make is false. */
struct day_file *day_get(struct sqlite_store *s, int64_t tenant, int64_t day, bool make);
void day_put(struct sqlite_store *s, struct day_file *f); /* NULL is fine */
struct day_list {
	struct sqlite_store *store;
	VEC(struct day_file *) files;
};
/* References to all days first..last of a tenant, or of all tenants (0). */
void day_list_init(struct day_list *l, struct sqlite_store *s, int64_t tenant, int64_t first,
		   int64_t last);
void day_list_fini(struct day_list *l);
#define cleanup_day_list cleanup(day_list_fini)
/* Take the file out of the table and unlink it; readers that have it keep it. */
int day_remove(struct sqlite_store *s, struct day_file *f, struct err *e);

/* The writer of a day, made where missing; it lives until writers_trim or writer_drop. */
int writer_get(struct sqlite_store *s, int64_t tenant, int64_t day, struct day_writer **ret_writer,
	       struct err *e);
/* Roll back and close: what it remembers may not be on disk. */
void writer_drop(struct sqlite_store *s, struct day_writer *w);
/* Close those that were not used for longest. */
void writers_trim(struct sqlite_store *s, size_t keep);

/* A reader with its pool: day NULL is the catalogue. Give it back with reader_put. */
struct reader {
	struct sqlite_store *store;
	struct day_file *day;
	struct db *db;
};
/* -ENOENT, without a word: there is no such file, or nothing in it yet. */
int reader_get(struct sqlite_store *s, struct day_file *day, struct reader *ret_reader,
	       struct err *e);
void reader_put(struct reader *r); /* ends its transaction */
#define cleanup_reader cleanup(reader_put)
/* Close what nobody uses right now. */
void readers_close_idle(struct sqlite_store *s);

/* --- view.c ----------------------------------------------------------------------------------- */

/* A batch whose rows in a file are to be undone. */
struct standing {
	int64_t batch, tenant, day;
};
/* What a query may see: taken from the catalogue before any day file is looked at. */
struct view {
	struct sqlite_store *store;
	int64_t service;
	int64_t batch; /* the last complete one */
	VEC(struct standing) standing;
	int64_t at_least; /* batch is no smaller than this */
	struct view *next, **link;
};
/* -ENOENT: no such service. */
int view_init(struct sqlite_store *s, const struct store_query *q, struct view *v, struct err *e);
void view_fini(struct view *v);
/* The batch that is to be undone in this file, -1 when there is none. */
int64_t view_standing(const struct view *v, const struct day_file *f);
/* This batch is complete. */
void views_complete(struct sqlite_store *s, int64_t batch);
/* Does every view take all batches for complete that are? Rows lose their number when they are
 * rolled up: a view that leaves a batch out in one file must not find it in another. */
bool views_know_all(struct sqlite_store *s);

/* --- catalogue.c ------------------------------------------------------------------------------ */

extern const struct store_ops sqlite_ops;

int catalogue_account_add(struct store *s, struct store_account *a, bool only_first, struct err *e);
int catalogue_account_by_email(struct store *s, const char *email, struct store_account *ret);
int catalogue_account_by_id(struct store *s, int64_t id, struct store_account *ret);
int catalogue_account_count(struct store *s, int64_t *ret_n);
int catalogue_session_add(struct store *s, const uint8_t hash[32], int64_t account, int64_t expires,
			  struct err *e);
int catalogue_session_get(struct store *s, const uint8_t hash[32], int64_t now,
			  int64_t *ret_account);
int catalogue_session_remove(struct store *s, const uint8_t hash[32]);
int catalogue_key_add(struct store *s, struct store_key *k, struct err *e);
int catalogue_key_list(struct store *s, int64_t tenant, struct arena *a,
		       struct store_key **ret_keys, size_t *ret_n);
int catalogue_key_by_hash(struct store *s, const uint8_t hash[32], struct store_key *ret);
int catalogue_key_touch(struct store *s, int64_t id, int64_t now);
int catalogue_key_remove(struct store *s, int64_t tenant, int64_t id);
int catalogue_service_add(struct store *s, int64_t tenant, const char *name,
			  struct store_service *ret, struct err *e);
int catalogue_service_list(struct store *s, int64_t tenant, struct arena *a,
			   struct store_service **ret_services, size_t *ret_n);
int catalogue_setting_get(struct store *s, const char *name, struct arena *a,
			  const char **ret_value);
int catalogue_setting_set(struct store *s, const char *name, const char *value);
/* What the writer knows of a service; read from the catalogue at first use. -ENOENT. The pointer
 * dies at the next call. */
int service_state(struct sqlite_store *s, int64_t tenant, const char *name,
		  struct service_state **ret_state, struct err *e);
/* Write the times of last_seen that changed. */
int services_save(struct sqlite_store *s, struct err *e);

/* --- append.c --------------------------------------------------------------------------------- */

int sqlite_append(struct store *s, const struct store_batch *batches, size_t n, struct err *e);
/* Undo what a crash left of batches over several files. */
int append_recover(struct sqlite_store *s, struct err *e);
/* Undo what stands against this file, before it is written again. */
int append_undo_standing(struct sqlite_store *s, struct day_writer *w, struct err *e);

/* --- query.c ---------------------------------------------------------------------------------- */

int sqlite_profile(struct store *s, const struct store_query *q, const char *const *by, size_t nby,
		   struct profile **ret_profile, double *ret_covered, struct err *e);
int sqlite_weights(struct store *s, const struct store_query *q,
		   void (*each)(void *ctx, const char *pairs, size_t len, double weight), void *ctx,
		   struct err *e);
int sqlite_metric(struct store *s, const struct store_query *q, const char *metric, const char *by,
		  int64_t step, struct arena *a, struct store_series_set *ret, struct err *e);

/* --- rollup.c --------------------------------------------------------------------------------- */

int sqlite_expire(struct store *s, int64_t before, struct err *e);
int sqlite_maintain(struct store *s, int64_t now, struct err *e);

#endif
