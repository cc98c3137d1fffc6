#include "format/otlp_metrics_priv.h"

#include <math.h>
#include <stdarg.h>

/* AggregationTemporality of metrics.proto. */
enum { TEMPORALITY_DELTA = 1, TEMPORALITY_CUMULATIVE = 2 };
/* DataPointFlags of metrics.proto: the point stands for "nothing was recorded". */
enum { FLAG_NO_VALUE = 1 };

struct metrics_reader {
	struct otlp_metrics *out;
	struct otlp_label base[FORMAT_MAX_LABELS / 2]; /* of the resource */
	size_t nbase;
	struct otlp_metrics_part *part;
	struct err *e;
};

/* What a Metric message says about its points. */
struct metric {
	struct otlp_text name;
	uint32_t data; /* field number: 5 gauge, 7 sum, others are not understood */
	struct otlp_slice bytes;
	uint64_t temporality;
	bool monotonic;
	uint64_t points;
};

struct point {
	otlp_attributes attributes;
	uint64_t start, time, flags;
	double value;
	bool has_value;
};

static void reject(struct metrics_reader *r, uint64_t n, const char *fmt, ...) PRINTF_LIKE(3, 4);
static void reject(struct metrics_reader *r, uint64_t n, const char *fmt, ...)
{
	va_list ap;

	r->out->rejected += n;
	if (*r->out->reason)
		return;
	va_start(ap, fmt);
	vsnprintf(r->out->reason, sizeof(r->out->reason), fmt, ap);
	va_end(ap);
}

static int decode_point(struct metrics_reader *r, const struct wire_field *field, struct point *pt)
{
	struct wire_reader in = wire_sub(field);
	struct wire_field f;
	int rc = 0;

	vec_clear(&pt->attributes);
	pt->start = pt->time = pt->flags = 0;
	pt->has_value = false;
	while (rc >= 0 && wire_next(&in, &f)) {
		if (f.number == 7 && f.type == WIRE_BYTES)
			rc = otlp_read_key_value(NULL, &f, &r->out->arena, &pt->attributes, r->e);
		else if (f.number == 2 && f.type == WIRE_FIXED64)
			pt->start = f.value;
		else if (f.number == 3 && f.type == WIRE_FIXED64)
			pt->time = f.value;
		else if (f.number == 8 && f.type == WIRE_VARINT)
			pt->flags = f.value;
		if ((f.number != 4 && f.number != 6) || f.type != WIRE_FIXED64)
			continue;
		pt->value = f.number == 4 ? wire_to_double(f.value) : (double)(int64_t)f.value;
		pt->has_value = true;
	}
	if (rc < 0)
		return rc;
	return in.error ? otlp_malformed(r->e, "a data point") : 0;
}

static bool has_attribute(const otlp_attributes *list, const char *key, const char *value)
{
	for (size_t i = 0; i < list->len; i++)
		if (otlp_text_is(list->data[i].key, key) &&
		    otlp_text_is(list->data[i].value, value))
			return true;
	return false;
}

/* Modes of CPU time that are work; idle and iowait are not. */
static bool is_busy(const otlp_attributes *list)
{
	static const char *const modes[] = {"user", "system",  "nice",	"interrupt",
					    "irq",  "softirq", "steal", "kernel"};

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
		if (has_attribute(list, "cpu.mode", modes[i]))
			return true;
	return false;
}

/* Which of Glim's metrics a point is, NULL: it keeps its name. */
static const struct metric_name *name_of(const struct metric *m, const struct point *pt)
{
	bool delta = m->data == 7 && m->temporality == TEMPORALITY_DELTA;

	for (size_t i = 0; i < METRIC_NAMES; i++) {
		const struct metric_name *n = &metric_names[i];

		if (!otlp_text_is(m->name, n->name) || (n->kind != METRIC_MOMENT) != delta)
			continue;
		if (!n->state_key || has_attribute(&pt->attributes, n->state_key, n->state))
			return n;
		if (!strcmp(n->metric, "cpu") && is_busy(&pt->attributes))
			return n;
	}
	return NULL;
}

static const char *copy(struct metrics_reader *r, struct otlp_text t)
{
	return arena_strndup(&r->out->arena, t.p, strnlen(t.p, t.len));
}

/* Labels of the point and of the resource; the point's win. name: says its state already. */
static void set_labels(struct metrics_reader *r, const struct point *pt,
		       const struct metric_name *name, struct otlp_point *ret)
{
	size_t n = pt->attributes.len + r->nbase;
	struct otlp_label *labels = arena_array(&r->out->arena, struct otlp_label, n);

	for (size_t i = 0; i < n && ret->nlabels < FORMAT_MAX_LABELS; i++) {
		struct otlp_label l;
		bool known = false;

		if (i < pt->attributes.len) {
			const struct otlp_attribute *at = &pt->attributes.data[i];

			if (name && name->state_key && otlp_text_is(at->key, name->state_key) &&
			    otlp_text_is(at->value, name->state))
				continue;
			l = (struct otlp_label){copy(r, otlp_label_of(at->key)),
						copy(r, at->value)};
		} else {
			l = r->base[i - pt->attributes.len];
		}
		for (size_t k = 0; k < ret->nlabels && !known; k++)
			known = !strcmp(l.key, labels[k].key);
		if (!known)
			labels[ret->nlabels++] = l;
	}
	ret->labels = labels;
}

/* A rate is a quotient of two clocks: what is below a microcore is noise, and costs space. */
static double rate(double seconds, int64_t interval_ns)
{
	return rint(seconds * (double)NSEC_PER_SEC / (double)interval_ns * 1e6) / 1e6;
}

static void add_point(struct metrics_reader *r, const struct metric *m, const struct point *pt)
{
	const struct metric_name *name = name_of(m, pt);
	bool delta = m->data == 7 && m->temporality == TEMPORALITY_DELTA;
	struct otlp_point p = {.time_ns = (int64_t)pt->time, .value = pt->value};

	if (pt->flags & FLAG_NO_VALUE)
		return;
	if (!pt->has_value || !isfinite(pt->value)) {
		reject(r, 1, "a point of %.*s has no number", (int)MIN(m->name.len, (size_t)64),
		       m->name.p);
		return;
	}
	if (!pt->time || pt->time > INT64_MAX || (delta && (!pt->start || pt->start >= pt->time))) {
		reject(r, 1, "a point of %.*s has no %s", (int)MIN(m->name.len, (size_t)64),
		       m->name.p, delta ? "time range" : "time");
		return;
	}
	if (delta)
		p.interval_ns = (int64_t)(pt->time - pt->start);
	if (name && name->kind == METRIC_RATE)
		p.value = rate(pt->value, p.interval_ns);
	p.metric = name ? name->metric : copy(r, m->name);
	set_labels(r, pt, name, &p);
	vec_push(&r->part->points, p);
}

static int decode_metric(struct metrics_reader *r, const struct wire_field *field,
			 struct metric *ret)
{
	struct wire_reader in = wire_sub(field);
	struct wire_field f;

	while (wire_next(&in, &f)) {
		if (f.type != WIRE_BYTES)
			continue;
		if (f.number == 1) {
			ret->name = otlp_text_cut((struct otlp_text){(const char *)f.data, f.len});
		} else if (f.number == 5 || f.number == 7 || (f.number >= 9 && f.number <= 11)) {
			ret->data = f.number;
			ret->bytes = (struct otlp_slice){f.data, f.len};
		}
	}
	if (in.error)
		return otlp_malformed(r->e, "a metric");
	in = wire_reader(ret->bytes.p, ret->bytes.len);
	while (wire_next(&in, &f)) {
		if (f.number == 1)
			ret->points++;
		else if (f.number == 2 && f.type == WIRE_VARINT)
			ret->temporality = f.value;
		else if (f.number == 3 && f.type == WIRE_VARINT)
			ret->monotonic = f.value != 0;
	}
	return in.error ? otlp_malformed(r->e, "the points of a metric") : 0;
}

/* A cumulative sum that only grows says nothing without the one before it; one that goes up and
 * down is a moment's value. */
static bool is_understood(struct metrics_reader *r, const struct metric *m)
{
	int len = (int)MIN(m->name.len, (size_t)64);
	bool sum = m->data == 7;

	if (sum && m->temporality != TEMPORALITY_DELTA &&
	    (m->monotonic || m->temporality != TEMPORALITY_CUMULATIVE))
		reject(r, m->points,
		       "%.*s is a cumulative sum; Glim wants delta temporality (in the "
		       "OpenTelemetry Collector: the cumulativetodelta processor)",
		       len, m->name.p);
	else if (m->data && !sum && m->data != 5)
		reject(r, m->points, "%.*s is a histogram or summary; Glim takes gauges and sums",
		       len, m->name.p);
	else
		return true;
	return false;
}

static int read_metric(struct metrics_reader *r, const struct wire_field *field)
{
	struct metric m = {.name = {"", 0}};
	struct point pt = {};
	int rc = decode_metric(r, field, &m);

	if (rc < 0 || !is_understood(r, &m))
		return rc;
	struct wire_reader in = wire_reader(m.bytes.p, m.bytes.len);
	struct wire_field f;

	while (rc >= 0 && wire_next(&in, &f)) {
		if (f.number != 1 || f.type != WIRE_BYTES)
			continue;
		rc = decode_point(r, &f, &pt);
		if (rc >= 0)
			add_point(r, &m, &pt);
		if (rc >= 0 && r->out->arena.total > FORMAT_MAX_MEMORY)
			rc = err_set(r->e, -EFBIG, "OTLP: the request unfolds to too much text");
	}
	vec_fini(&pt.attributes);
	return rc;
}

static int read_scope(struct metrics_reader *r, const struct wire_field *field)
{
	struct wire_reader in = wire_sub(field);
	struct wire_field f;
	int rc = 0;

	while (rc >= 0 && wire_next(&in, &f))
		if (f.number == 2 && f.type == WIRE_BYTES)
			rc = read_metric(r, &f);
	if (rc < 0)
		return rc;
	return in.error ? otlp_malformed(r->e, "the metrics of a scope") : 0;
}

/* Attributes of the resource, but for the name of the service, and at most half of the labels. */
static int read_resource(struct metrics_reader *r, const struct wire_field *field)
{
	struct wire_reader in = wire_sub(field);
	otlp_attributes all = {};
	struct wire_field f;
	int rc = 0;

	while (rc >= 0 && wire_next(&in, &f))
		if (f.number == 1 && f.type == WIRE_BYTES)
			rc = otlp_read_key_value(NULL, &f, &r->out->arena, &all, r->e);
	if (rc >= 0 && in.error)
		rc = otlp_malformed(r->e, "a resource");
	for (size_t i = 0; rc >= 0 && i < all.len; i++) {
		const struct otlp_attribute *at = &all.data[i];

		if (otlp_text_is(at->key, "service.name"))
			r->part->service = copy(r, at->value);
		else if (r->nbase < ARRAY_SIZE(r->base))
			r->base[r->nbase++] = (struct otlp_label){copy(r, otlp_label_of(at->key)),
								  copy(r, at->value)};
		if (otlp_text_is(at->key, "host.name"))
			r->part->host = copy(r, at->value);
	}
	vec_fini(&all);
	return rc;
}

static int read_resource_metrics(struct metrics_reader *r, const struct wire_field *field)
{
	struct wire_reader in = wire_sub(field), again = in;
	struct otlp_metrics_part part = {.service = "", .host = ""};
	struct wire_field f;
	int rc = 0;

	r->nbase = 0;
	r->part = &part;
	while (rc >= 0 && wire_next(&in, &f))
		if (f.number == 1 && f.type == WIRE_BYTES)
			rc = read_resource(r, &f);
	while (rc >= 0 && wire_next(&again, &f))
		if (f.number == 2 && f.type == WIRE_BYTES)
			rc = read_scope(r, &f);
	if (rc >= 0 && in.error)
		rc = otlp_malformed(r->e, "the metrics of a resource");
	if (rc >= 0 && part.points.len)
		vec_push(&r->out->parts, part);
	else
		vec_fini(&part.points);
	return rc;
}

int otlp_read_metrics(const void *p, size_t n, struct otlp_metrics *ret, struct err *e)
{
	struct otlp_metrics out = {};
	struct metrics_reader r = {.out = &out, .e = e};
	struct wire_reader in = wire_reader(p, n);
	struct wire_field f;
	int rc = 0;

	while (rc >= 0 && wire_next(&in, &f))
		if (f.number == 1 && f.type == WIRE_BYTES)
			rc = read_resource_metrics(&r, &f);
	if (rc >= 0 && in.error)
		rc = otlp_malformed(e, "the request");
	if (rc < 0)
		otlp_metrics_fini(&out);
	else
		*ret = out;
	return rc;
}

void otlp_metrics_fini(struct otlp_metrics *m)
{
	for (size_t i = 0; i < m->parts.len; i++)
		vec_fini(&m->parts.data[i].points);
	vec_fini(&m->parts);
	arena_fini(&m->arena);
	*m = (struct otlp_metrics){};
}
