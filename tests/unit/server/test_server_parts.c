/* The server's parts without a socket: times and filters of queries, routes, limits of tries,
 * secrets, the pool of workers. */
#include <ctype.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/pool.h"
#include "server/query.h"
#include "server/rate.h"
#include "server/route.h"
#include "server/secret.h"

static const int64_t now = 1700000000 * NSEC_PER_SEC;

static void test_times(void **state)
{
	static const struct {
		const char *text;
		int64_t ns;
	} good[] = {
		{"now", 1700000000 * NSEC_PER_SEC},
		{"now-90s", 1699999910 * NSEC_PER_SEC},
		{"now-15m", (1700000000 - 900) * NSEC_PER_SEC},
		{"now-7d", (1700000000 - 7 * 86400) * NSEC_PER_SEC},
		{"now-1w", (1700000000 - 7 * 86400) * NSEC_PER_SEC},
		{"0", 0},
		{"1700000000", 1700000000 * NSEC_PER_SEC},
		{"1.5", NSEC_PER_SEC * 3 / 2},
		{"1.0000000019", NSEC_PER_SEC + 1},
	};
	static const char *const bad[] = {"",
					  "-1",
					  "x",
					  "now+1h",
					  "now-",
					  "now-h",
					  "now-1y",
					  "now-1h ",
					  "now-1hh",
					  "1.2.3",
					  "1e9",
					  "nowx",
					  "now-9999999999s",
					  "99999999999",
					  "now-999999999w",
					  "9999999999"};
	int64_t ns;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(query_time(good[i].text, now, &ns), 0);
		assert_int_equal(ns, good[i].ns);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (query_time(bad[i], now, &ns) != -EINVAL)
			fail_msg("\"%s\" was taken", bad[i]);
}

static void check_filter(const char *text, const char *label, enum store_match match,
			 const char *value)
{
	struct store_filter f;
	char copy[100];

	snprintf(copy, sizeof(copy), "%s", text);
	assert_int_equal(query_filter(copy, &f), 0);
	assert_string_equal(f.label, label);
	assert_int_equal(f.match, match);
	assert_string_equal(f.value, value);
}

static void test_filters(void **state)
{
	static const char *const bad[] = {"", "host", "=x", "!=x", "host!", "host!x", "~x"};
	struct store_filter f;

	check_filter("host=web-3", "host", MATCH_EQ, "web-3");
	check_filter("host!=web-3", "host", MATCH_NE, "web-3");
	check_filter("host=~web-.*", "host", MATCH_RE, "web-.*");
	check_filter("host!~web-.*", "host", MATCH_NRE, "web-.*");
	check_filter("host=", "host", MATCH_EQ, "");
	check_filter("a==b", "a", MATCH_EQ, "=b");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		char copy[100];

		snprintf(copy, sizeof(copy), "%s", bad[i]);
		assert_int_equal(query_filter(copy, &f), -EINVAL);
	}
}

static const struct route *find(enum http_method m, const char *path, char *ret_arg,
				unsigned int *ret_allowed)
{
	const char *arg = "";
	size_t len = 0;
	const struct route *r = route_find(m, path, strlen(path), &arg, &len, ret_allowed);

	snprintf(ret_arg, 100, "%.*s", (int)len, arg);
	return r;
}

static void test_routes(void **state)
{
	unsigned int allowed = 0;
	char arg[100];

	assert_ptr_equal(find(HTTP_GET, "/api/v1/keys", arg, &allowed)->handle, key_list);
	assert_ptr_equal(find(HTTP_HEAD, "/api/v1/keys", arg, &allowed)->handle, key_list);
	assert_ptr_equal(find(HTTP_DELETE, "/api/v1/keys/12", arg, &allowed)->handle, key_remove);
	assert_string_equal(arg, "12");
	assert_ptr_equal(find(HTTP_GET, "/api/v1/labels/a%2Fb/values", arg, &allowed)->handle,
			 label_values);
	assert_string_equal(arg, "a%2Fb");
	assert_null(find(HTTP_GET, "/api/v1/labels//values", arg, &allowed));
	assert_int_equal(allowed, 0);
	assert_null(find(HTTP_PUT, "/api/v1/keys", arg, &allowed));
	assert_int_equal(allowed, HTTP_GET | HTTP_POST);
	assert_null(find(HTTP_GET, "/api/v1/nothing", arg, &allowed));
	assert_null(find(HTTP_GET, "/v1/metrics", arg, &allowed));
	assert_int_equal(allowed, HTTP_POST);
	assert_ptr_equal(find(HTTP_GET, "/", arg, &allowed)->handle, page_get);
	assert_ptr_equal(find(HTTP_GET, "/services/a.b", arg, &allowed)->handle, page_get);
	assert_null(find(HTTP_POST, "/services", arg, &allowed));
	assert_ptr_equal(find(HTTP_GET, "/metrics", arg, &allowed)->handle, metrics_get);
}

static void test_rate(void **state)
{
	static const struct rate_limit limit = {.kind = 'x', .burst = 3, .every = 10};
	static struct rate r;

	rate_init(&r);
	for (int i = 0; i < 3; i++)
		assert_int_equal(rate_take(&r, &limit, "ann", now), 0);
	assert_in_range(rate_take(&r, &limit, "ann", now), 10, 11);
	assert_int_equal(rate_take(&r, &limit, "bob", now), 0);
	assert_in_range(rate_take(&r, &limit, "ann", now + 9 * NSEC_PER_SEC), 1, 2);
	assert_int_equal(rate_take(&r, &limit, "ann", now + 10 * NSEC_PER_SEC), 0);
	assert_int_not_equal(rate_take(&r, &limit, "ann", now + 10 * NSEC_PER_SEC), 0);
	rate_give_back(&r, &limit, "ann", now + 10 * NSEC_PER_SEC);
	assert_int_equal(rate_take(&r, &limit, "ann", now + 10 * NSEC_PER_SEC), 0);
	/* However long nobody tried, no more than the burst. */
	for (int i = 0; i < 3; i++)
		assert_int_equal(rate_take(&r, &limit, "ann", 2 * now), 0);
	assert_int_not_equal(rate_take(&r, &limit, "ann", 2 * now), 0);
	rate_fini(&r);
}

/* A flood of names must not free a name that is being tried. */
static void test_rate_flood(void **state)
{
	static const struct rate_limit limit = {.kind = 'x', .burst = 1, .every = 1000000};
	static struct rate r;
	int through = 0;

	rate_init(&r);
	for (int i = 0; i < 100000; i++) {
		char name[20];

		snprintf(name, sizeof(name), "n%d", i);
		rate_take(&r, &limit, name, now + i);
		if (i % 100 == 0)
			through += !rate_take(&r, &limit, "victim", now + i);
	}
	assert_in_range(through, 1, 5);
	rate_fini(&r);
}

static void test_secrets(void **state)
{
	char key[SECRET_KEY_LEN + 1], hash[STORE_HASH_MAX];
	size_t seen[128] = {};
	struct err e = {};

	assert_int_equal(secret_init(&e), 0);
	for (int i = 0; i < 10000; i++) {
		secret_key(key);
		assert_int_equal(strlen(key), SECRET_KEY_LEN);
		assert_memory_equal(key, "glim_", 5);
		for (const char *c = key + 5; *c; c++)
			seen[(unsigned char)*c]++;
	}
	/* 320,000 letters of 62: 5,161 each, standard deviation 71. A remainder of 256 by 62 would
	 * give eight of them a quarter more. */
	for (int c = 0; c < 128; c++) {
		if (isalnum(c))
			assert_in_range(seen[c], 5161 - 500, 5161 + 500);
		else
			assert_int_equal(seen[c], 0);
	}
	assert_int_equal(password_hash("correct horse", hash, &e), 0);
	assert_memory_equal(hash, "$argon2id$", 10);
	assert_true(password_ok(hash, "correct horse"));
	assert_false(password_ok(hash, "correct house"));
	assert_false(password_ok("", "correct horse"));
}

struct counted {
	struct job job;
	atomic_int *ran;
	int *done;
};

static void count_run(struct job *j)
{
	atomic_fetch_add(((struct counted *)j)->ran, 1);
}

static void count_done(struct job *j)
{
	(*((struct counted *)j)->done)++;
}

static void test_pool(void **state)
{
	enum { JOBS = 1000 };
	static struct counted jobs[JOBS];
	int wake = eventfd(0, EFD_NONBLOCK), done = 0;
	atomic_int ran = 0;
	struct pool *p;
	struct err e = {};

	assert_int_equal(pool_new(3, wake, &p, &e), 0);
	for (int i = 0; i < JOBS; i++) {
		jobs[i] = (struct counted){{count_run, count_done, NULL}, &ran, &done};
		pool_submit(p, &jobs[i].job);
	}
	while (done < JOBS / 2) {
		struct pollfd fd = {wake, POLLIN, 0};
		eventfd_t n;

		assert_int_equal(poll(&fd, 1, 60000), 1);
		eventfd_read(wake, &n);
		pool_collect(p);
	}
	pool_free(p); /* runs and collects the rest */
	assert_int_equal(ran, JOBS);
	assert_int_equal(done, JOBS);
	close(wake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_times),	   cmocka_unit_test(test_filters),
		cmocka_unit_test(test_routes),	   cmocka_unit_test(test_rate),
		cmocka_unit_test(test_rate_flood), cmocka_unit_test(test_secrets),
		cmocka_unit_test(test_pool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
