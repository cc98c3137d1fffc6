#include "store/sqlite/sqlite_priv.h"

#include "base/clock.h"

static void copy_text(char *to, size_t size, sqlite3_stmt *q, int column)
{
	snprintf(to, size, "%s", db_text(q, column));
}

static void copy_hash(uint8_t to[32], sqlite3_stmt *q, int column)
{
	size_t n;
	const void *p = db_blob(q, column, &n);

	if (n == 32)
		memcpy(to, p, 32);
}

/* Run one statement in a transaction of its own. */
#define RUN(s, e, id, ...)                                                                         \
	({                                                                                         \
		LOCK_SCOPE(lock__, &(s)->write_lock);                                              \
		db_run((s)->catalogue, (id), (e), __VA_ARGS__);                                    \
	})

/* --- accounts --------------------------------------------------------------------------------- */

static int account_insert(struct sqlite_store *s, struct store_account *a, bool only_first,
			  struct err *e)
{
	struct db *db = s->catalogue;
	int64_t n = 0;
	int r = db_number(db, SQL_account_count, &n, e, "");

	if (r >= 0 && only_first && n)
		return err_set(e, -EPERM, "there is an account already");
	if (r >= 0 && !a->tenant && !n) {
		a->tenant = STORE_FIRST_TENANT;
	} else if (r >= 0 && !a->tenant) {
		r = db_run(db, SQL_tenant_add, e, "i", a->created);
		a->tenant = db_last_id(db);
	}
	if (r >= 0)
		r = db_run(db, SQL_account_add, e, "ittii", a->tenant, a->email, a->password,
			   (int64_t)a->owner, a->created);
	if (r == -EEXIST)
		return err_set(e, r, "there is an account of this address");
	a->id = db_last_id(db);
	return r < 0 ? r : db_commit(db, e);
}

int catalogue_account_add(struct store *base, struct store_account *a, bool only_first,
			  struct err *e)
{
	struct sqlite_store *s = sqlite_store(base);
	LOCK_SCOPE(lock, &s->write_lock);
	struct store_account new = *a;
	int r = db_begin_write(s->catalogue, e);

	if (!new.created)
		new.created = clock_real_ns();
	if (r >= 0)
		r = account_insert(s, &new, only_first, e);
	if (r < 0) {
		db_rollback(s->catalogue);
		return r;
	}
	*a = new;
	return 0;
}

static int account_read(struct db *db, sqlite3_stmt *q, struct store_account *ret)
{
	int r = db_step(db, q, NULL);

	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	*ret = (struct store_account){
		.id = sqlite3_column_int64(q, 0),
		.tenant = sqlite3_column_int64(q, 1),
		.owner = sqlite3_column_int64(q, 4),
		.created = sqlite3_column_int64(q, 5),
	};
	copy_text(ret->email, sizeof(ret->email), q, 2);
	copy_text(ret->password, sizeof(ret->password), q, 3);
	return 0;
}

int catalogue_account_by_email(struct store *s, const char *email, struct store_account *ret)
{
	cleanup_reader struct reader rd = {};
	cleanup_query sqlite3_stmt *q = NULL;
	int r = reader_get(sqlite_store(s), NULL, &rd, NULL);

	if (r >= 0)
		r = db_query(rd.db, SQL_account_by_email, &q, NULL, "t", email);
	return r < 0 ? r : account_read(rd.db, q, ret);
}

int catalogue_account_by_id(struct store *s, int64_t id, struct store_account *ret)
{
	cleanup_reader struct reader rd = {};
	cleanup_query sqlite3_stmt *q = NULL;
	int r = reader_get(sqlite_store(s), NULL, &rd, NULL);

	if (r >= 0)
		r = db_query(rd.db, SQL_account_by_id, &q, NULL, "i", id);
	return r < 0 ? r : account_read(rd.db, q, ret);
}

int catalogue_account_count(struct store *s, int64_t *ret_n)
{
	cleanup_reader struct reader rd = {};
	int r = reader_get(sqlite_store(s), NULL, &rd, NULL);

	return r < 0 ? r : db_number(rd.db, SQL_account_count, ret_n, NULL, "");
}

/* --- sessions --------------------------------------------------------------------------------- */

int catalogue_session_add(struct store *base, const uint8_t hash[32], int64_t account,
			  int64_t expires, struct err *e)
{
	struct sqlite_store *s = sqlite_store(base);
	int r = RUN(s, e, SQL_session_add, "bii", (const void *)hash, (size_t)32, account, expires);

	return r == -EEXIST ? err_set(e, -ENOENT, "there is no such account") : r;
}

int catalogue_session_get(struct store *s, const uint8_t hash[32], int64_t now,
			  int64_t *ret_account)
{
	cleanup_reader struct reader rd = {};
	int r = reader_get(sqlite_store(s), NULL, &rd, NULL);

	return r < 0 ? r
		     : db_number(rd.db, SQL_session_get, ret_account, NULL, "bi",
				 (const void *)hash, (size_t)32, now);
}

int catalogue_session_remove(struct store *base, const uint8_t hash[32])
{
	struct sqlite_store *s = sqlite_store(base);

	return RUN(s, NULL, SQL_session_remove, "b", (const void *)hash, (size_t)32);
}

/* --- keys ------------------------------------------------------------------------------------- */

int catalogue_key_add(struct store *base, struct store_key *k, struct err *e)
{
	struct sqlite_store *s = sqlite_store(base);
	LOCK_SCOPE(lock, &s->write_lock);
	int64_t created = k->created ? k->created : clock_real_ns();
	int r = db_run(s->catalogue, SQL_key_add, e, "iittbiii", k->tenant, k->account, k->name,
		       k->prefix, (const void *)k->hash, (size_t)32, (int64_t)k->scope, created,
		       k->last_used);

	if (r < 0)
		return r;
	k->created = created;
	k->id = db_last_id(s->catalogue);
	return 0;
}

static void key_read(sqlite3_stmt *q, struct store_key *k)
{
	*k = (struct store_key){
		.id = sqlite3_column_int64(q, 0),
		.tenant = sqlite3_column_int64(q, 1),
		.account = sqlite3_column_int64(q, 2),
		.scope = (enum key_scope)sqlite3_column_int64(q, 6),
		.created = sqlite3_column_int64(q, 7),
		.last_used = sqlite3_column_int64(q, 8),
	};
	copy_text(k->name, sizeof(k->name), q, 3);
	copy_text(k->prefix, sizeof(k->prefix), q, 4);
	copy_hash(k->hash, q, 5);
}

int catalogue_key_list(struct store *s, int64_t tenant, struct arena *a,
		       struct store_key **ret_keys, size_t *ret_n)
{
	cleanup_reader struct reader rd = {};
	cleanup_query sqlite3_stmt *q = NULL;
	VEC(struct store_key) keys = {};
	int r = reader_get(sqlite_store(s), NULL, &rd, NULL);

	if (r >= 0)
		r = db_query(rd.db, SQL_key_list, &q, NULL, "i", tenant);
	while (r >= 0 && (r = db_step(rd.db, q, NULL)) > 0) {
		struct store_key k;

		key_read(q, &k);
		vec_push(&keys, k);
	}
	if (r >= 0) {
		*ret_keys = arena_array(a, struct store_key, keys.len);
		*ret_n = keys.len;
		for (size_t i = 0; i < keys.len; i++)
			(*ret_keys)[i] = keys.data[i];
	}
	vec_fini(&keys);
	return r;
}

int catalogue_key_by_hash(struct store *s, const uint8_t hash[32], struct store_key *ret)
{
	cleanup_reader struct reader rd = {};
	cleanup_query sqlite3_stmt *q = NULL;
	int r = reader_get(sqlite_store(s), NULL, &rd, NULL);

	if (r >= 0)
		r = db_query(rd.db, SQL_key_by_hash, &q, NULL, "b", (const void *)hash, (size_t)32);
	if (r >= 0)
		r = db_step(rd.db, q, NULL);
	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	key_read(q, ret);
	return 0;
}

int catalogue_key_touch(struct store *base, int64_t id, int64_t now)
{
	struct sqlite_store *s = sqlite_store(base);

	return RUN(s, NULL, SQL_key_touch, "ii", now, id);
}

int catalogue_key_remove(struct store *base, int64_t tenant, int64_t id)
{
	struct sqlite_store *s = sqlite_store(base);
	LOCK_SCOPE(lock, &s->write_lock);
	int r = db_run(s->catalogue, SQL_key_remove, NULL, "ii", tenant, id);

	return r < 0 ? r : db_changes(s->catalogue) ? 0 : -ENOENT;
}

/* --- services --------------------------------------------------------------------------------- */

static void service_read(sqlite3_stmt *q, struct store_service *ret)
{
	*ret = (struct store_service){
		.id = sqlite3_column_int64(q, 0),
		.tenant = sqlite3_column_int64(q, 1),
		.created = sqlite3_column_int64(q, 4),
		.first_seen = sqlite3_column_int64(q, 5),
		.last_seen = sqlite3_column_int64(q, 6),
	};
	copy_text(ret->name, sizeof(ret->name), q, 2);
	copy_text(ret->first_host, sizeof(ret->first_host), q, 3);
}

static uint32_t state_key(struct strtab *names, int64_t tenant, const char *name, bool add)
{
	cleanup_free char *key = mem_asprintf("%lld %s", (long long)tenant, name);

	return add ? strtab_puts(names, key) : strtab_find(names, key, strlen(key));
}

/* last_seen is newer in memory than in the catalogue. */
static void freshen(struct sqlite_store *s, struct store_service *svc)
{
	LOCK_SCOPE(lock, &s->seen_lock);
	uint32_t n = state_key(&s->service_names, svc->tenant, svc->name, false);

	if (n != HASH_NONE)
		svc->last_seen = MAX(svc->last_seen, s->services.data[n - 1].last_seen);
}

static int service_get(struct db *db, int64_t tenant, const char *name, struct store_service *ret,
		       struct err *e)
{
	cleanup_query sqlite3_stmt *q = NULL;
	int r = db_query(db, SQL_service_get, &q, e, "it", tenant, name);

	if (r >= 0)
		r = db_step(db, q, e);
	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	service_read(q, ret);
	return 0;
}

int catalogue_service_add(struct store *base, int64_t tenant, const char *name,
			  struct store_service *ret, struct err *e)
{
	struct sqlite_store *s = sqlite_store(base);
	LOCK_SCOPE(lock, &s->write_lock);
	int added = db_run(s->catalogue, SQL_service_add, e, "iti", tenant, name, clock_real_ns());

	if (added < 0 && added != -EEXIST)
		return added;
	int r = service_get(s->catalogue, tenant, name, ret, e);

	if (r == -ENOENT)
		return err_set(e, -ENOENT, "there is no such tenant");
	if (r < 0)
		return r;
	freshen(s, ret);
	return added < 0 ? err_set(e, added, "there is a service of this name") : 0;
}

int catalogue_service_list(struct store *base, int64_t tenant, struct arena *a,
			   struct store_service **ret_services, size_t *ret_n)
{
	struct sqlite_store *s = sqlite_store(base);
	cleanup_reader struct reader rd = {};
	cleanup_query sqlite3_stmt *q = NULL;
	VEC(struct store_service) list = {};
	int r = reader_get(s, NULL, &rd, NULL);

	if (r >= 0)
		r = db_query(rd.db, SQL_service_list, &q, NULL, "i", tenant);
	while (r >= 0 && (r = db_step(rd.db, q, NULL)) > 0) {
		struct store_service svc;

		service_read(q, &svc);
		freshen(s, &svc);
		vec_push(&list, svc);
	}
	if (r >= 0) {
		*ret_services = arena_array(a, struct store_service, list.len);
		*ret_n = list.len;
		for (size_t i = 0; i < list.len; i++)
			(*ret_services)[i] = list.data[i];
	}
	vec_fini(&list);
	return r;
}

int service_state(struct sqlite_store *s, int64_t tenant, const char *name,
		  struct service_state **ret_state, struct err *e)
{
	struct store_service svc;
	uint32_t n = state_key(&s->service_names, tenant, name, false);

	if (n == HASH_NONE) {
		int r = service_get(s->catalogue, tenant, name, &svc, e);

		if (r < 0)
			return r;
		LOCK_SCOPE(lock, &s->seen_lock);

		n = state_key(&s->service_names, tenant, name, true);
		vec_push(&s->services, (struct service_state){svc.id, tenant, svc.first_seen,
							      svc.last_seen, svc.last_seen});
		CHECK(n == s->services.len);
	}
	*ret_state = &s->services.data[n - 1];
	return 0;
}

int services_save(struct sqlite_store *s, struct err *e)
{
	struct db *db = s->catalogue;
	int r = db_begin_write(db, e);

	for (size_t i = 0; r >= 0 && i < s->services.len; i++) {
		struct service_state *st = &s->services.data[i];

		if (st->saved < st->last_seen)
			r = db_run(db, SQL_service_seen, e, "ii", st->last_seen, st->id);
	}
	if (r >= 0)
		r = db_commit(db, e);
	if (r < 0) {
		db_rollback(db);
		return r;
	}
	for (size_t i = 0; i < s->services.len; i++)
		s->services.data[i].saved = s->services.data[i].last_seen;
	return 0;
}

/* --- settings --------------------------------------------------------------------------------- */

int catalogue_setting_get(struct store *s, const char *name, struct arena *a,
			  const char **ret_value)
{
	cleanup_reader struct reader rd = {};
	cleanup_query sqlite3_stmt *q = NULL;
	int r = reader_get(sqlite_store(s), NULL, &rd, NULL);

	if (r >= 0)
		r = db_query(rd.db, SQL_setting_get, &q, NULL, "t", name);
	if (r >= 0)
		r = db_step(rd.db, q, NULL);
	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	*ret_value = arena_strdup(a, db_text(q, 0));
	return 0;
}

int catalogue_setting_set(struct store *base, const char *name, const char *value)
{
	struct sqlite_store *s = sqlite_store(base);

	return value ? RUN(s, NULL, SQL_setting_set, "tt", name, value)
		     : RUN(s, NULL, SQL_setting_remove, "t", name);
}
