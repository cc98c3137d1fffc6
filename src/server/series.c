/* server/series.c - metrics over time. */
#include "server/query.h"
#include "server/server_priv.h"

enum {
	STEP_MIN = 10,
	STEP_MAX = 7 * 86400,
	POINTS_AUTO = 400,
	POINTS_MAX = 5000,
};

static const struct {
	const char *metric, *unit;
} metrics[] = {
	{"cpu", "cores"},	  {"cpu.capacity", "cores"},
	{"memory", "bytes"},	  {"memory.capacity", "bytes"},
	{"process.cpu", "cores"}, {"process.memory", "bytes"},
	{"samples", "samples"},	  {"remarks", "samples"},
	{"lost", "samples"},
};

static const char *unit_of(const char *metric)
{
	for (size_t i = 0; i < ARRAY_SIZE(metrics); i++)
		if (!strcmp(metrics[i].metric, metric))
			return metrics[i].unit;
	return NULL;
}

/* The smallest step of these that needs no more than POINTS_AUTO points. */
static int64_t choose_step(int64_t range_ns)
{
	static const int64_t steps[] = {10,   20,   30,	  60,	120,   300,   600,
					1200, 1800, 3600, 7200, 21600, 43200, 86400};
	int64_t seconds = range_ns / NSEC_PER_SEC;

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
		if (seconds / steps[i] < POINTS_AUTO)
			return steps[i];
	return STEP_MAX;
}

static void put_series(struct json *j, const char *by, const struct store_series_set *set)
{
	json_array_begin(j);
	for (size_t i = 0; i < set->nseries; i++) {
		const struct store_series *s = &set->series[i];

		json_object_begin(j);
		json_key(j, "labels");
		json_object_begin(j);
		if (by) {
			json_member_text(j, by, s->value);
		}
		json_object_end(j);
		json_key(j, "values");
		json_array_begin(j);
		for (size_t k = 0; k < set->nsteps; k++)
			json_double(j, s->values[k]);
		json_array_end(j);
		json_object_end(j);
	}
	json_array_end(j);
}

static int respond_series(struct response *res, const char *metric, const char *by,
			  const struct store_series_set *set)
{
	struct json j = respond_json(res, 200);

	json_object_begin(&j);
	json_member_text(&j, "metric", metric);
	json_member_text(&j, "unit", unit_of(metric));
	json_member_int(&j, "step", set->step / NSEC_PER_SEC);
	json_key(&j, "times");
	json_array_begin(&j);
	for (size_t i = 0; i < set->nsteps; i++)
		json_int(&j, (set->first + (int64_t)i * set->step) / NSEC_PER_SEC);
	json_array_end(&j);
	json_key(&j, "series");
	put_series(&j, by, set);
	json_object_end(&j);
	return 0;
}

int series_get(struct request *req, struct response *res)
{
	const char *metric = request_param(req, "metric"), *by = request_param(req, "by");
	struct store_series_set set = {};
	struct store_query q;
	struct err e = {};
	int64_t step;

	if (!query_parse(req, res, &q) || !query_number(req, res, "step", 0, STEP_MAX, 0, &step))
		return 0;
	metric = metric && *metric ? metric : "cpu";
	by = by && *by ? by : NULL;
	if (!unit_of(metric))
		return respond_error(res, 400, "there is no metric \"%.60s\"", metric);
	step = step ? MAX(step, (int64_t)STEP_MIN) : choose_step(q.until - q.from);
	if ((q.until - q.from) / NSEC_PER_SEC / step > POINTS_MAX)
		return respond_error(res, 400,
				     "that would be more than %d points: choose a larger step",
				     POINTS_MAX);
	int64_t begun = query_begin();
	int r = store_metric(req->server->cfg.store, &q, metric, by, step * NSEC_PER_SEC,
			     &req->arena, &set, &e);

	query_end(req, begun);
	if (r < 0)
		return respond_store_error(res, r, &e);
	return respond_series(res, metric, by, &set);
}
