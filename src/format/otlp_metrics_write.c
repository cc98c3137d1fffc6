#include "format/otlp_metrics_priv.h"

/* Names, units and attributes: OpenTelemetry semantic conventions 1.37, system and process metrics.
 * cpu.mode "busy" is Glim's own word for everything but idle and waiting. */
const struct metric_name metric_names[METRIC_NAMES] = {
	{"cpu", "system.cpu.time", "s", METRIC_RATE, "cpu.mode", "busy"},
	{"cpu.capacity", "system.cpu.logical.count", "{cpu}", METRIC_MOMENT, NULL, NULL},
	{"memory", "system.memory.usage", "By", METRIC_MOMENT, "system.memory.state", "used"},
	{"memory.capacity", "system.memory.limit", "By", METRIC_MOMENT, NULL, NULL},
	{"process.cpu", "process.cpu.time", "s", METRIC_RATE, NULL, NULL},
	{"process.memory", "process.memory.usage", "By", METRIC_MOMENT, NULL, NULL},
	{"samples", "glim.samples", "{sample}", METRIC_COUNT, NULL, NULL},
	{"remarks", "glim.remarks", "{sample}", METRIC_COUNT, NULL, NULL},
	{"lost", "glim.lost", "{sample}", METRIC_COUNT, NULL, NULL},
};

/* AggregationTemporality of metrics.proto. */
enum { TEMPORALITY_DELTA = 1 };

static const struct metric_name *find_metric(const char *metric)
{
	for (size_t i = 0; i < METRIC_NAMES; i++)
		if (!strcmp(metric_names[i].metric, metric))
			return &metric_names[i];
	return NULL;
}

static void put_attribute(struct buf *b, const char *key, const char *value, bool as_number)
{
	size_t mark = wire_begin(b, 7);

	otlp_put_text(b, 1, key);
	otlp_put_value(b, 2, value, as_number);
	wire_end(b, mark);
}

static void put_point(struct buf *b, const struct metric_name *m, const struct otlp_point *pt)
{
	bool rate = m && m->kind == METRIC_RATE;
	double seconds = (double)pt->interval_ns / (double)NSEC_PER_SEC;
	size_t mark = wire_begin(b, 1);

	for (size_t i = 0; i < pt->nlabels; i++) {
		const char *key = otlp_attribute_of(pt->labels[i].key);

		put_attribute(b, key, pt->labels[i].value, otlp_attribute_is_number(key));
	}
	if (m && m->state_key)
		put_attribute(b, m->state_key, m->state, false);
	if (pt->interval_ns > 0)
		wire_put_fixed64(b, 2, (uint64_t)(pt->time_ns - pt->interval_ns));
	wire_put_fixed64(b, 3, (uint64_t)pt->time_ns);
	wire_put_double(b, 4, rate ? pt->value * seconds : pt->value);
	wire_end(b, mark);
}

/* One Metric message of all points with the same metric: those that `order` names from..until. */
static void put_metric(struct buf *b, const struct otlp_point *points, const size_t *order,
		       size_t n)
{
	const struct metric_name *m = find_metric(points[order[0]].metric);
	bool sum = m && m->kind != METRIC_MOMENT;
	size_t mark = wire_begin(b, 2);

	otlp_put_text(b, 1, m ? m->name : points[order[0]].metric);
	if (m)
		wire_put_string(b, 3, m->unit);
	size_t data = wire_begin(b, sum ? 7 : 5);

	for (size_t i = 0; i < n; i++)
		put_point(b, m, &points[order[i]]);
	if (sum) {
		wire_put_uint(b, 2, TEMPORALITY_DELTA);
		wire_put_uint(b, 3, true);
	}
	wire_end(b, data);
	wire_end(b, mark);
}

/* Sort the points by metric, in the order in which metrics first appear. */
static void group_points(const struct otlp_point *points, size_t n, uint32_t *group, size_t *order,
			 size_t *ret_groups, size_t **ret_ends)
{
	struct strtab names = {};

	for (size_t i = 0; i < n; i++)
		group[i] = strtab_puts(&names, points[i].metric);
	size_t groups = strtab_count(&names);
	size_t *ends = mem_calloc(groups + 1, sizeof(*ends));

	for (size_t i = 0; i < n; i++)
		ends[group[i] + 1]++;
	for (size_t g = 1; g <= groups; g++)
		ends[g] += ends[g - 1];
	/* ends[g] is where group g begins; once all are placed it is where it ends. */
	for (size_t i = 0; i < n; i++)
		order[ends[group[i]]++] = i;
	strtab_fini(&names);
	*ret_groups = groups;
	*ret_ends = ends;
}

int otlp_write_metrics(const struct otlp_resource *r, const struct otlp_point *points, size_t n,
		       struct buf *out, struct err *e)
{
	cleanup_free uint32_t *group = mem_calloc(n, sizeof(*group));
	cleanup_free size_t *order = mem_calloc(n, sizeof(*order));
	cleanup_free size_t *ends = NULL;
	size_t groups = 0, start = 0;

	for (size_t i = 0; i < n; i++) {
		const struct metric_name *m = find_metric(points[i].metric);

		if (m && m->kind != METRIC_MOMENT && points[i].interval_ns <= 0)
			return err_set(e, -EINVAL, "OTLP: a point of %s without an interval",
				       points[i].metric);
	}
	size_t resource = wire_begin(out, 1);

	otlp_put_resource(out, r);
	size_t scope = wire_begin(out, 2);

	otlp_put_scope(out, r);
	group_points(points, n, group, order, &groups, &ends);
	for (size_t g = 0; g < groups; g++) {
		if (ends[g] > start)
			put_metric(out, points, order + start, ends[g] - start);
		start = ends[g];
	}
	wire_end(out, scope);
	wire_end(out, resource);
	return 0;
}
