#include "store/store_ops.h"

#include <math.h>

/* 2100-01-01: a clock that is further off is broken. */
static const int64_t LATEST = 4102444800LL * NSEC_PER_SEC;

void store_close(struct store *s)
{
	if (s)
		s->ops->close(s);
}

void store_keep_raw(struct store *s, int64_t keep)
{
	__atomic_store_n(&s->keep_raw, keep, __ATOMIC_RELAXED);
}

static void lower(char *to, size_t size, const char *from)
{
	size_t i;

	for (i = 0; from[i] && i + 1 < size; i++)
		to[i] = from[i] >= 'A' && from[i] <= 'Z' ? (char)(from[i] + 'a' - 'A') : from[i];
	to[i] = 0;
}

int store_account_add(struct store *s, struct store_account *a, bool only_first, struct err *e)
{
	struct store_account copy = *a;

	if (!*a->email || a->tenant < 0)
		return err_set(e, -EINVAL, "an account needs an address");
	lower(copy.email, sizeof(copy.email), a->email);
	int r = s->ops->account_add(s, &copy, only_first, e);

	if (r >= 0)
		*a = copy;
	return r;
}

int store_account_by_email(struct store *s, const char *email, struct store_account *ret)
{
	char low[STORE_EMAIL_MAX + 1];

	if (strlen(email) > STORE_EMAIL_MAX)
		return -ENOENT;
	lower(low, sizeof(low), email);
	return s->ops->account_by_email(s, low, ret);
}

int store_account_by_id(struct store *s, int64_t id, struct store_account *ret)
{
	return s->ops->account_by_id(s, id, ret);
}

int store_account_count(struct store *s, int64_t *ret_n)
{
	return s->ops->account_count(s, ret_n);
}

int store_session_add(struct store *s, const uint8_t hash[32], int64_t account, int64_t expires,
		      struct err *e)
{
	return s->ops->session_add(s, hash, account, expires, e);
}

int store_session_get(struct store *s, const uint8_t hash[32], int64_t now, int64_t *ret_account)
{
	return s->ops->session_get(s, hash, now, ret_account);
}

int store_session_remove(struct store *s, const uint8_t hash[32])
{
	return s->ops->session_remove(s, hash);
}

int store_key_add(struct store *s, struct store_key *k, struct err *e)
{
	if (k->scope < KEY_INGEST || k->scope > KEY_ADMIN)
		return err_set(e, -EINVAL, "no such scope");
	return s->ops->key_add(s, k, e);
}

int store_key_list(struct store *s, int64_t tenant, struct arena *a, struct store_key **ret_keys,
		   size_t *ret_n)
{
	return s->ops->key_list(s, tenant, a, ret_keys, ret_n);
}

int store_key_by_hash(struct store *s, const uint8_t hash[32], struct store_key *ret)
{
	return s->ops->key_by_hash(s, hash, ret);
}

int store_key_touch(struct store *s, int64_t id, int64_t now)
{
	return s->ops->key_touch(s, id, now);
}

int store_key_remove(struct store *s, int64_t tenant, int64_t id)
{
	return s->ops->key_remove(s, tenant, id);
}

static int check_service(const char *name, struct err *e)
{
	size_t n = strlen(name);

	if (!n || n > STORE_NAME_MAX)
		return err_set(e, -EINVAL, "a service's name has 1 to %d bytes", STORE_NAME_MAX);
	return 0;
}

int store_service_add(struct store *s, int64_t tenant, const char *name, struct store_service *ret,
		      struct err *e)
{
	int r = check_service(name, e);

	return r < 0 ? r : s->ops->service_add(s, tenant, name, ret, e);
}

int store_service_list(struct store *s, int64_t tenant, struct arena *a,
		       struct store_service **ret_services, size_t *ret_n)
{
	return s->ops->service_list(s, tenant, a, ret_services, ret_n);
}

int store_setting_get(struct store *s, const char *name, struct arena *a, const char **ret_value)
{
	return s->ops->setting_get(s, name, a, ret_value);
}

int store_setting_set(struct store *s, const char *name, const char *value)
{
	return s->ops->setting_set(s, name, value);
}

static int check_time(int64_t time, int64_t duration, struct err *e)
{
	if (time < 0 || time >= LATEST || duration < 0 || duration > 24 * 3600 * NSEC_PER_SEC)
		return err_set(e, -EINVAL, "a window's time is out of range");
	return 0;
}

static int check_point(const struct store_point *p, struct err *e)
{
	if (!p->metric || !*p->metric || strlen(p->metric) > STORE_NAME_MAX)
		return err_set(e, -EINVAL, "a metric's name has 1 to %d bytes", STORE_NAME_MAX);
	if (!isfinite(p->value))
		return err_set(e, -EINVAL, "metric %s: the value is no number", p->metric);
	if (p->nlabels > STORE_LABELS_MAX)
		return err_set(e, -EINVAL, "metric %s: more than %d labels", p->metric,
			       STORE_LABELS_MAX);
	return check_time(p->time, MAX(p->interval, (int64_t)0), e);
}

static int check_batch(const struct store_batch *b, struct err *e)
{
	int r = check_service(b->service, e);

	if (r >= 0 && b->tenant <= 0)
		return err_set(e, -EINVAL, "no such tenant");
	if (r >= 0 && b->host && strlen(b->host) > 255)
		return err_set(e, -EINVAL, "a host's name has at most 255 bytes");
	for (size_t i = 0; r >= 0 && i < b->nprofiles; i++) {
		const struct profile *p = b->profiles[i];

		r = check_time(p->time_ns, p->duration_ns, e);
		for (size_t k = 0; r >= 0 && k < p->label_sets.len; k++)
			if (p->label_sets.data[k].count > STORE_LABELS_MAX)
				r = err_set(e, -EINVAL, "a sample has more than %d labels",
					    STORE_LABELS_MAX);
	}
	for (size_t i = 0; r >= 0 && i < b->npoints; i++)
		r = check_point(&b->points[i], e);
	return r;
}

int store_append(struct store *s, const struct store_batch *batches, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		int r = check_batch(&batches[i], e);

		if (r < 0)
			return r;
	}
	return n ? s->ops->append(s, batches, n, e) : 0;
}

static int check_query(const struct store_query *q, struct err *e)
{
	if (!q->service)
		return err_set(e, -EINVAL, "a query needs a service");
	if (q->from < 0 || q->until < q->from)
		return err_set(e, -EINVAL, "the range of time is empty");
	return 0;
}

int store_profile(struct store *s, const struct store_query *q, const char *const *by, size_t nby,
		  struct profile **ret_profile, double *ret_covered, struct err *e)
{
	int r = check_query(q, e);

	return r < 0 ? r : s->ops->profile(s, q, by, nby, ret_profile, ret_covered, e);
}

struct weighing {
	struct strtab texts;
	VEC(double) weights; /* of text number i */
	const char *label;
};

static void weighing_cleanup(struct weighing *w)
{
	strtab_fini(&w->texts);
	vec_fini(&w->weights);
}

static void add_weight(struct weighing *w, const char *text, double weight)
{
	uint32_t id = strtab_puts(&w->texts, text);

	while (w->weights.len <= id)
		vec_push(&w->weights, -1);
	w->weights.data[id] = MAX(w->weights.data[id], 0.0) + weight;
}

static void weigh_names(void *ctx, const char *pairs, size_t len, double weight)
{
	const char *k, *v;

	for (size_t pos = 0; labels_next(pairs, len, &pos, &k, &v);)
		add_weight(ctx, k, weight);
}

static void weigh_values(void *ctx, const char *pairs, size_t len, double weight)
{
	struct weighing *w = ctx;
	const char *v = labels_get(pairs, len, w->label);

	if (*v)
		add_weight(w, v, weight);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int store_labels(struct store *s, const struct store_query *q, struct arena *a,
		 const char *const **ret_names, size_t *ret_n, struct err *e)
{
	cleanup(weighing_cleanup) struct weighing w = {};
	int r = check_query(q, e);

	if (r >= 0)
		r = s->ops->weights(s, q, weigh_names, &w, e);
	if (r < 0)
		return r;
	size_t n = strtab_count(&w.texts) - 1;
	const char **names = arena_array(a, const char *, n);

	for (size_t i = 0; i < n; i++)
		names[i] = arena_strdup(a, strtab_get(&w.texts, (uint32_t)i + 1));
	if (n)
		qsort(names, n, sizeof(*names), compare_names);
	*ret_names = names;
	*ret_n = n;
	return 0;
}

static int compare_values(const void *a, const void *b)
{
	const struct store_value *x = a, *y = b;

	if (x->weight != y->weight)
		return x->weight < y->weight ? 1 : -1;
	return strcmp(x->value, y->value);
}

int store_label_values(struct store *s, const struct store_query *q, const char *label, size_t max,
		       struct arena *a, struct store_value **ret_values, size_t *ret_n,
		       bool *ret_truncated, struct err *e)
{
	cleanup(weighing_cleanup) struct weighing w = {.label = label};
	int r = check_query(q, e);

	if (r >= 0)
		r = s->ops->weights(s, q, weigh_values, &w, e);
	if (r < 0)
		return r;
	size_t n = strtab_count(&w.texts) - 1;
	cleanup_free struct store_value *all = mem_calloc(n + 1, sizeof(*all));

	for (size_t i = 0; i < n; i++)
		all[i] = (struct store_value){strtab_get(&w.texts, (uint32_t)i + 1),
					      w.weights.data[i + 1]};
	qsort(all, n, sizeof(*all), compare_values);
	size_t kept = MIN(n, max);

	*ret_values = arena_array(a, struct store_value, kept);
	for (size_t i = 0; i < kept; i++)
		(*ret_values)[i] =
			(struct store_value){arena_strdup(a, all[i].value), all[i].weight};
	*ret_n = kept;
	*ret_truncated = n > kept;
	return 0;
}

int store_metric(struct store *s, const struct store_query *q, const char *metric, const char *by,
		 int64_t step, struct arena *a, struct store_series_set *ret, struct err *e)
{
	int r = check_query(q, e);

	return r < 0 ? r : s->ops->metric(s, q, metric, by, step, a, ret, e);
}

int store_expire(struct store *s, int64_t before, struct err *e)
{
	return s->ops->expire(s, before, e);
}

int store_maintain(struct store *s, int64_t now, struct err *e)
{
	return s->ops->maintain(s, now, e);
}
