/* The conformance suite: the same cases on every store. */
#include "store_test.h"

#include <math.h>

/* --- catalogue -------------------------------------------------------------------------------- */

static void accounts(void **state)
{
	struct fixture *f = *state;
	struct store_account a = {.email = "Ann@Example.org", .password = "x", .owner = true}, b;
	struct err why = {};
	int64_t n;

	assert_int_equal(store_account_add(f->store, &a, true, &why), -EPERM);
	assert_int_equal(a.id, 0);
	MUST(store_account_add(f->store, &a, false, &e));
	assert_true(a.id > 0 && a.tenant > 0 && a.tenant != f->tenant && a.created > 0);
	assert_string_equal(a.email, "ann@example.org");
	assert_int_equal(store_account_add(f->store, &a, false, &why), -EEXIST);
	assert_int_equal(store_account_count(f->store, &n), 0);
	assert_int_equal(n, 2);
	assert_int_equal(store_account_by_email(f->store, "ANN@example.ORG", &b), 0);
	assert_int_equal(b.id, a.id);
	assert_int_equal(b.tenant, a.tenant);
	assert_true(b.owner);
	assert_string_equal(b.password, "x");
	assert_int_equal(store_account_by_id(f->store, a.id, &b), 0);
	assert_string_equal(b.email, "ann@example.org");
	assert_int_equal(store_account_by_email(f->store, "bob@example.org", &b), -ENOENT);
	assert_int_equal(store_account_by_id(f->store, 9999, &b), -ENOENT);
	struct store_account second = {.email = "bob@example.org", .tenant = a.tenant};

	MUST(store_account_add(f->store, &second, false, &e));
	assert_int_equal(second.tenant, a.tenant);
	struct store_account lost = {.email = "eve@example.org", .tenant = 9999};

	assert_true(store_account_add(f->store, &lost, false, &why) < 0);
}

static void sessions(void **state)
{
	struct fixture *f = *state;
	uint8_t one[32] = {1}, two[32] = {2};
	struct store_account a;
	int64_t id;

	assert_int_equal(store_account_by_email(f->store, "first@example.org", &a), 0);
	MUST(store_session_add(f->store, one, a.id, 1000, &e));
	assert_int_equal(store_session_get(f->store, one, 999, &id), 0);
	assert_int_equal(id, a.id);
	assert_int_equal(store_session_get(f->store, one, 1000, &id), -ENOENT);
	assert_int_equal(store_session_get(f->store, two, 0, &id), -ENOENT);
	assert_true(store_session_add(f->store, two, 9999, 1000, NULL) < 0);
	assert_int_equal(store_session_remove(f->store, one), 0);
	assert_int_equal(store_session_get(f->store, one, 0, &id), -ENOENT);
	assert_int_equal(store_session_remove(f->store, one), 0);
	MUST(store_session_add(f->store, two, a.id, 1000, &e));
	MUST(store_maintain(f->store, 1000, &e));
	assert_int_equal(store_session_get(f->store, two, 0, &id), -ENOENT);
}

static void keys(void **state)
{
	struct fixture *f = *state;
	struct arena a = {};
	struct store_account account;
	struct store_key k = {.tenant = f->tenant,
			      .name = "web",
			      .prefix = "glim_Ab3d",
			      .hash = {7},
			      .scope = KEY_INGEST},
			 got, *list;
	int64_t other = new_tenant(f->store, "other@example.org");
	size_t n;

	assert_int_equal(store_account_by_email(f->store, "first@example.org", &account), 0);
	k.account = account.id;
	MUST(store_key_add(f->store, &k, &e));
	assert_true(k.id > 0 && k.created > 0);
	struct store_key bad = k;

	assert_int_equal(store_key_add(f->store, &bad, NULL), -EEXIST);
	bad.hash[0] = 8;
	bad.scope = 9;
	assert_int_equal(store_key_add(f->store, &bad, NULL), -EINVAL);
	assert_int_equal(store_key_by_hash(f->store, k.hash, &got), 0);
	assert_int_equal(got.id, k.id);
	assert_int_equal(got.scope, KEY_INGEST);
	assert_int_equal(got.tenant, f->tenant);
	assert_int_equal(got.last_used, 0);
	assert_memory_equal(got.hash, k.hash, 32);
	assert_int_equal(store_key_by_hash(f->store, bad.hash, &got), -ENOENT);

	assert_int_equal(store_key_touch(f->store, k.id, MIDNIGHT), 0);
	assert_int_equal(store_key_touch(f->store, k.id, MIDNIGHT + SECOND), 0);
	assert_int_equal(store_key_list(f->store, f->tenant, &a, &list, &n), 0);
	assert_int_equal(n, 1);
	assert_string_equal(list[0].name, "web");
	assert_string_equal(list[0].prefix, "glim_Ab3d");
	assert_true(list[0].last_used == MIDNIGHT);
	assert_int_equal(store_key_list(f->store, other, &a, &list, &n), 0);
	assert_int_equal(n, 0);

	assert_int_equal(store_key_remove(f->store, other, k.id), -ENOENT);
	assert_int_equal(store_key_remove(f->store, f->tenant, k.id), 0);
	assert_int_equal(store_key_remove(f->store, f->tenant, k.id), -ENOENT);
	assert_int_equal(store_key_by_hash(f->store, k.hash, &got), -ENOENT);
	arena_fini(&a);
}

static void services(void **state)
{
	struct fixture *f = *state;
	struct arena a = {};
	struct store_service svc, *list;
	size_t n;

	MUST(store_service_add(f->store, f->tenant, "shop", &svc, &e));
	assert_true(svc.id > 0 && svc.created > 0 && svc.first_seen == 0);
	int64_t id = svc.id;

	assert_int_equal(store_service_add(f->store, f->tenant, "shop", &svc, NULL), -EEXIST);
	assert_int_equal(svc.id, id);
	assert_int_equal(store_service_add(f->store, f->tenant, "", &svc, NULL), -EINVAL);
	assert_int_equal(store_service_add(f->store, 9999, "shop", &svc, NULL), -ENOENT);

	MUST(append_one(f->store, f->tenant, "shop", "web-1", new_window(MIDNIGHT + MINUTE, 0),
			&e));
	MUST(append_one(f->store, f->tenant, "shop", "web-2", new_window(MIDNIGHT + HOUR, 0), &e));
	MUST(append_one(f->store, f->tenant, "api", "web-2", new_window(MIDNIGHT + HOUR, 0), &e));
	assert_int_equal(store_service_list(f->store, f->tenant, &a, &list, &n), 0);
	assert_int_equal(n, 2);
	assert_string_equal(list[0].name, "api");
	assert_string_equal(list[0].first_host, "web-2");
	assert_string_equal(list[1].name, "shop");
	assert_string_equal(list[1].first_host, "web-1");
	assert_true(list[1].first_seen == MIDNIGHT + MINUTE);
	assert_true(list[1].last_seen == MIDNIGHT + HOUR + 10 * SECOND);
	assert_int_equal(store_service_list(f->store, f->tenant + 1000, &a, &list, &n), 0);
	assert_int_equal(n, 0);
	arena_fini(&a);
}

static void settings(void **state)
{
	struct fixture *f = *state;
	struct arena a = {};
	const char *v;

	assert_int_equal(store_setting_get(f->store, "link", &a, &v), -ENOENT);
	assert_int_equal(store_setting_set(f->store, "link", "one"), 0);
	assert_int_equal(store_setting_set(f->store, "link", "two"), 0);
	assert_int_equal(store_setting_get(f->store, "link", &a, &v), 0);
	assert_string_equal(v, "two");
	assert_int_equal(store_setting_set(f->store, "link", NULL), 0);
	assert_int_equal(store_setting_get(f->store, "link", &a, &v), -ENOENT);
	arena_fini(&a);
}

/* --- profiles --------------------------------------------------------------------------------- */

static void one_window(void **state)
{
	struct fixture *f = *state;
	struct store_query q = all_of(f);
	struct profile *w = new_window(MIDNIGHT, 1);
	cleanup_profile struct profile *p = NULL;
	double covered;

	struct profile_function native = {
		.name = profile_string(w, "malloc"),
		.module = profile_string(w, "libc.so.6"),
		.kind = FRAME_NATIVE,
	};
	struct profile_frame fr = {.function = profile_function(w, &native),
				   .address = 0xfedcba9876543210};
	add_sample(w, "process=app,pid=42", "main;handle", 3);
	profile_add(w, profile_stack(w, 1, profile_frame(w, &fr)), 0, 2, 77);
	MUST(append_one(f->store, f->tenant, "shop", "web-1", w, &e));

	assert_lines(f, &q,
		     "{host=web-1,pid=42,process=app} main;handle 3 150000000\n"
		     "{host=web-1} main;malloc 2 77\n");
	MUST(store_profile(f->store, &q, NULL, 0, &p, &covered, &e));
	assert_string_equal(p->type, "cpu");
	assert_string_equal(p->unit, "nanoseconds");
	assert_int_equal(p->period, 50000000);
	assert_true(p->time_ns == MIDNIGHT && p->duration_ns == 10 * SECOND);
	assert_true(fabs(covered - 10) < 1e-9);
	for (size_t i = 0; i < p->frames.len; i++) {
		const struct profile_frame *x = &p->frames.data[i];
		const struct profile_function *fn = &p->functions.data[x->function];

		if (fn->kind == FRAME_NATIVE) {
			assert_true(x->address == 0xfedcba9876543210 && x->line == 0);
			assert_string_equal(profile_text(p, fn->module), "libc.so.6");
			assert_string_equal(profile_text(p, fn->file), "");
			continue;
		}
		assert_int_equal(fn->kind, FRAME_PYTHON);
		assert_int_equal(fn->start_line, 7);
		assert_int_equal(x->line, 12);
		assert_string_equal(profile_text(p, fn->file), "app.py");
	}
}

static void nothing_there(void **state)
{
	struct fixture *f = *state;
	struct store_query q = all_of(f);
	cleanup_profile struct profile *p = NULL;
	double covered = -1;
	struct err why = {};

	assert_int_equal(store_profile(f->store, &q, NULL, 0, &p, &covered, &why), -ENOENT);
	assert_true(strstr(why.msg, "shop"));
	assert_null(p);
	MUST(append_one(f->store, f->tenant, "shop", "h", new_window(MIDNIGHT, 0), &e));
	q.type = "alloc";
	MUST(store_profile(f->store, &q, NULL, 0, &p, &covered, &e));
	assert_int_equal(p->samples.len, 0);
	assert_string_equal(p->unit, "bytes");
	assert_true(covered == 0);
	q.from = q.until + 1;
	assert_int_equal(store_profile(f->store, &q, NULL, 0, &p, &covered, &why), -EINVAL);
}

static void repeated_window(void **state)
{
	struct fixture *f = *state;
	struct store_query q = all_of(f);
	struct profile *same[2];

	for (int i = 0; i < 3; i++) {
		struct profile *w = new_window(MIDNIGHT, 5);

		add_sample(w, "", "main", 1);
		MUST(append_one(f->store, f->tenant, "shop", "h", w, &e));
	}
	assert_lines(f, &q, "{host=h} main 1 50000000\n");

	/* Twice in one call. */
	for (int i = 0; i < 2; i++) {
		same[i] = new_window(MIDNIGHT + MINUTE, 6);
		add_sample(same[i], "", "main", 10);
	}
	struct store_batch b = {.tenant = f->tenant,
				.service = "shop",
				.host = "h",
				.profiles = (const struct profile *const *)same,
				.nprofiles = 2};

	MUST(store_append(f->store, &b, 1, &e));
	assert_lines(f, &q, "{host=h} main 11 550000000\n");
	/* The same windows belong to another service too. */
	b.service = "api";
	MUST(store_append(f->store, &b, 1, &e));
	q.service = "api";
	assert_lines(f, &q, "{host=h} main 10 500000000\n");
	profile_free(same[0]);
	profile_free(same[1]);

	/* Without an id every window counts. */
	q.service = "raw";
	for (int i = 0; i < 2; i++) {
		struct profile *w = new_window(MIDNIGHT, 0);

		add_sample(w, "", "main", 1);
		MUST(append_one(f->store, f->tenant, "raw", "h", w, &e));
	}
	assert_lines(f, &q, "{host=h} main 2 100000000\n");
}

static void tenants_apart(void **state)
{
	struct fixture *f = *state;
	struct store_query q = all_of(f);
	int64_t other = new_tenant(f->store, "other@example.org");
	struct profile *w = new_window(MIDNIGHT, 1);
	struct arena a = {};
	struct store_service *list;
	struct store_value *values;
	bool truncated;
	size_t n;

	add_sample(w, "process=secret", "theirs", 1);
	MUST(append_one(f->store, other, "shop", "their-host", w, &e));
	w = new_window(MIDNIGHT, 1);
	add_sample(w, "process=open", "ours", 2);
	MUST(append_one(f->store, f->tenant, "shop", "our-host", w, &e));

	assert_lines(f, &q, "{host=our-host,process=open} ours 2 100000000\n");
	MUST(store_label_values(f->store, &q, "process", 10, &a, &values, &n, &truncated, &e));
	assert_int_equal(n, 1);
	assert_string_equal(values[0].value, "open");
	assert_int_equal(store_service_list(f->store, f->tenant, &a, &list, &n), 0);
	assert_int_equal(n, 1);
	q.tenant = other;
	assert_lines(f, &q, "{host=their-host,process=secret} theirs 1 50000000\n");
	w = new_window(MIDNIGHT, 1);
	assert_int_equal(append_one(f->store, 9999, "shop", "h", w, NULL), -ENOENT);
	arena_fini(&a);
}

static void filters(void **state)
{
	struct fixture *f = *state;
	struct store_query q = all_of(f);
	struct profile *w = new_window(MIDNIGHT, 1);
	struct err why = {};

	add_sample(w, "process=python3", "a", 1);
	add_sample(w, "process=python2", "b", 2);
	add_sample(w, "process=nginx,thread=io", "c", 3);
	add_sample(w, "thread=io", "d", 4);
	MUST(append_one(f->store, f->tenant, "shop", "h", w, &e));

	const struct {
		struct store_filter filter;
		const char *stacks;
	} cases[] = {
		{{"process", MATCH_EQ, "python3"}, "a"},
		{{"process", MATCH_NE, "python3"}, "bcd"},
		{{"process", MATCH_RE, "python."}, "ab"},
		{{"process", MATCH_RE, "ython"}, ""},
		{{"process", MATCH_RE, "nginx|python2"}, "bc"},
		{{"process", MATCH_NRE, "python[0-9]+"}, "cd"},
		{{"process", MATCH_EQ, ""}, "d"},
		{{"thread", MATCH_NE, ""}, "cd"},
		{{"host", MATCH_EQ, "h"}, "abcd"},
		{{"host", MATCH_EQ, "H"}, ""},
	};
	q.nfilters = 1;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_profile struct profile *p = NULL;
		char got[8] = "";
		double covered;

		q.filters = &cases[i].filter;
		must(store_profile(f->store, &q, NULL, 0, &p, &covered, &why), &why);
		cleanup_free char *lines = profile_lines(p);

		for (char c = 'a'; c <= 'd'; c++) {
			char name[] = {' ', c, ' ', 0};

			if (strstr(lines, name))
				got[strlen(got)] = c;
		}
		assert_string_equal(got, cases[i].stacks);
	}
	struct store_filter two[] = {{"process", MATCH_RE, "p.*"},
				     {"process", MATCH_NE, "python3"}};

	q.filters = two;
	q.nfilters = 2;
	assert_lines(f, &q, "{host=h,process=python2} b 2 100000000\n");
}

static void bad_expressions(void **state)
{
	struct fixture *f = *state;
	struct store_query q = all_of(f);
	const char *const bad[] = {"(", "[a", "a{300}", "(a{100}){100}", "(a)\\1"};
	struct profile *p = NULL;
	double covered;

	MUST(append_one(f->store, f->tenant, "shop", "h", new_window(MIDNIGHT, 0), &e));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct store_filter filter = {"process", MATCH_RE, bad[i]};
		struct err why = {};

		q.filters = &filter;
		q.nfilters = 1;
		assert_int_equal(store_profile(f->store, &q, NULL, 0, &p, &covered, &why), -EINVAL);
		assert_true(strlen(why.msg) > 10);
	}
}

static void kept_labels(void **state)
{
	struct fixture *f = *state;
	struct store_query q = all_of(f);
	struct profile *w = new_window(MIDNIGHT, 1);
	const char *by[] = {"process", "host"};

	add_sample(w, "process=a,pid=1", "x", 1);
	add_sample(w, "process=a,pid=2", "x", 2);
	add_sample(w, "process=b,pid=3", "x", 4);
	MUST(append_one(f->store, f->tenant, "shop", "h", w, &e));
	cleanup_free char *one = query_lines(f->store, &q, by, 1);
	cleanup_free char *two = query_lines(f->store, &q, by, 2);
	cleanup_free char *none = query_lines(f->store, &q, by, 0);

	assert_string_equal(one, "{process=a} x 3 150000000\n{process=b} x 4 200000000\n");
	assert_string_equal(two,
			    "{host=h,process=a} x 3 150000000\n{host=h,process=b} x 4 200000000\n");
	assert_string_equal(none, "{} x 7 350000000\n");
}

static void labels(void **state)
{
	struct fixture *f = *state;
	struct store_query q = all_of(f);
	struct profile *w = new_window(MIDNIGHT, 1);
	struct arena a = {};
	const char *const *names;
	struct store_value *values;
	bool truncated;
	size_t n;

	add_sample(w, "process=a,pid=1", "x", 1);
	add_sample(w, "process=b,pid=2", "x", 5);
	add_sample(w, "process=c,host=other", "x", 2);
	MUST(append_one(f->store, f->tenant, "shop", "h", w, &e));
	w = new_window(MIDNIGHT + 2 * HOUR, 2);
	add_sample(w, "process=a,pid=3", "y", 3);
	MUST(append_one(f->store, f->tenant, "shop", "h", w, &e));

	MUST(store_labels(f->store, &q, &a, &names, &n, &e));
	assert_int_equal(n, 3);
	assert_string_equal(names[0], "host");
	assert_string_equal(names[1], "pid");
	assert_string_equal(names[2], "process");
	MUST(store_label_values(f->store, &q, "process", 2, &a, &values, &n, &truncated, &e));
	assert_int_equal(n, 2);
	assert_true(truncated);
	assert_string_equal(values[0].value, "b");
	assert_true(values[0].weight == 5 * 50e6);
	assert_string_equal(values[1].value, "a");
	assert_true(values[1].weight == 4 * 50e6);
	struct store_filter filter = {"host", MATCH_EQ, "other"};

	q.filters = &filter;
	q.nfilters = 1;
	MUST(store_label_values(f->store, &q, "process", 9, &a, &values, &n, &truncated, &e));
	assert_int_equal(n, 1);
	assert_false(truncated);
	assert_string_equal(values[0].value, "c");
	MUST(store_label_values(f->store, &q, "nosuch", 9, &a, &values, &n, &truncated, &e));
	assert_int_equal(n, 0);
	arena_fini(&a);
}

static void ranges_touch(void **state)
{
	struct fixture *f = *state;
	struct store_query q = all_of(f);

	for (int i = 0; i < 90; i++) {
		struct profile *w = new_window(MIDNIGHT + i * 10 * SECOND, (uint64_t)i + 1);

		add_sample(w, "", "main", 1);
		MUST(append_one(f->store, f->tenant, "shop", "h", w, &e));
	}
	for (int rolled = 0; rolled < 2; rolled++) {
		int64_t cuts[] = {MIDNIGHT, MIDNIGHT + 95 * SECOND, MIDNIGHT + 300 * SECOND,
				  MIDNIGHT + 720 * SECOND + 1, MIDNIGHT + 900 * SECOND};
		const int counts[] = {10, 20, 43, 17};

		for (size_t i = 0; i + 1 < ARRAY_SIZE(cuts); i++) {
			cleanup_profile struct profile *p = NULL;
			double covered;

			q.from = cuts[i];
			q.until = cuts[i + 1];
			MUST(store_profile(f->store, &q, NULL, 0, &p, &covered, &e));
			assert_int_equal(profile_total_count(p), counts[i]);
			assert_true(covered <= (double)(q.until - q.from) / 1e9 + 1e-9);
			assert_true(covered > counts[i] * 10 - 10);
		}
		MUST(store_maintain(f->store, MIDNIGHT + DAY, &e));
	}
}

static void covered_time(void **state)
{
	struct fixture *f = *state;
	struct store_query q = all_of(f);
	const int starts[] = {0, 10, 5, 60}; /* of two hosts: 0-20 and 60-70 are covered */
	cleanup_profile struct profile *p = NULL;
	double covered;

	for (size_t i = 0; i < ARRAY_SIZE(starts); i++)
		MUST(append_one(f->store, f->tenant, "shop", i == 2 ? "b" : "a",
				new_window(MIDNIGHT + starts[i] * SECOND, i + 1), &e));
	MUST(store_profile(f->store, &q, NULL, 0, &p, &covered, &e));
	assert_true(fabs(covered - 30) < 1e-9);
	assert_true(p->time_ns == MIDNIGHT && p->duration_ns == 70 * SECOND);
	q.until = MIDNIGHT + 64 * SECOND;
	profile_free(p);
	MUST(store_profile(f->store, &q, NULL, 0, &p, &covered, &e));
	assert_true(fabs(covered - 24) < 1e-9);
}

static void two_days_one_batch(void **state)
{
	struct fixture *f = *state;
	struct store_query q = all_of(f);
	struct profile *w[3];

	for (int i = 0; i < 3; i++) {
		w[i] = new_window(MIDNIGHT + i * DAY, (uint64_t)i + 1);
		add_sample(w[i], "", "main", i + 1);
	}
	struct store_batch b = {.tenant = f->tenant,
				.service = "shop",
				.host = "h",
				.profiles = (const struct profile *const *)w,
				.nprofiles = 3};

	MUST(store_append(f->store, &b, 1, &e));
	MUST(store_append(f->store, &b, 1, &e));
	q.until = MIDNIGHT + 3 * DAY;
	assert_lines(f, &q, "{host=h} main 6 300000000\n");
	q.from = MIDNIGHT + DAY;
	assert_lines(f, &q, "{host=h} main 5 250000000\n");
	for (int i = 0; i < 3; i++)
		profile_free(w[i]);
}

static void refused_batches(void **state)
{
	struct fixture *f = *state;
	struct store_query q = all_of(f);
	struct profile *good = new_window(MIDNIGHT, 1), *bad = new_window(MIDNIGHT + DAY, 2);
	const struct profile *list[] = {good, bad};
	struct store_batch b = {.tenant = f->tenant,
				.service = "shop",
				.host = "h",
				.profiles = list,
				.nprofiles = 2};
	struct err why = {};

	MUST(append_one(f->store, f->tenant, "shop", "h", new_window(MIDNIGHT + DAY, 3), &e));
	add_sample(good, "", "main", 1);
	/* The second profile has another unit than what is there: nothing of the batch is stored.
	 */
	snprintf(bad->unit, sizeof(bad->unit), "bytes");
	assert_int_equal(store_append(f->store, &b, 1, &why), -EINVAL);
	assert_true(strstr(why.msg, "bytes"));
	assert_lines(f, &q, "");
	bad->time_ns = -1;
	assert_int_equal(store_append(f->store, &b, 1, &why), -EINVAL);
	b.nprofiles = 1;
	/* A refused window is no known window. */
	must(store_append(f->store, &b, 1, &why), &why);
	assert_lines(f, &q, "{host=h} main 1 50000000\n");
	profile_free(good);
	profile_free(bad);
}

static void expiry(void **state)
{
	struct fixture *f = *state;
	struct store_query q = all_of(f);

	for (int i = 0; i < 3; i++) {
		struct profile *w = new_window(MIDNIGHT + i * DAY, (uint64_t)i + 1);

		add_sample(w, "", "main", 1 << i);
		MUST(append_one(f->store, f->tenant, "shop", "h", w, &e));
	}
	q.until = MIDNIGHT + 3 * DAY;
	MUST(store_expire(f->store, MIDNIGHT + DAY - 1, &e));
	assert_lines(f, &q, "{host=h} main 7 350000000\n");
	MUST(store_expire(f->store, MIDNIGHT + DAY + 5 * HOUR, &e));
	assert_lines(f, &q, "{host=h} main 6 300000000\n");
	MUST(store_expire(f->store, MIDNIGHT + 30 * DAY, &e));
	assert_lines(f, &q, "");
	/* The day can come back. */
	struct profile *w = new_window(MIDNIGHT, 1);

	add_sample(w, "", "main", 9);
	MUST(append_one(f->store, f->tenant, "shop", "h", w, &e));
	assert_lines(f, &q, "{host=h} main 9 450000000\n");
}

#define CASES(X)                                                                                   \
	X(accounts)                                                                                \
	X(sessions)                                                                                \
	X(keys)                                                                                    \
	X(services)                                                                                \
	X(settings)                                                                                \
	X(one_window)                                                                              \
	X(nothing_there)                                                                           \
	X(repeated_window)                                                                         \
	X(tenants_apart)                                                                           \
	X(filters)                                                                                 \
	X(bad_expressions)                                                                         \
	X(kept_labels)                                                                             \
	X(labels)                                                                                  \
	X(ranges_touch)                                                                            \
	X(covered_time)                                                                            \
	X(two_days_one_batch)                                                                      \
	X(refused_batches)                                                                         \
	X(expiry)

int main(void)
{
	const struct CMUnitTest tests[] = {CASES(ON_SQLITE) CASES(ON_MEMORY)};

	return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
