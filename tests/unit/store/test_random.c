/* SQLite against memory: whatever is appended, rolled up and asked, the answers are the same; and
 * readers see whole batches while a writer writes. */
#include "store_test.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

struct pair {
	struct store *memory, *sqlite;
	char *dir;
	uint64_t seed;
	int64_t now;
	double blur; /* seconds that the covered time may differ by */
};

static uint32_t below(struct pair *p, uint32_t n)
{
	p->seed = p->seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)((p->seed >> 33) % n);
}

static struct profile *random_window(struct pair *x, int64_t time, int64_t period)
{
	static const char *const processes[] = {"process=a,pid=1", "process=b,pid=2",
						"process=b,pid=3", "process=c,host=elsewhere", ""};
	struct profile *p = new_window(time, below(x, 4) ? x->seed : 0);
	uint32_t n = below(x, 12);

	p->duration_ns = (1 + below(x, 10)) * SECOND;
	p->period = period;
	for (uint32_t i = 0; i < n; i++) {
		char stack[64];
		int depth = (int)below(x, 4), len = 0;

		stack[0] = 0;
		for (int k = 0; k <= depth; k++)
			len += snprintf(stack + len, sizeof(stack) - (size_t)len, "%sf%u",
					k ? ";" : "", below(x, 3));
		add_sample(p, processes[below(x, ARRAY_SIZE(processes))], stack,
			   1 + below(x, 1000));
	}
	/* A value that does not follow from the count. */
	if (p->samples.len && !below(x, 3))
		p->samples.data[0].value += below(x, 100);
	return p;
}

static void append_random(struct pair *x)
{
	static const char *const hosts[] = {"h1", "h2"}, *const services[] = {"shop", "api"};
	static const char *const metrics[] = {"cpu", "samples"};
	/* Mostly now, sometimes late. */
	int64_t time = x->now - (below(x, 8) ? 0 : below(x, 7200) * SECOND);
	uint32_t host = below(x, 2);
	/* Hosts may sample at different rates. */
	int64_t period = host ? 50000000 : 10000000;
	struct profile *w[] = {random_window(x, time, period),
			       random_window(x, time + 5 * SECOND, period)};
	struct store_label l = {"process", below(x, 2) ? "a" : "b"};
	struct store_point points[3];
	struct store_batch b = {
		.tenant = STORE_FIRST_TENANT,
		.service = services[!below(x, 4)],
		.host = hosts[host],
		.profiles = (const struct profile *const *)w,
		.nprofiles = 1 + below(x, 2),
		.points = points,
		.npoints = below(x, 4),
	};

	for (size_t i = 0; i < ARRAY_SIZE(points); i++)
		points[i] = (struct store_point){
			metrics[below(x, 2)], &l,
			below(x, 2),	      time / (10 * SECOND) * (10 * SECOND),
			10 * SECOND,	      below(x, 1000) / 8.0};
	for (int i = 0; i < 1 + !below(x, 10); i++) {
		MUST(store_append(x->memory, &b, 1, &e));
		MUST(store_append(x->sqlite, &b, 1, &e));
	}
	profile_free(w[0]);
	profile_free(w[1]);
	x->now += below(x, 40) * SECOND;
}

static void compare_profiles(struct pair *x, const struct store_query *q)
{
	cleanup_profile struct profile *a = NULL, *b = NULL;
	double covered_a, covered_b;

	MUST(store_profile(x->memory, q, NULL, 0, &a, &covered_a, &e));
	MUST(store_profile(x->sqlite, q, NULL, 0, &b, &covered_b, &e));
	cleanup_free char *lines_a = profile_lines(a), *lines_b = profile_lines(b);

	assert_string_equal(lines_a, lines_b);
	assert_true(fabs(covered_a - covered_b) <= x->blur);
	if (x->blur < 1)
		assert_true(a->time_ns == b->time_ns && a->duration_ns == b->duration_ns);
	assert_int_equal(a->period, b->period);
}

static void compare_values(struct pair *x, const struct store_query *q)
{
	struct store *both[] = {x->memory, x->sqlite};
	struct store_value *values[2];
	struct arena a = {};
	bool truncated;
	size_t n[2];

	for (int i = 0; i < 2; i++)
		MUST(store_label_values(both[i], q, "process", 100, &a, &values[i], &n[i],
					&truncated, &e));
	assert_int_equal(n[0], n[1]);
	for (size_t i = 0; i < n[0]; i++) {
		assert_string_equal(values[0][i].value, values[1][i].value);
		assert_true(values[0][i].weight == values[1][i].weight);
	}
	arena_fini(&a);
}

static bool same(double a, double b)
{
	return (isnan(a) && isnan(b)) || fabs(a - b) <= 1e-9 * MAX(fabs(a), 1.0);
}

static void compare_metrics(struct pair *x, const struct store_query *q, const char *metric)
{
	struct store *both[] = {x->memory, x->sqlite};
	const char *by = below(x, 2) ? "process" : NULL;
	int64_t step = (1 + below(x, 100)) * 10 * SECOND;
	struct store_series_set sets[2];
	struct arena a = {};

	for (int i = 0; i < 2; i++)
		MUST(store_metric(both[i], q, metric, by, step, &a, &sets[i], &e));
	assert_int_equal(sets[0].nseries, sets[1].nseries);
	for (size_t i = 0; i < sets[0].nseries; i++) {
		assert_string_equal(sets[0].series[i].value, sets[1].series[i].value);
		for (size_t k = 0; k < sets[0].nsteps; k++)
			assert_true(same(sets[0].series[i].values[k], sets[1].series[i].values[k]));
	}
	arena_fini(&a);
}

static void ask_random(struct pair *x, int64_t start, int64_t grain)
{
	struct store_filter filter = {"process", (enum store_match)below(x, 4), "a|b"};
	uint32_t length = (uint32_t)((x->now - start) / grain) + 1;
	struct store_query q = {
		.tenant = STORE_FIRST_TENANT,
		.service = below(x, 4) ? "shop" : "api",
		.type = "cpu",
		.from = start + below(x, length) * grain,
		.filters = &filter,
		.nfilters = below(x, 2),
	};

	q.until = q.from + below(x, 3 * length / 2) * grain;
	compare_profiles(x, &q);
	compare_values(x, &q);
	compare_metrics(x, &q, below(x, 2) ? "cpu" : "samples");
}

/* Grain: ranges of time begin and end at its multiples. */
static void run(uint64_t seed, int64_t keep_raw, int64_t grain)
{
	/* Over midnight. */
	int64_t start = MIDNIGHT + DAY - 2 * HOUR;
	struct pair x = {
		.dir = make_folder(),
		.seed = seed,
		.now = start + 2 * HOUR,
		/* A window that began before the range may reach into it: once single windows are
		 * gone nobody knows. */
		.blur = grain == SECOND ? 1e-6 : 10,
	};

	assert_int_equal(store_open_memory(&x.memory), 0);
	MUST(store_open_sqlite(x.dir, &x.sqlite, &e));
	store_keep_raw(x.sqlite, keep_raw);
	append_random(&x);
	for (int i = 0; i < 40; i++)
		append_random(&x);
	for (int i = 0; i < 600; i++) {
		append_random(&x);
		if (!below(&x, 10))
			MUST(store_maintain(x.sqlite, x.now, &e));
		if (!below(&x, 5))
			ask_random(&x, start, grain);
		if (!below(&x, 200)) {
			store_close(x.sqlite);
			MUST(store_open_sqlite(x.dir, &x.sqlite, &e));
			store_keep_raw(x.sqlite, keep_raw);
		}
	}
	for (int64_t later = 0; later < 2 * DAY; later += 5 * HOUR) {
		MUST(store_maintain(x.sqlite, x.now + later, &e));
		for (int i = 0; i < 20; i++)
			ask_random(&x, start, grain);
	}
	store_close(x.memory);
	store_close(x.sqlite);
	remove_folder(x.dir);
}

static void same_as_memory(void **state)
{
	for (uint64_t seed = 1; seed <= 2; seed++)
		run(seed, 30 * DAY, SECOND);
}

/* When single windows are gone, ranges of whole 5 minutes still give the same. */
static void same_without_windows(void **state)
{
	for (uint64_t seed = 11; seed <= 11; seed++)
		run(seed, 0, 5 * MINUTE);
}

/* --- readers and a writer --------------------------------------------------------------------- */

enum { READERS = 3, BATCHES = 150, PER_BATCH = 7 };

struct reading {
	struct store *store;
	atomic_bool done;
	atomic_int reads;
	atomic_int torn; /* cmocka cannot fail outside of its own thread */
};

static void *read_on(void *arg)
{
	struct reading *r = arg;
	struct store_query q = {
		.tenant = STORE_FIRST_TENANT,
		.service = "shop",
		.type = "cpu",
		.from = MIDNIGHT,
		.until = MIDNIGHT + 2 * DAY,
	};
	int64_t last = 0;

	while (!atomic_load(&r->done)) {
		struct profile *p = NULL;
		double covered;
		struct err e = {};
		int got = store_profile(r->store, &q, NULL, 0, &p, &covered, &e);
		int64_t n = p ? profile_total_count(p) : 0;

		if (got < 0 && got != -ENOENT) {
			print_message("reader: %s\n", e.msg);
			atomic_fetch_add(&r->torn, 1);
		}
		/* Whole batches only, and never fewer than before. */
		if (n % PER_BATCH || n < last)
			atomic_fetch_add(&r->torn, 1);
		last = MAX(last, n);
		profile_free(p);
		atomic_fetch_add(&r->reads, 1);
	}
	return NULL;
}

static int append_two(struct store *s, int n, struct err *e)
{
	int64_t time = MIDNIGHT + n * MINUTE;
	struct profile *w[] = {
		new_window(time, 2 * (uint64_t)n + 1),
		new_window(n % 3 ? time : time + DAY, 2 * (uint64_t)n + 2),
	};
	struct store_batch b = {
		.tenant = STORE_FIRST_TENANT,
		.service = "shop",
		.host = "h",
		.profiles = (const struct profile *const *)w,
		.nprofiles = 2,
	};

	add_sample(w[0], "process=a", "main;f", PER_BATCH - 3);
	add_sample(w[1], "process=a", "main;g", 3);
	int r = store_append(s, &b, 1, e);

	profile_free(w[0]);
	profile_free(w[1]);
	return r;
}

static void readers_see_whole_batches(void **state)
{
	struct fixture *f = *state;
	struct reading r = {.store = f->store};
	struct store_query q = all_of(f);
	pthread_t threads[READERS];

	q.until = MIDNIGHT + 2 * DAY;
	MUST(append_two(f->store, 0, &e));
	for (int i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_on, &r), 0);
	for (int i = 1; i < BATCHES; i++) {
		/* Somebody reads between two batches, and others while one is written. */
		while (atomic_load(&r.reads) < i)
			sched_yield();
		MUST(append_two(f->store, i, &e));
		if (i % 10 == 0)
			MUST(store_maintain(f->store, MIDNIGHT + i * MINUTE, &e));
	}
	atomic_store(&r.done, true);
	for (int i = 0; i < READERS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(atomic_load(&r.torn), 0);
	struct profile *p = NULL;
	double covered;

	MUST(store_profile(f->store, &q, NULL, 0, &p, &covered, &e));
	assert_int_equal(profile_total_count(p), BATCHES * PER_BATCH);
	profile_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(same_as_memory),
					   cmocka_unit_test(same_without_windows),
					   ON_SQLITE(readers_see_whole_batches)
						   ON_MEMORY(readers_see_whole_batches)};

	return cmocka_run_group_tests_name("store: random", tests, NULL, NULL);
}
