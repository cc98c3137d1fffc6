/* The conformance suite for metrics: the same cases on every store. */
#include "store_test.h"

#include <math.h>

static void put_points(struct fixture *f, const struct store_point *points, size_t n)
{
	struct store_batch b = {.tenant = f->tenant,
				.service = "shop",
				.host = "h",
				.points = points,
				.npoints = n};

	MUST(store_append(f->store, &b, 1, &e));
}

static void put_point(struct fixture *f, const char *metric, const char *process, int64_t at,
		      double value)
{
	struct store_label l = {"process", process};
	struct store_point p = {metric, &l, 1, MIDNIGHT + at * SECOND, 10 * SECOND, value};

	put_points(f, &p, 1);
}

/* One series as text: "name: 1.5 - 2", "-" where there is no point. */
static void describe(const struct store_series *s, size_t nsteps, struct buf *out)
{
	buf_printf(out, "%s:", s->value);
	for (size_t i = 0; i < nsteps; i++)
		if (isnan(s->values[i]))
			buf_puts(out, " -");
		else
			buf_printf(out, " %g", s->values[i]);
	buf_putc(out, '\n');
}

static void assert_metric(struct fixture *f, const struct store_query *q, const char *metric,
			  const char *by, int64_t step, const char *want)
{
	cleanup_buf struct buf got = {};
	struct arena a = {};
	struct store_series_set set;

	MUST(store_metric(f->store, q, metric, by, step, &a, &set, &e));
	assert_true(set.step == step && set.first <= q->from);
	for (size_t i = 0; i < set.nseries; i++)
		describe(&set.series[i], set.nsteps, &got);
	assert_string_equal(buf_cstr(&got), want);
	arena_fini(&a);
}

static void metric_means(void **state)
{
	struct fixture *f = *state;
	struct store_query q = all_of(f);
	struct store_filter only_b = {"process", MATCH_EQ, "b"};

	q.until = q.from + 60 * SECOND;
	for (int i = 0; i < 4; i++)
		put_point(f, "process.cpu", "a", i * 10, 1 + i);
	put_point(f, "process.cpu", "b", 10, 8);
	put_point(f, "process.memory", "b", 10, 1e9);
	for (int rolled = 0; rolled < 2; rolled++) {
		assert_metric(f, &q, "process.cpu", NULL, 10 * SECOND, ": 1 10 3 4 - -\n");
		assert_metric(f, &q, "process.cpu", "process", 10 * SECOND,
			      "a: 1 2 3 4 - -\nb: - 8 - - - -\n");
		/* b ran for 10 of the 20 seconds of the first step. */
		assert_metric(f, &q, "process.cpu", "process", 20 * SECOND,
			      "a: 1.5 3.5 -\nb: 4 - -\n");
		/* The last step is covered for 10 of its 30 seconds. */
		assert_metric(f, &q, "process.cpu", NULL, 30 * SECOND, ": 4.66667 4\n");
		q.filters = &only_b;
		q.nfilters = 1;
		assert_metric(f, &q, "process.cpu", NULL, 20 * SECOND, ": 4 - -\n");
		q.nfilters = 0;
		assert_metric(f, &q, "process.memory", "host", 60 * SECOND, "h: 1e+09\n");
		assert_metric(f, &q, "nosuch", NULL, 30 * SECOND, ": - -\n");
		assert_metric(f, &q, "nosuch", "host", 30 * SECOND, "");
		MUST(store_maintain(f->store, MIDNIGHT + DAY, &e));
	}
}

static void metric_sums(void **state)
{
	struct fixture *f = *state;
	struct store_query q = all_of(f);

	q.until = q.from + 40 * SECOND;
	put_point(f, "samples", "a", 0, 100);
	put_point(f, "samples", "a", 10, 10);
	put_point(f, "samples", "b", 10, 5);
	put_point(f, "lost", "b", 30, 2);
	put_point(f, "remarks", "b", 0, 7);
	put_point(f, "remarks", "b", 10, 1);
	assert_metric(f, &q, "samples", NULL, 20 * SECOND, ": 115 -\n");
	assert_metric(f, &q, "samples", "process", 10 * SECOND, "a: 100 10 - -\nb: - 5 - -\n");
	assert_metric(f, &q, "remarks", NULL, 20 * SECOND, ": 8 -\n");
	assert_metric(f, &q, "lost", NULL, 20 * SECOND, ": - 2\n");
	/* From the middle: points before it are left out. */
	q.from += 5 * SECOND;
	assert_metric(f, &q, "samples", NULL, 20 * SECOND, ": 15 -\n");
}

static void metric_steps_cut_points(void **state)
{
	struct fixture *f = *state;
	struct store_query q = all_of(f);

	q.until = q.from + 30 * SECOND;
	put_point(f, "cpu", "", 3, 1);
	put_point(f, "cpu", "", 13, 2);
	/* 3 of the 10 seconds of each point reach into the next step. */
	assert_metric(f, &q, "cpu", NULL, 10 * SECOND, ": 1 1.7 2\n");
}

static void metric_rest(void **state)
{
	struct fixture *f = *state;
	struct store_query q = all_of(f);
	struct arena a = {};
	struct store_series_set set;

	q.until = q.from + 10 * SECOND;
	for (int i = 1; i <= 25; i++) {
		char name[16];

		snprintf(name, sizeof(name), "p%d", i);
		put_point(f, "process.cpu", name, 0, i);
	}
	MUST(store_metric(f->store, &q, "process.cpu", "process", 10 * SECOND, &a, &set, &e));
	assert_int_equal(set.nseries, 21);
	assert_string_equal(set.series[0].value, "p25");
	assert_string_equal(set.series[19].value, "p6");
	assert_string_equal(set.series[20].value, "(rest)");
	assert_true(set.series[20].values[0] == 15);
	arena_fini(&a);
}

static void repeated_point(void **state)
{
	struct fixture *f = *state;
	struct store_query q = all_of(f);
	struct store_label l = {"process", "a"};
	struct store_point twice[] = {
		{"cpu", &l, 1, MIDNIGHT, 10 * SECOND, 1},
		{"cpu", &l, 1, MIDNIGHT, 10 * SECOND, 2},
	};

	q.until = q.from + 10 * SECOND;
	put_points(f, twice, 2);
	assert_metric(f, &q, "cpu", NULL, 10 * SECOND, ": 2\n");
	put_point(f, "cpu", "a", 0, 3);
	assert_metric(f, &q, "cpu", NULL, 10 * SECOND, ": 3\n");
	MUST(store_maintain(f->store, MIDNIGHT + HOUR, &e));
	put_point(f, "cpu", "a", 0, 4);
	assert_metric(f, &q, "cpu", NULL, 10 * SECOND, ": 4\n");
	MUST(store_maintain(f->store, MIDNIGHT + HOUR, &e));
	assert_metric(f, &q, "cpu", NULL, 10 * SECOND, ": 4\n");
}

static void exact_values(void **state)
{
	struct fixture *f = *state;
	struct store_query q = all_of(f);
	const double values[] = {0, 0.1, 1.0 / 3, 123456789012.0, -2.5, 1e300, 5e-324, 1e-9, 0.001};
	struct arena a = {};
	struct store_series_set set;

	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		put_point(f, "samples", "a", (int64_t)i * 10, values[i]);
	q.until = q.from + ARRAY_SIZE(values) * 10 * SECOND;
	for (int rolled = 0; rolled < 2; rolled++) {
		MUST(store_metric(f->store, &q, "samples", NULL, 10 * SECOND, &a, &set, &e));
		for (size_t i = 0; i < ARRAY_SIZE(values); i++)
			assert_true(set.series[0].values[i] == values[i]);
		MUST(store_maintain(f->store, MIDNIGHT + DAY, &e));
	}
	arena_fini(&a);
}

static void refused_points(void **state)
{
	struct fixture *f = *state;
	struct store_point p = {"cpu", NULL, 0, MIDNIGHT, 10 * SECOND, NAN};
	struct store_batch b = {.tenant = f->tenant, .service = "shop", .points = &p, .npoints = 1};
	struct arena a = {};
	struct store_service *list;
	size_t n;

	assert_int_equal(store_append(f->store, &b, 1, NULL), -EINVAL);
	p.value = 1;
	p.metric = "";
	assert_int_equal(store_append(f->store, &b, 1, NULL), -EINVAL);
	p.metric = "cpu";
	p.time = -1;
	assert_int_equal(store_append(f->store, &b, 1, NULL), -EINVAL);
	b.service = "";
	p.time = MIDNIGHT;
	assert_int_equal(store_append(f->store, &b, 1, NULL), -EINVAL);
	assert_int_equal(store_service_list(f->store, f->tenant, &a, &list, &n), 0);
	assert_int_equal(n, 0);
	arena_fini(&a);
}

#define CASES(X)                                                                                   \
	X(metric_means)                                                                            \
	X(metric_sums)                                                                             \
	X(metric_steps_cut_points)                                                                 \
	X(metric_rest)                                                                             \
	X(repeated_point)                                                                          \
	X(exact_values)                                                                            \
	X(refused_points)

int main(void)
{
	const struct CMUnitTest tests[] = {CASES(ON_SQLITE) CASES(ON_MEMORY)};

	return cmocka_run_group_tests_name("store metrics", tests, NULL, NULL);
}
