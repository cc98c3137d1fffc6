#include "store/memory/memory_priv.h"

#define DAY_NS (24 * 3600 * NSEC_PER_SEC)

static struct profile *copy_profile(const struct profile *p)
{
	struct profile *copy = profile_new(p->type, p->unit, p->period);

	CHECK(!profile_merge(copy, p, NULL, 0, NULL));
	copy->time_ns = p->time_ns;
	copy->duration_ns = p->duration_ns;
	memcpy(copy->id, p->id, sizeof(copy->id));
	return copy;
}

static bool is_known(const struct memory_store *s, const struct profile *p, int64_t service,
		     const char *host)
{
	static const uint8_t none[sizeof(p->id)];

	if (!memcmp(p->id, none, sizeof(none)))
		return false;
	for (size_t i = 0; i < s->windows.len; i++) {
		const struct memory_window *w = &s->windows.data[i];

		if (w->service == service && !strcmp(w->host, host) &&
		    w->profile->time_ns == p->time_ns && !strcmp(w->profile->type, p->type) &&
		    !memcmp(w->profile->id, p->id, sizeof(p->id)))
			return true;
	}
	return false;
}

static int check_unit(const struct memory_store *s, const struct profile *p, int64_t service,
		      struct err *e)
{
	for (size_t i = 0; i < s->windows.len; i++) {
		const struct profile *o = s->windows.data[i].profile;

		if (s->windows.data[i].service == service && !strcmp(o->type, p->type) &&
		    o->time_ns / DAY_NS == p->time_ns / DAY_NS && strcmp(o->unit, p->unit))
			return err_set(e, -EINVAL, "profiles of type %s are in %s here, not in %s",
				       p->type, o->unit, p->unit);
	}
	return 0;
}

static int check(const struct memory_store *s, const struct store_batch *b, struct err *e)
{
	int64_t service = 0;
	int r = 0;

	if (!memory_has_tenant(s, b->tenant))
		return err_set(e, -ENOENT, "there is no such tenant");
	for (size_t i = 0; i < s->services.len; i++)
		if (s->services.data[i].tenant == b->tenant &&
		    !strcmp(s->services.data[i].name, b->service))
			service = s->services.data[i].id;
	for (size_t i = 0; r >= 0 && i < b->nprofiles; i++)
		r = check_unit(s, b->profiles[i], service, e);
	return r;
}

static void see(struct store_service *svc, const char *host, int64_t first, int64_t end)
{
	if (!svc->first_seen) {
		svc->first_seen = first;
		snprintf(svc->first_host, sizeof(svc->first_host), "%s", host);
	}
	svc->last_seen = MAX(svc->last_seen, end);
}

static void add_point(struct memory_store *s, const struct store_batch *b, int64_t service,
		      const struct store_point *p)
{
	cleanup_buf struct buf pairs = {};

	labels_of_point(p, b->host, &pairs);
	buf_putc(&pairs, 0);
	pairs.len--;
	for (size_t i = 0; i < s->points.len; i++) {
		struct memory_point *o = &s->points.data[i];

		if (o->service != service || o->time != p->time || o->len != pairs.len ||
		    memcmp(o->pairs, pairs.data, pairs.len) || strcmp(o->metric, p->metric))
			continue;
		o->interval = p->interval;
		o->value = p->value;
		return;
	}
	struct memory_point new = {b->tenant, service, mem_strdup(p->metric), (char *)pairs.data,
				   pairs.len, p->time, p->interval,	      p->value};

	pairs = (struct buf){};
	vec_push(&s->points, new);
}

static void add_batch(struct memory_store *s, const struct store_batch *b)
{
	struct store_service *svc = memory_service(s, b->tenant, b->service, true);
	const char *host = b->host ? b->host : "";
	int64_t first = INT64_MAX, end = 0;

	for (size_t i = 0; i < b->nprofiles; i++) {
		const struct profile *p = b->profiles[i];

		first = MIN(first, p->time_ns);
		end = MAX(end, p->time_ns + p->duration_ns);
		if (is_known(s, p, svc->id, host))
			continue;
		vec_push(&s->windows, (struct memory_window){b->tenant, svc->id, mem_strdup(host),
							     copy_profile(p)});
	}
	for (size_t i = 0; i < b->npoints; i++) {
		first = MIN(first, b->points[i].time);
		end = MAX(end, b->points[i].time + MAX(b->points[i].interval, (int64_t)0));
		add_point(s, b, svc->id, &b->points[i]);
	}
	if (b->nprofiles || b->npoints)
		see(svc, host, first, end);
}

int memory_append(struct store *base, const struct store_batch *batches, size_t n, struct err *e)
{
	struct memory_store *s = memory_store(base);
	WRITE_SCOPE(s);

	for (size_t i = 0; i < n; i++) {
		int r = check(s, &batches[i], e);

		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < n; i++)
		add_batch(s, &batches[i]);
	return 0;
}

/* The windows that a query asks for: *pos walks over them. */
static const struct memory_window *
next_window(const struct memory_store *s, const struct store_query *q, int64_t service, size_t *pos)
{
	while (*pos < s->windows.len) {
		const struct memory_window *w = &s->windows.data[(*pos)++];

		if (w->service == service && !strcmp(w->profile->type, q->type) &&
		    w->profile->time_ns >= q->from && w->profile->time_ns < q->until)
			return w;
	}
	return NULL;
}

static int find_service(struct memory_store *s, const struct store_query *q, int64_t *ret_service,
			struct err *e)
{
	const struct store_service *svc = memory_service(s, q->tenant, q->service, false);

	if (!svc)
		return err_set(e, -ENOENT, "there is no service %s", q->service);
	*ret_service = svc->id;
	return 0;
}

static uint32_t copy_stack(struct profile *to, const struct profile *from, uint32_t stack)
{
	uint32_t frames[1024];
	size_t depth = profile_unroll(from, stack, frames, ARRAY_SIZE(frames));

	stack = 0;
	CHECK(depth <= ARRAY_SIZE(frames));
	while (depth--) {
		struct profile_frame fr = from->frames.data[frames[depth]];
		struct profile_function fn = from->functions.data[fr.function];

		fn.name = profile_string(to, profile_text(from, fn.name));
		fn.file = profile_string(to, profile_text(from, fn.file));
		fn.module = profile_string(to, profile_text(from, fn.module));
		fr.function = profile_function(to, &fn);
		stack = profile_stack(to, stack, profile_frame(to, &fr));
	}
	return stack;
}

struct period {
	double sum, count;
};

static void add_window(struct profile *to, const struct memory_window *w, const struct filters *f,
		       const char *const *by, size_t nby, struct period *period)
{
	cleanup_buf struct buf pairs = {};
	const struct profile *p = w->profile;

	for (size_t i = 0; i < p->samples.len; i++) {
		const struct profile_sample *x = &p->samples.data[i];

		labels_of_profile(p, x->labels, w->host, &pairs);
		if (!filters_match(f, (const char *)pairs.data, pairs.len))
			continue;
		profile_add(to, copy_stack(to, p, x->stack),
			    labels_to_profile(to, (const char *)pairs.data, pairs.len, by, nby),
			    x->count, x->value);
		if (p->period) {
			period->sum += (double)p->period * (double)x->count;
			period->count += (double)x->count;
		}
	}
}

int memory_profile(struct store *base, const struct store_query *q, const char *const *by,
		   size_t nby, struct profile **ret_profile, double *ret_covered, struct err *e)
{
	struct memory_store *s = memory_store(base);
	READ_SCOPE(s);
	cleanup_filters struct filters filters = {};
	cleanup_cover struct cover cover = {};
	cleanup_profile struct profile *p = profile_new(q->type, "", 0);
	const struct memory_window *w;
	struct period period = {};
	int64_t service = 0;
	int r = filters_init(q, &filters, e);

	if (r >= 0)
		r = find_service(s, q, &service, e);
	if (r < 0)
		return r;
	for (size_t pos = 0; (w = next_window(s, q, service, &pos));) {
		const struct profile *x = w->profile;

		if (!p->unit[0])
			snprintf(p->unit, sizeof(p->unit), "%s", x->unit);
		if (strcmp(p->unit, x->unit))
			return err_set(e, -EINVAL,
				       "profiles of type %s changed from %s to %s in the range",
				       p->type, p->unit, x->unit);
		add_window(p, w, &filters, by, nby, &period);
		cover_add(&cover, x->time_ns, x->time_ns + x->duration_ns);
	}
	if (period.count > 0)
		p->period = (int64_t)(period.sum / period.count + 0.5);
	*ret_covered = profile_set_range(p, &cover, q);
	*ret_profile = take_ptr(p);
	return 0;
}

int memory_weights(struct store *base, const struct store_query *q,
		   void (*each)(void *ctx, const char *pairs, size_t len, double weight), void *ctx,
		   struct err *e)
{
	struct memory_store *s = memory_store(base);
	READ_SCOPE(s);
	cleanup_filters struct filters filters = {};
	cleanup_buf struct buf pairs = {};
	const struct memory_window *w;
	int64_t service = 0;
	int r = filters_init(q, &filters, e);

	if (r >= 0)
		r = find_service(s, q, &service, e);
	for (size_t pos = 0; r >= 0 && (w = next_window(s, q, service, &pos));)
		for (size_t i = 0; i < w->profile->samples.len; i++) {
			const struct profile_sample *x = &w->profile->samples.data[i];

			labels_of_profile(w->profile, x->labels, w->host, &pairs);
			if (filters_match(&filters, (const char *)pairs.data, pairs.len))
				each(ctx, (const char *)pairs.data, pairs.len, (double)x->value);
		}
	return r;
}

int memory_metric(struct store *base, const struct store_query *q, const char *metric,
		  const char *by, int64_t step, struct arena *a, struct store_series_set *ret,
		  struct err *e)
{
	struct memory_store *s = memory_store(base);
	READ_SCOPE(s);
	cleanup_series struct series *series = NULL;
	int64_t service = 0;
	int r = series_new(q, metric, by, step, &series, e);

	if (r >= 0)
		r = find_service(s, q, &service, e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < s->points.len; i++) {
		const struct memory_point *p = &s->points.data[i];

		if (p->service == service && !strcmp(p->metric, metric))
			series_add(series, series_group(series, p->pairs, p->len), p->time,
				   p->interval, p->value);
	}
	series_finish(series, a, ret);
	return 0;
}

int memory_expire(struct store *base, int64_t before, struct err *e)
{
	struct memory_store *s = memory_store(base);
	WRITE_SCOPE(s);
	int64_t limit = before / DAY_NS * DAY_NS;
	size_t n = 0;

	for (size_t i = 0; i < s->windows.len; i++) {
		struct memory_window *w = &s->windows.data[i];

		if (w->profile->time_ns >= limit) {
			s->windows.data[n++] = *w;
			continue;
		}
		profile_free(w->profile);
		free(w->host);
	}
	s->windows.len = n;
	n = 0;
	for (size_t i = 0; i < s->points.len; i++) {
		struct memory_point *p = &s->points.data[i];

		if (p->time >= limit) {
			s->points.data[n++] = *p;
			continue;
		}
		free(p->metric);
		free(p->pairs);
	}
	s->points.len = n;
	return 0;
}
