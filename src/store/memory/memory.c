#include "store/memory/memory_priv.h"

#include "base/clock.h"

bool memory_has_tenant(const struct memory_store *s, int64_t tenant)
{
	for (size_t i = 0; i < s->tenants.len; i++)
		if (s->tenants.data[i] == tenant)
			return true;
	return false;
}

static bool has_account(const struct memory_store *s, int64_t id)
{
	for (size_t i = 0; i < s->accounts.len; i++)
		if (s->accounts.data[i].id == id)
			return true;
	return false;
}

static int account_add(struct store *base, struct store_account *a, bool only_first, struct err *e)
{
	struct memory_store *s = memory_store(base);
	WRITE_SCOPE(s);

	if (only_first && s->accounts.len)
		return err_set(e, -EPERM, "there is an account already");
	for (size_t i = 0; i < s->accounts.len; i++)
		if (!strcmp(s->accounts.data[i].email, a->email))
			return err_set(e, -EEXIST, "there is an account of this address");
	if (!a->tenant && !s->accounts.len) {
		a->tenant = STORE_FIRST_TENANT;
	} else if (!a->tenant) {
		a->tenant = ++s->last_id;
		vec_push(&s->tenants, a->tenant);
	}
	if (!memory_has_tenant(s, a->tenant))
		return err_set(e, -ENOENT, "there is no such tenant");
	if (!a->created)
		a->created = clock_real_ns();
	a->id = ++s->last_id;
	vec_push(&s->accounts, *a);
	return 0;
}

static int account_by_email(struct store *base, const char *email, struct store_account *ret)
{
	struct memory_store *s = memory_store(base);
	READ_SCOPE(s);

	for (size_t i = 0; i < s->accounts.len; i++)
		if (!strcmp(s->accounts.data[i].email, email)) {
			*ret = s->accounts.data[i];
			return 0;
		}
	return -ENOENT;
}

static int account_by_id(struct store *base, int64_t id, struct store_account *ret)
{
	struct memory_store *s = memory_store(base);
	READ_SCOPE(s);

	for (size_t i = 0; i < s->accounts.len; i++)
		if (s->accounts.data[i].id == id) {
			*ret = s->accounts.data[i];
			return 0;
		}
	return -ENOENT;
}

static int account_count(struct store *base, int64_t *ret_n)
{
	struct memory_store *s = memory_store(base);
	READ_SCOPE(s);

	*ret_n = (int64_t)s->accounts.len;
	return 0;
}

/* Place of a session, or the number of sessions. */
static size_t find_session(const struct memory_store *s, const uint8_t hash[32])
{
	size_t i = 0;

	while (i < s->sessions.len && memcmp(s->sessions.data[i].hash, hash, 32))
		i++;
	return i;
}

static int session_add(struct store *base, const uint8_t hash[32], int64_t account, int64_t expires,
		       struct err *e)
{
	struct memory_store *s = memory_store(base);
	WRITE_SCOPE(s);
	struct memory_session new = {.account = account, .expires = expires};
	size_t i = find_session(s, hash);

	if (!has_account(s, account))
		return err_set(e, -ENOENT, "there is no such account");
	memcpy(new.hash, hash, 32);
	if (i < s->sessions.len)
		s->sessions.data[i] = new;
	else
		vec_push(&s->sessions, new);
	return 0;
}

static int session_get(struct store *base, const uint8_t hash[32], int64_t now,
		       int64_t *ret_account)
{
	struct memory_store *s = memory_store(base);
	READ_SCOPE(s);
	size_t i = find_session(s, hash);

	if (i == s->sessions.len || s->sessions.data[i].expires <= now)
		return -ENOENT;
	*ret_account = s->sessions.data[i].account;
	return 0;
}

static int session_remove(struct store *base, const uint8_t hash[32])
{
	struct memory_store *s = memory_store(base);
	WRITE_SCOPE(s);
	size_t i = find_session(s, hash);

	if (i < s->sessions.len)
		s->sessions.data[i] = s->sessions.data[--s->sessions.len];
	return 0;
}

static int key_add(struct store *base, struct store_key *k, struct err *e)
{
	struct memory_store *s = memory_store(base);
	WRITE_SCOPE(s);

	if (!memory_has_tenant(s, k->tenant) || (k->account && !has_account(s, k->account)))
		return err_set(e, -ENOENT, "there is no such account");
	for (size_t i = 0; i < s->keys.len; i++)
		if (!memcmp(s->keys.data[i].hash, k->hash, 32))
			return err_set(e, -EEXIST, "there is a key of this secret");
	if (!k->created)
		k->created = clock_real_ns();
	k->id = ++s->last_id;
	vec_push(&s->keys, *k);
	return 0;
}

static int key_list(struct store *base, int64_t tenant, struct arena *a,
		    struct store_key **ret_keys, size_t *ret_n)
{
	struct memory_store *s = memory_store(base);
	READ_SCOPE(s);
	struct store_key *keys = arena_array(a, struct store_key, s->keys.len);
	size_t n = 0;

	for (size_t i = 0; i < s->keys.len; i++)
		if (s->keys.data[i].tenant == tenant)
			keys[n++] = s->keys.data[i];
	*ret_keys = keys;
	*ret_n = n;
	return 0;
}

static int key_by_hash(struct store *base, const uint8_t hash[32], struct store_key *ret)
{
	struct memory_store *s = memory_store(base);
	READ_SCOPE(s);

	for (size_t i = 0; i < s->keys.len; i++)
		if (!memcmp(s->keys.data[i].hash, hash, 32)) {
			*ret = s->keys.data[i];
			return 0;
		}
	return -ENOENT;
}

static int key_touch(struct store *base, int64_t id, int64_t now)
{
	struct memory_store *s = memory_store(base);
	WRITE_SCOPE(s);

	for (size_t i = 0; i < s->keys.len; i++) {
		struct store_key *k = &s->keys.data[i];

		if (k->id == id && k->last_used <= now - STORE_TOUCH_SECONDS * NSEC_PER_SEC)
			k->last_used = now;
	}
	return 0;
}

static int key_remove(struct store *base, int64_t tenant, int64_t id)
{
	struct memory_store *s = memory_store(base);
	WRITE_SCOPE(s);

	for (size_t i = 0; i < s->keys.len; i++) {
		struct store_key *k = &s->keys.data[i];

		if (k->id != id || k->tenant != tenant)
			continue;
		s->keys.len--;
		memmove(k, k + 1, (s->keys.len - i) * sizeof(*k));
		return 0;
	}
	return -ENOENT;
}

struct store_service *memory_service(struct memory_store *s, int64_t tenant, const char *name,
				     bool add)
{
	for (size_t i = 0; i < s->services.len; i++)
		if (s->services.data[i].tenant == tenant && !strcmp(s->services.data[i].name, name))
			return &s->services.data[i];
	if (!add)
		return NULL;
	struct store_service new = {
		.id = ++s->last_id,
		.tenant = tenant,
		.created = clock_real_ns(),
	};

	snprintf(new.name, sizeof(new.name), "%s", name);
	vec_push(&s->services, new);
	return &s->services.data[s->services.len - 1];
}

static int service_add(struct store *base, int64_t tenant, const char *name,
		       struct store_service *ret, struct err *e)
{
	struct memory_store *s = memory_store(base);
	WRITE_SCOPE(s);

	if (!memory_has_tenant(s, tenant))
		return err_set(e, -ENOENT, "there is no such tenant");
	bool known = memory_service(s, tenant, name, false);

	*ret = *memory_service(s, tenant, name, true);
	return known ? err_set(e, -EEXIST, "there is a service of this name") : 0;
}

static int compare_services(const void *a, const void *b)
{
	return strcmp(((const struct store_service *)a)->name,
		      ((const struct store_service *)b)->name);
}

static int service_list(struct store *base, int64_t tenant, struct arena *a,
			struct store_service **ret_services, size_t *ret_n)
{
	struct memory_store *s = memory_store(base);
	READ_SCOPE(s);
	struct store_service *list = arena_array(a, struct store_service, s->services.len);
	size_t n = 0;

	for (size_t i = 0; i < s->services.len; i++)
		if (s->services.data[i].tenant == tenant)
			list[n++] = s->services.data[i];
	qsort(list, n, sizeof(*list), compare_services);
	*ret_services = list;
	*ret_n = n;
	return 0;
}

static size_t find_setting(const struct memory_store *s, const char *name)
{
	size_t i = 0;

	while (i < s->settings.len && strcmp(s->settings.data[i].name, name))
		i++;
	return i;
}

static int setting_get(struct store *base, const char *name, struct arena *a,
		       const char **ret_value)
{
	struct memory_store *s = memory_store(base);
	READ_SCOPE(s);
	size_t i = find_setting(s, name);

	if (i == s->settings.len)
		return -ENOENT;
	*ret_value = arena_strdup(a, s->settings.data[i].value);
	return 0;
}

static int setting_set(struct store *base, const char *name, const char *value)
{
	struct memory_store *s = memory_store(base);
	WRITE_SCOPE(s);
	size_t i = find_setting(s, name);

	if (i < s->settings.len) {
		free(s->settings.data[i].name);
		free(s->settings.data[i].value);
		s->settings.data[i] = s->settings.data[--s->settings.len];
	}
	if (value)
		vec_push(&s->settings,
			 (struct memory_setting){mem_strdup(name), mem_strdup(value)});
	return 0;
}

static int maintain(struct store *base, int64_t now, struct err *e)
{
	struct memory_store *s = memory_store(base);
	WRITE_SCOPE(s);

	for (size_t i = 0; i < s->sessions.len;)
		if (s->sessions.data[i].expires <= now)
			s->sessions.data[i] = s->sessions.data[--s->sessions.len];
		else
			i++;
	return 0;
}

static void memory_close(struct store *base)
{
	struct memory_store *s = memory_store(base);

	for (size_t i = 0; i < s->windows.len; i++) {
		profile_free(s->windows.data[i].profile);
		free(s->windows.data[i].host);
	}
	for (size_t i = 0; i < s->points.len; i++) {
		free(s->points.data[i].metric);
		free(s->points.data[i].pairs);
	}
	for (size_t i = 0; i < s->settings.len; i++) {
		free(s->settings.data[i].name);
		free(s->settings.data[i].value);
	}
	vec_fini(&s->tenants);
	vec_fini(&s->accounts);
	vec_fini(&s->sessions);
	vec_fini(&s->keys);
	vec_fini(&s->services);
	vec_fini(&s->settings);
	vec_fini(&s->windows);
	vec_fini(&s->points);
	pthread_rwlock_destroy(&s->lock);
	free(s);
}

static const struct store_ops memory_ops = {
	.close = memory_close,
	.account_add = account_add,
	.account_by_email = account_by_email,
	.account_by_id = account_by_id,
	.account_count = account_count,
	.session_add = session_add,
	.session_get = session_get,
	.session_remove = session_remove,
	.key_add = key_add,
	.key_list = key_list,
	.key_by_hash = key_by_hash,
	.key_touch = key_touch,
	.key_remove = key_remove,
	.service_add = service_add,
	.service_list = service_list,
	.setting_get = setting_get,
	.setting_set = setting_set,
	.append = memory_append,
	.profile = memory_profile,
	.weights = memory_weights,
	.metric = memory_metric,
	.expire = memory_expire,
	.maintain = maintain,
};

int store_open_memory(struct store **ret_store)
{
	struct memory_store *s = mem_calloc(1, sizeof(*s));
	pthread_rwlockattr_t attr;

	s->base.ops = &memory_ops;
	/* Many readers must not keep the writer out for ever. */
	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&s->lock, &attr);
	pthread_rwlockattr_destroy(&attr);
	s->last_id = STORE_FIRST_TENANT;
	vec_push(&s->tenants, (int64_t)STORE_FIRST_TENANT);
	*ret_store = &s->base;
	return 0;
}
