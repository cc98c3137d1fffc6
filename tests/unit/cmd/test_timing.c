/* What glim time says of runs that were made up: trees, waits, doubts, comparisons. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cmd/timing.h"
#include "cmd/timing_tree.h"

enum { MS = NSEC_PER_SEC / 1000 };

static void add(struct family *f, const char *name, uint32_t parent, int64_t cpu_ns, int64_t lived)
{
	struct family_member m = {.pid = 100 + (pid_t)f->members.len,
				  .parent = parent,
				  .cpu_ns = cpu_ns,
				  .start_ns = 10,
				  .end_ns = 10 + lived,
				  .threads = 1};

	snprintf(m.comm, sizeof(m.comm), "%s", name);
	vec_push(&f->members, m);
}

static void test_tree(void **state)
{
	struct family f = {};
	tree_rows rows = {};

	add(&f, "make", FAMILY_NOBODY, 5, 100);
	add(&f, "sh", 0, 1, 30);
	add(&f, "cc", 1, 10, 20);
	add(&f, "sh", 0, 2, 50);
	add(&f, "ld", 3, 7, 10);
	add(&f, "cc", 3, 20, 40);
	add(&f, "cc", FAMILY_NOBODY, 3, 5); /* nobody knows who started it */
	timing_tree(&f, 1000, &rows);
	/* make { sh { cc, ld }, cc } */
	assert_int_equal(rows.len, 5);
	assert_true(rows.data[0].child == 1 && rows.data[1].child == 2 &&
		    rows.data[2].sibling == 3 && rows.data[1].sibling == 4);
	assert_true(rows.data[1].processes == 2 && rows.data[1].cpu_ns == 3 &&
		    rows.data[1].longest_ns == 50 && rows.data[1].pid == 101);
	assert_true(rows.data[2].processes == 2 && rows.data[2].cpu_ns == 30);
	assert_true(rows.data[4].processes == 1 && rows.data[4].cpu_ns == 3 &&
		    rows.data[4].depth == 1);
	vec_fini(&rows);
	vec_fini(&f.members);
}

/* A chain that is deeper than is shown: all of it is there, no deeper than that. */
static void test_deep_tree(void **state)
{
	enum { DEEP = 5000 };
	struct family f = {};
	tree_rows rows = {};
	uint32_t processes = 0;

	for (uint32_t i = 0; i < DEEP; i++) {
		char name[16];

		snprintf(name, sizeof(name), "p%u", i);
		add(&f, name, i ? i - 1 : FAMILY_NOBODY, 1, 1);
	}
	timing_tree(&f, 1000, &rows);
	for (size_t i = 0; i < rows.len; i++) {
		processes += rows.data[i].processes;
		assert_true(rows.data[i].depth <= TREE_MAX_DEPTH);
	}
	assert_int_equal(processes, DEEP);
	vec_fini(&rows);
	vec_fini(&f.members);
}

static void test_waiting(void **state)
{
	struct run r = {.wall_ns = 100, .main_cpu_ns = 30, .run_queue_ns = 20, .disk_ns = 10};
	struct waiting w = timing_waiting(&r);

	assert_true(w.all == 70 && w.run_queue == 20 && w.disk == 10 && w.other == 40);
	r.disk_ns = RUN_UNKNOWN;
	w = timing_waiting(&r);
	assert_true(w.disk == RUN_UNKNOWN && w.other == 50);
	/* Clocks that do not agree give no time below nothing. */
	r = (struct run){.wall_ns = 100, .main_cpu_ns = 95, .run_queue_ns = 20, .disk_ns = 10};
	w = timing_waiting(&r);
	assert_true(w.all == 5 && w.run_queue == 5 && w.disk == 0 && w.other == 0);
	r.main_cpu_ns = RUN_UNKNOWN;
	assert_true(timing_waiting(&r).all == RUN_UNKNOWN);
}

/* ---- several runs ---- */

static struct timed_command command(const char *const *argv, const int *ms, size_t n)
{
	struct timed_command c = {.argv = (char **)argv, .argc = 1};

	for (size_t i = 0; i < n; i++)
		vec_push(&c.runs, (struct run){.wall_ns = ms[i] * MS, .cpu_ns = ms[i] * MS});
	return c;
}
static const char *const names[] = {"prog"};

/* Does one of the sentences have these words? */
static bool doubts(struct timing *t, const char *words)
{
	struct arena a = {};
	sentences list = {};
	bool found = false;

	timing_doubts(t, &a, &list);
	for (size_t i = 0; i < list.len; i++)
		found |= strstr(list.data[i], words) != NULL;
	if (!words[0])
		found = list.len > 0;
	vec_fini(&list);
	arena_fini(&a);
	return found;
}

static bool doubts_of(const int *ms, size_t n, const char *words)
{
	struct timed_command c = command(names, ms, n);
	struct timing t = {.commands = &c, .n = 1, .wanted = (unsigned int)n, .cpus = 2};
	bool found = doubts(&t, words);

	vec_fini(&c.runs);
	return found;
}

static void test_doubts(void **state)
{
	static const int steady[] = {500, 502, 499, 501, 500, 498, 503, 500, 501, 499, 502, 500};
	static const int wild[] = {500, 900, 700, 420, 810, 560, 1000, 640, 480, 750, 530, 880};
	static const int cold[] = {900, 500, 502, 499, 501, 500, 498, 503, 500, 501, 499, 502};
	static const int warm[] = {500, 501, 502, 500, 499, 501, 550, 551, 552, 549, 550, 553};
	static const int off[] = {500, 502, 499, 501, 500, 700, 498, 503, 500, 501, 499, 502};

	assert_false(doubts_of(steady, ARRAY_SIZE(steady), ""));
	assert_true(doubts_of(wild, ARRAY_SIZE(wild), "too noisy to trust"));
	assert_true(doubts_of(cold, ARRAY_SIZE(cold), "the first run of prog took 1.8 times"));
	assert_true(doubts_of(warm, ARRAY_SIZE(warm), "became slower"));
	assert_true(doubts_of(off, ARRAY_SIZE(off), "1 of 12 runs of prog lie far off"));
	assert_true(doubts_of(steady, 4, "too few"));
	assert_false(doubts_of(steady, 1, ""));
}

static void test_doubts_about_the_machine(void **state)
{
	static const int steady[] = {500, 502, 499, 501, 500, 498, 503, 500};
	struct timed_command c = command(names, steady, ARRAY_SIZE(steady));
	struct timing t = {.commands = &c, .n = 1, .wanted = 8, .cpus = 2, .other_cpus = 0.1};

	assert_false(doubts(&t, ""));
	t.other_cpus = 1.3;
	assert_true(doubts(&t, "other programs kept 1.3 of 2 CPUs busy"));
	t.other_cpus = 0;
	t.slowest_hz = 1.2e9;
	t.fastest_hz = 3.4e9;
	assert_true(doubts(&t, "1.20 to 3.40 GHz"));
	t.slowest_hz = 3.39e9;
	assert_false(doubts(&t, ""));
	for (size_t i = 0; i < c.runs.len; i++)
		c.runs.data[i].run_queue_ns = 100 * MS;
	assert_true(doubts(&t, "prog waited 20 % of its time for a free CPU"));
	vec_fini(&c.runs);
}

static void test_comparison(void **state)
{
	static const int one[] = {500, 502, 499, 501, 500, 498};
	static const int two[] = {600, 602, 599, 601, 600, 598};
	struct timed_command c[] = {command(names, one, 6), command(names, two, 6)};
	struct timing t = {.commands = c, .n = 2, .wanted = 6, .other_cpus = -1};
	cleanup_buf struct buf text = {}, json = {};

	timing_put_text(&t, (struct table_look){}, &text);
	assert_non_null(
		strstr(buf_cstr(&text), "takes 20.0 % more than \"prog\": surely between "));
	timing_put_json(&t, &json);
	assert_non_null(strstr(buf_cstr(&json),
			       "\"measure\":\"wall\",\"a\":0,\"b\":1,\"level\":0.95,"
			       "\"ratio\":1.2,"));
	/* Two statements together are to hold as often as one. */
	t.n = 3;
	assert_true(timing_level(&t) == 0.975);
	vec_fini(&c[0].runs);
	vec_fini(&c[1].runs);
}

static void test_names(void **state)
{
	const char *argv[] = {"a\033[31m", "b\nc",
			      "0123456789012345678901234567890123456789012345678901234567890123"};
	struct timed_command c = {.argv = (char **)argv, .argc = 2};
	struct arena a = {};

	assert_string_equal(timing_name(&c, &a), "a\\x1b[31m b\\x0ac");
	c.argc = 3;
	assert_int_equal(strlen(timing_name(&c, &a)), 60);
	arena_fini(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tree),
		cmocka_unit_test(test_deep_tree),
		cmocka_unit_test(test_waiting),
		cmocka_unit_test(test_doubts),
		cmocka_unit_test(test_doubts_about_the_machine),
		cmocka_unit_test(test_comparison),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
