/* server/service.c - services and the few facts that a list of them shows. */
#include <math.h>

#include "base/clock.h"
#include "base/hash.h"
#include "server/query.h"
#include "server/server_priv.h"

enum { FACTS_SECONDS = 300, SPARK_POINTS = 30, SPARK_STEP = 120 };

/* What a service did in the last FACTS_SECONDS. */
struct facts {
	double cores, memory;
	int64_t hosts, processes;
	const char *top;
	double spark[SPARK_POINTS];
};

/* --- adding ---------------------------------------------------------------------------------- */

static bool service_name_ok(const char *s)
{
	size_t n = s ? strlen(s) : 0;

	return n && n <= STORE_NAME_MAX &&
	       strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == n;
}

int service_add(struct request *req, struct response *res)
{
	cleanup_json_t struct json_t *body = request_json(req, res);
	struct store_service service;
	struct err e = {};
	const char *name;
	int r;

	if (!body)
		return 0;
	name = json_text_field(body, "name");
	if (!service_name_ok(name))
		return respond_error(res, 400,
				     "\"name\" must have 1 to %d of the characters A-Z a-z 0-9 . "
				     "_ -",
				     STORE_NAME_MAX);
	r = store_service_add(req->server->cfg.store, req->caller.tenant, name, &service, &e);
	if (r == -EEXIST)
		return respond_error(res, 409, "there is a service of this name");
	if (r < 0)
		return respond_store_error(res, r, &e);
	struct json j = respond_json(res, 201);

	json_object_begin(&j);
	json_member_text(&j, "name", service.name);
	json_object_end(&j);
	return 0;
}

/* --- facts ----------------------------------------------------------------------------------- */

/* The mean of a metric's values over a range, 0 where nothing came. */
static double mean_of(struct request *req, const struct store_query *q, const char *metric)
{
	struct store_series_set set = {};
	double sum = 0;
	size_t n = 0;

	if (store_metric(req->server->cfg.store, q, metric, NULL, 10 * NSEC_PER_SEC, &req->arena,
			 &set, NULL) < 0 ||
	    !set.nseries)
		return 0;
	for (size_t i = 0; i < set.nsteps; i++) {
		if (isnan(set.series[0].values[i]))
			continue;
		sum += set.series[0].values[i];
		n++;
	}
	return n ? sum / (double)n : 0;
}

/* The last SPARK_POINTS whole steps of cpu. */
static void fill_spark(struct request *req, const struct store_query *q, double *spark)
{
	const int64_t step = SPARK_STEP * NSEC_PER_SEC;
	struct store_query hour = *q;
	struct store_series_set set = {};

	for (size_t i = 0; i < SPARK_POINTS; i++)
		spark[i] = NAN;
	hour.until = (q->until / step + 1) * step;
	hour.from = hour.until - SPARK_POINTS * step;
	if (store_metric(req->server->cfg.store, &hour, "cpu", NULL, step, &req->arena, &set,
			 NULL) < 0 ||
	    !set.nseries)
		return;
	for (size_t i = 0; i < set.nsteps; i++) {
		int64_t at = (set.first + (int64_t)i * set.step - hour.from) / step;

		if (at >= 0 && at < SPARK_POINTS)
			spark[at] = set.series[0].values[i];
	}
}

static bool seen_before(struct map64 *m, uint64_t key)
{
	if (map64_get(m, key))
		return true;
	map64_set(m, key, 1);
	return false;
}

/* Distinct hosts, and distinct processes: a pid of a host. */
static void count_labels(const struct profile *p, struct facts *f)
{
	struct map64 hosts = {}, processes = {};

	for (uint32_t i = 0; i < p->label_sets.len; i++) {
		const char *host = profile_label_value(p, i, "host");
		const char *pid = profile_label_value(p, i, "pid");
		uint64_t h = host ? hash_bytes(host, strlen(host)) : 0;

		if (host && !seen_before(&hosts, h))
			f->hosts++;
		if (pid && !seen_before(&processes, hash_mix(h, hash_bytes(pid, strlen(pid)))))
			f->processes++;
	}
	map64_fini(&hosts);
	map64_fini(&processes);
}

/* The function with the largest self time. Marks of cut stacks are no functions. */
static void find_top(struct request *req, const struct profile *p, struct facts *f)
{
	VEC(int64_t) self = {};
	int64_t best = 0;

	vec_reserve(&self, p->functions.len + 1);
	memset(self.data, 0, (p->functions.len + 1) * sizeof(*self.data));
	for (size_t i = 0; i < p->samples.len; i++) {
		const struct profile_sample *s = &p->samples.data[i];
		uint32_t fn;

		if (!s->stack)
			continue;
		fn = p->frames.data[p->stacks.data[s->stack].frame].function;
		const struct profile_function *function = &p->functions.data[fn];

		if (function->kind == FRAME_MARK || !function->name)
			continue;
		self.data[fn] += s->value;
		if (self.data[fn] > best) {
			best = self.data[fn];
			f->top = profile_text(p, function->name);
		}
	}
	f->top = f->top ? arena_strdup(&req->arena, f->top) : NULL;
	vec_fini(&self);
}

static void find_facts(struct request *req, const char *service, int64_t now, struct facts *f)
{
	static const char *const by[] = {"host", "pid"};
	struct store_query q = {.tenant = req->caller.tenant,
				.service = service,
				.type = "cpu",
				.from = now - FACTS_SECONDS * NSEC_PER_SEC,
				.until = now};
	cleanup_profile struct profile *p = NULL;
	int64_t begun = query_begin();
	double covered = 0;

	f->cores = mean_of(req, &q, "cpu");
	f->memory = mean_of(req, &q, "memory");
	fill_spark(req, &q, f->spark);
	if (!store_profile(req->server->cfg.store, &q, by, ARRAY_SIZE(by), &p, &covered, NULL)) {
		count_labels(p, f);
		find_top(req, p, f);
		/* Senders of profiles alone have no cpu metric. */
		if (f->cores <= 0 && covered > 0)
			f->cores = (double)profile_total_value(p) / NSEC_PER_SEC / covered;
	}
	query_end(req, begun);
}

/* --- listing --------------------------------------------------------------------------------- */

static void put_time(struct json *j, const char *name, int64_t ns)
{
	json_key(j, name);
	if (ns)
		json_double(j, (double)(ns / 1000000) / 1000);
	else
		json_none(j);
}

static void put_text(struct json *j, const char *name, const char *text)
{
	json_key(j, name);
	if (text && *text)
		json_text(j, text);
	else
		json_none(j);
}

static void put_service(struct json *j, const struct store_service *s, const struct facts *f)
{
	json_object_begin(j);
	put_text(j, "name", s->name);
	put_time(j, "created", s->created);
	put_time(j, "first_seen", s->first_seen);
	put_time(j, "last_seen", s->last_seen);
	put_text(j, "first_host", s->first_host);
	json_member_double(j, "cores", f->cores);
	json_member_double(j, "memory", f->memory);
	json_member_int(j, "hosts", f->hosts);
	json_member_int(j, "processes", f->processes);
	put_text(j, "top", f->top);
	json_key(j, "spark");
	json_array_begin(j);
	for (size_t i = 0; i < SPARK_POINTS; i++)
		json_double(j, f->spark[i]);
	json_array_end(j);
	json_object_end(j);
}

int service_list(struct request *req, struct response *res)
{
	struct store_service *services;
	int64_t now = clock_real_ns();
	size_t n;
	int r = store_service_list(req->server->cfg.store, req->caller.tenant, &req->arena,
				   &services, &n);

	if (r < 0)
		return respond_store_error(res, r, NULL);
	struct json j = respond_json(res, 200);

	json_object_begin(&j);
	json_key(&j, "services");
	json_array_begin(&j);
	for (size_t i = 0; i < n; i++) {
		struct facts f = {};

		for (size_t k = 0; k < SPARK_POINTS; k++)
			f.spark[k] = NAN;
		/* Only what was heard of within the hour has anything to say. */
		if (services[i].last_seen > now - SPARK_POINTS * SPARK_STEP * NSEC_PER_SEC)
			find_facts(req, services[i].name, now, &f);
		put_service(&j, &services[i], &f);
	}
	json_array_end(&j);
	json_object_end(&j);
	return 0;
}
