/* OTLP metrics. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "base/wire.h"
#include "format/otlp.h"

#define NOW 1700000000000000000

static const struct otlp_resource resource = {.service = "shop", .host = "web-1", .host_id = "m"};

static const char *label(const struct otlp_point *p, const char *key)
{
	for (size_t i = 0; i < p->nlabels; i++)
		if (!strcmp(p->labels[i].key, key))
			return p->labels[i].value;
	return NULL;
}

static void test_round_trip(void **state)
{
	static const struct otlp_label process[] = {{"pid", "7"}, {"process", "nginx"}};
	static const struct otlp_label outcome[] = {{"outcome", "cut: too deep"}};
	static const struct otlp_label remark[] = {{"remark", "frames found by guess"}};
	static const struct otlp_point points[] = {
		{"cpu", NULL, 0, NOW, 10 * NSEC_PER_SEC, 1.25},
		{"process.cpu", process, 2, NOW, 10 * NSEC_PER_SEC, 0.5},
		{"cpu.capacity", NULL, 0, NOW, 0, 4},
		{"memory", NULL, 0, NOW, 0, 1e9},
		{"memory.capacity", NULL, 0, NOW, 0, 2e9},
		{"process.memory", process, 2, NOW, 0, 5e8},
		{"samples", outcome, 1, NOW, 10 * NSEC_PER_SEC, 37},
		{"remarks", remark, 1, NOW, 10 * NSEC_PER_SEC, 3},
		{"lost", NULL, 0, NOW, 10 * NSEC_PER_SEC, 2},
		{"cpu", NULL, 0, NOW + 1, 5 * NSEC_PER_SEC, 0.75},
		{"my.own", outcome, 1, NOW, 0, -3},
	};
	cleanup_buf struct buf b = {};
	struct otlp_metrics m = {};
	bool seen[ARRAY_SIZE(points)] = {};

	assert_int_equal(otlp_write_metrics(&resource, points, ARRAY_SIZE(points), &b, NULL), 0);
	assert_int_equal(otlp_read_metrics(b.data, b.len, &m, NULL), 0);
	assert_int_equal(m.rejected, 0);
	assert_int_equal(m.parts.len, 1);
	assert_string_equal(m.parts.data[0].service, "shop");
	assert_string_equal(m.parts.data[0].host, "web-1");
	assert_int_equal(m.parts.data[0].points.len, ARRAY_SIZE(points));
	for (size_t i = 0; i < ARRAY_SIZE(points); i++) {
		const struct otlp_point *got = &m.parts.data[0].points.data[i];
		size_t k = 0;

		/* Points come grouped by metric. */
		while (strcmp(points[k].metric, got->metric) || points[k].time_ns != got->time_ns)
			assert_true(++k < ARRAY_SIZE(points));
		assert_false(seen[k]);
		seen[k] = true;
		assert_int_equal(got->interval_ns, points[k].interval_ns);
		assert_true(fabs(got->value - points[k].value) < 1e-9);
		assert_int_equal(got->nlabels, points[k].nlabels + 2);
		assert_string_equal(label(got, "host"), "web-1");
		assert_string_equal(label(got, "host.id"), "m");
		for (size_t n = 0; n < points[k].nlabels; n++)
			assert_string_equal(label(got, points[k].labels[n].key),
					    points[k].labels[n].value);
	}
	otlp_metrics_fini(&m);
}

static void test_write_refuses_rates_without_time(void **state)
{
	static const struct otlp_point p = {"cpu", NULL, 0, NOW, 0, 1};
	cleanup_buf struct buf b = {};
	struct err e = {};

	assert_int_equal(otlp_write_metrics(&resource, &p, 1, &b, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "interval"));
	assert_int_equal(b.len, 0);
	assert_int_equal(otlp_write_metrics(&resource, NULL, 0, &b, NULL), 0);
}

/* --- metrics of strangers ----------------------------------------------------------------------
 */

enum { GAUGE = 5, SUM = 7, HISTOGRAM = 9 };
struct made {
	const char *name;
	uint32_t data;
	uint64_t temporality; /* 1 delta, 2 cumulative */
	bool monotonic;
	const char *key, *value; /* an attribute */
	uint64_t start, time;
	double number;
	bool as_int, no_number, no_value_flag;
};

static void put_point(struct buf *b, const struct made *m)
{
	size_t point = wire_begin(b, 1);

	if (m->key) {
		size_t at = wire_begin(b, 7);

		wire_put_string(b, 1, m->key);
		size_t value = wire_begin(b, 2);

		wire_put_string(b, 1, m->value);
		wire_end(b, value);
		wire_end(b, at);
	}
	wire_put_fixed64(b, 2, m->start);
	wire_put_fixed64(b, 3, m->time);
	if (m->as_int)
		wire_put_fixed64(b, 6, (uint64_t)(int64_t)m->number);
	else if (!m->no_number)
		wire_put_double(b, 4, m->number);
	if (m->no_value_flag)
		wire_put_uint(b, 8, 1);
	wire_end(b, point);
}

static void put_request(struct buf *b, const struct made *m)
{
	size_t resource_metrics = wire_begin(b, 1), scope = wire_begin(b, 2);
	size_t metric = wire_begin(b, 2);

	wire_put_string(b, 1, m->name);
	size_t data = wire_begin(b, m->data);

	put_point(b, m);
	if (m->temporality)
		wire_put_uint(b, 2, m->temporality);
	if (m->monotonic)
		wire_put_uint(b, 3, 1);
	wire_end(b, data);
	wire_end(b, metric);
	wire_end(b, scope);
	wire_end(b, resource_metrics);
}

static void expect_point(const struct made *made, const char *metric, double value,
			 int64_t interval)
{
	cleanup_buf struct buf b = {};
	struct otlp_metrics m = {};

	put_request(&b, made);
	assert_int_equal(otlp_read_metrics(b.data, b.len, &m, NULL), 0);
	assert_string_equal(m.reason, "");
	assert_int_equal(m.parts.len, 1);
	assert_string_equal(m.parts.data[0].service, "");
	const struct otlp_point *p = &m.parts.data[0].points.data[0];

	assert_string_equal(p->metric, metric);
	assert_true(fabs(p->value - value) < 1e-9);
	assert_int_equal(p->interval_ns, interval);
	otlp_metrics_fini(&m);
}

static void expect_rejected(const struct made *made, const char *reason)
{
	cleanup_buf struct buf b = {};
	struct otlp_metrics m = {};

	put_request(&b, made);
	assert_int_equal(otlp_read_metrics(b.data, b.len, &m, NULL), 0);
	assert_int_equal(m.rejected, 1);
	assert_int_equal(m.parts.len, 0);
	if (!strstr(m.reason, reason))
		fail_msg("\"%s\" is not in \"%s\"", reason, m.reason);
	otlp_metrics_fini(&m);
}

static void test_names(void **state)
{
	const uint64_t t = NOW, s = NOW - 2 * NSEC_PER_SEC;
	const int64_t two = 2 * NSEC_PER_SEC;

	expect_point(&(struct made){"system.cpu.time", SUM, 1, true, "cpu.mode", "user", s, t, 3},
		     "cpu", 1.5, two);
	/* Idle is no work: kept under its own name, as the sum that it is. */
	expect_point(&(struct made){"system.cpu.time", SUM, 1, true, "cpu.mode", "idle", s, t, 3},
		     "system.cpu.time", 3, two);
	expect_point(&(struct made){"process.cpu.time", SUM, 1, true, NULL, NULL, s, t, 3},
		     "process.cpu", 1.5, two);
	expect_point(&(struct made){"system.memory.usage", GAUGE, 0, false, "system.memory.state",
				    "used", 0, t, 3},
		     "memory", 3, 0);
	expect_point(&(struct made){"system.memory.usage", GAUGE, 0, false, "system.memory.state",
				    "free", 0, t, 3},
		     "system.memory.usage", 3, 0);
	/* A sum that goes up and down is a moment's value. */
	expect_point(&(struct made){"system.memory.usage", SUM, 2, false, "system.memory.state",
				    "used", s, t, 7, .as_int = true},
		     "memory", 7, 0);
	expect_point(&(struct made){"requests", SUM, 1, true, NULL, NULL, s, t, 9}, "requests", 9,
		     two);
	expect_point(&(struct made){"temperature", GAUGE, 0, false, NULL, NULL, 0, t, -9},
		     "temperature", -9, 0);
}

static void test_rejected(void **state)
{
	const uint64_t t = NOW;

	expect_rejected(&(struct made){"process.cpu.time", SUM, 2, true, NULL, NULL, 1, t, 3},
			"delta");
	expect_rejected(&(struct made){"unspecified", SUM, 0, true, NULL, NULL, 1, t, 3}, "delta");
	expect_rejected(&(struct made){"latency", HISTOGRAM, 1, false, NULL, NULL, 1, t, 3},
			"histogram");
	expect_rejected(&(struct made){"a", SUM, 1, true, NULL, NULL, 0, t, 3}, "time range");
	expect_rejected(&(struct made){"a", SUM, 1, true, NULL, NULL, t, t, 3}, "time range");
	expect_rejected(&(struct made){"a", SUM, 1, true, NULL, NULL, t + 1, t, 3}, "time range");
	expect_rejected(&(struct made){"a", GAUGE, 0, false, NULL, NULL, 0, 0, 3}, "no time");
	expect_rejected(&(struct made){"a", GAUGE, 0, false, NULL, NULL, 0, UINT64_MAX, 3},
			"no time");
	expect_rejected(&(struct made){"a", GAUGE, 0, false, NULL, NULL, 0, t, NAN}, "no number");
	expect_rejected(&(struct made){"a", GAUGE, 0, false, NULL, NULL, 0, t, INFINITY},
			"no number");
	expect_rejected(&(struct made){"a", GAUGE, 0, false, NULL, NULL, 0, t, 0,
				       .no_number = true},
			"no number");
}

static void test_no_recorded_value(void **state)
{
	static const struct made made = {"a",
					 GAUGE,
					 0,
					 false,
					 NULL,
					 NULL,
					 0,
					 NOW,
					 0,
					 .no_number = true,
					 .no_value_flag = true};
	cleanup_buf struct buf b = {};
	struct otlp_metrics m = {};

	put_request(&b, &made);
	assert_int_equal(otlp_read_metrics(b.data, b.len, &m, NULL), 0);
	assert_int_equal(m.rejected, 0);
	assert_int_equal(m.parts.len, 0);
	otlp_metrics_fini(&m);
}

/* The point's own attribute wins over the resource's. */
static void test_point_label_wins(void **state)
{
	static const struct otlp_label own[] = {{"host", "other"}, {"tid", "1"}};
	static const struct otlp_point p = {"memory", own, 2, NOW, 0, 1};
	cleanup_buf struct buf b = {};
	struct otlp_metrics m = {};

	assert_int_equal(otlp_write_metrics(&resource, &p, 1, &b, NULL), 0);
	assert_int_equal(otlp_read_metrics(b.data, b.len, &m, NULL), 0);
	assert_string_equal(label(&m.parts.data[0].points.data[0], "host"), "other");
	assert_string_equal(label(&m.parts.data[0].points.data[0], "tid"), "1");
	assert_int_equal(m.parts.data[0].points.data[0].nlabels, 3);
	otlp_metrics_fini(&m);
}

static void test_truncated_and_damaged(void **state)
{
	static const struct otlp_label own[] = {{"pid", "1"}};
	static const struct otlp_point points[] = {
		{"memory", own, 1, NOW, 0, 1},
		{"process.cpu", own, 1, NOW, NSEC_PER_SEC, 1},
	};
	cleanup_buf struct buf b = {};
	size_t refused = 0;

	assert_int_equal(otlp_write_metrics(&resource, points, 2, &b, NULL), 0);
	for (size_t n = 0; n < b.len; n++) {
		cleanup_free uint8_t *copy = mem_calloc(1, n);
		struct otlp_metrics m = {};

		memcpy(copy, b.data, n);
		refused += otlp_read_metrics(copy, n, &m, NULL) == -EBADMSG;
		otlp_metrics_fini(&m);
	}
	assert_int_equal(refused, b.len - 1);
	for (size_t i = 0; i < b.len; i++) {
		for (int k = 1; k < 256; k += 9) {
			struct otlp_metrics m = {};

			b.data[i] ^= (uint8_t)k;
			otlp_read_metrics(b.data, b.len, &m, NULL);
			otlp_metrics_fini(&m);
			b.data[i] ^= (uint8_t)k;
		}
	}
}

/* A large resource and many tiny points: refused before memory is gone. */
static void test_unfolding_is_bounded(void **state)
{
	cleanup_buf struct buf b = {};
	struct otlp_metrics m = {};
	struct err e = {};
	size_t resource_metrics = wire_begin(&b, 1), scope = wire_begin(&b, 2);
	size_t metric = wire_begin(&b, 2);

	wire_put_string(&b, 1, "x");
	size_t data = wire_begin(&b, GAUGE);

	for (size_t i = 0; i < 700000; i++) {
		size_t point = wire_begin(&b, 1);

		wire_put_fixed64(&b, 3, NOW);
		wire_put_fixed64(&b, 6, 1);
		wire_end(&b, point);
	}
	wire_end(&b, data);
	wire_end(&b, metric);
	wire_end(&b, scope);
	size_t res = wire_begin(&b, 1);

	for (char k = 'a'; k <= 'z'; k++) {
		size_t at = wire_begin(&b, 1);

		wire_put_bytes(&b, 1, &k, 1);
		size_t value = wire_begin(&b, 2);

		wire_put_string(&b, 1, "v");
		wire_end(&b, value);
		wire_end(&b, at);
	}
	wire_end(&b, res);
	wire_end(&b, resource_metrics);
	assert_int_equal(otlp_read_metrics(b.data, b.len, &m, &e), -EFBIG);
	assert_non_null(strstr(e.msg, "unfolds"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_write_refuses_rates_without_time),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_rejected),
		cmocka_unit_test(test_no_recorded_value),
		cmocka_unit_test(test_point_label_wins),
		cmocka_unit_test(test_truncated_and_damaged),
		cmocka_unit_test(test_unfolding_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
