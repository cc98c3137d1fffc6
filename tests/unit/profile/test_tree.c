/* Profiles as trees: order, lines, what is left out, and speed. */
#include "profile/tree.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/clock.h"
#include "stacks.h"

/* The tree as text: a line a node, indented by depth. */
static void expect(const struct tree *t, const char *want)
{
	cleanup_buf struct buf b = {};

	for (size_t i = 0; i < t->nodes.len; i++) {
		const struct tree_node *n = &t->nodes.data[i];

		buf_printf(&b, "%*s%s", (int)n->depth, "", tree_name(t, n->function));
		if (n->line)
			buf_printf(&b, ":%u", n->line);
		buf_printf(&b, " %lld/%lld\n", (long long)n->self, (long long)n->total);
	}
	assert_string_equal(buf_cstr(&b), want);
}

static void test_empty(void **state)
{
	cleanup_profile struct profile *p = profile_new("cpu", "nanoseconds", 1);
	cleanup(tree_fini) struct tree t = {};

	assert_int_equal(tree_build(p, 0, 0, &t, NULL), 0);
	expect(&t, "all 0/0\n");
	assert_int_equal(t.cut, 0);
}

static void test_order_and_sums(void **state)
{
	cleanup_profile struct profile *p = profile_new("cpu", "nanoseconds", 1);
	cleanup(tree_fini) struct tree t = {};

	stacks_add(p, "web", "main;zeta", 1);
	stacks_add(p, "web", "main;alpha;deep", 2);
	stacks_add(p, "web", "main", 4);
	stacks_add(p, "db", "main;alpha", 8);
	stacks_add(p, NULL, "idle", 16);
	stacks_add(p, "web", "", 32);
	assert_int_equal(tree_build(p, 0, 0, &t, NULL), 0);
	expect(&t, "all 0/63\n"
		   " db 0/8\n"
		   "  main 0/8\n"
		   "   alpha 8/8\n"
		   " unknown 0/16\n"
		   "  idle 16/16\n"
		   " web 32/39\n"
		   "  main 4/7\n"
		   "   alpha 0/2\n"
		   "    deep 2/2\n"
		   "   zeta 1/1\n");
	assert_int_equal(t.functions.data[t.nodes.data[1].function].kind, FRAME_PROCESS);
}

/* The same samples in another order, over another profile, are the same tree. */
static void test_same_tree_after_merge(void **state)
{
	cleanup_profile struct profile *a = profile_new("cpu", "nanoseconds", 1);
	cleanup_profile struct profile *b = profile_new("cpu", "nanoseconds", 1);
	cleanup(tree_fini) struct tree t = {}, u = {};

	stacks_add(a, "x", "m:1;b:2;c", 5);
	stacks_add(a, "x", "m:3;a:4", 5);
	stacks_add(a, "y", "m:1", 5);
	stacks_add(b, "y", "unused", 0);
	assert_int_equal(profile_merge(b, a, NULL, 0, NULL), 0);
	assert_int_equal(profile_merge(b, a, NULL, 0, NULL), 0);
	assert_int_equal(tree_build(a, 0, 0, &t, NULL), 0);
	assert_int_equal(tree_build(b, 0.01, 0, &u, NULL), 0);
	assert_int_equal(u.nodes.len, t.nodes.len + 1);
	size_t k = 0;

	for (size_t i = 0; i < t.nodes.len; i++, k++) {
		if (u.nodes.data[k].function == TREE_REST)
			k++;
		assert_string_equal(tree_name(&t, t.nodes.data[i].function),
				    tree_name(&u, u.nodes.data[k].function));
		assert_int_equal(t.nodes.data[i].total * 2, u.nodes.data[k].total);
		assert_int_equal(t.nodes.data[i].line, u.nodes.data[k].line);
	}
}

static void test_hottest_line(void **state)
{
	cleanup_profile struct profile *p = profile_new("cpu", "nanoseconds", 1);
	cleanup(tree_fini) struct tree t = {};

	stacks_add(p, "x", "m:1;f:10", 3);
	stacks_add(p, "x", "m:2;f:11", 2);
	stacks_add(p, "x", "m:2;f:12", 2);
	/* Recursion: the inner f is another node, the outer one keeps its own lines. */
	stacks_add(p, "x", "m:2;f:11;f:99", 2);
	assert_int_equal(tree_build(p, 0, 0, &t, NULL), 0);
	expect(&t, "all 0/9\n x 0/9\n  m:2 0/9\n   f:11 7/9\n    f:99 2/2\n");
}

static void test_hottest_line_tie_is_the_smaller(void **state)
{
	cleanup_profile struct profile *p = profile_new("cpu", "nanoseconds", 1);
	cleanup(tree_fini) struct tree t = {};

	stacks_add(p, "x", "f:7", 1);
	stacks_add(p, "x", "f:5", 1);
	stacks_add(p, "x", "f:6", 1);
	assert_int_equal(tree_build(p, 0, 0, &t, NULL), 0);
	expect(&t, "all 0/3\n x 0/3\n  f:5 3/3\n");
}

static void test_rest(void **state)
{
	cleanup_profile struct profile *p = profile_new("cpu", "nanoseconds", 1);
	cleanup(tree_fini) struct tree t = {};

	stacks_add(p, "x", "m;a;a1", 90);
	stacks_add(p, "x", "m;b;b1", 3);
	stacks_add(p, "x", "m;c", 4);
	stacks_add(p, "y", "m", 3);
	assert_int_equal(tree_build(p, 0.05, 0, &t, NULL), 0);
	expect(&t, "all 0/100\n"
		   " x 0/97\n"
		   "  m 0/97\n"
		   "   a 0/90\n"
		   "    a1 90/90\n"
		   "   (rest) 7/7\n"
		   " (rest) 3/3\n");
	/* Only what is shown is among the functions. */
	assert_int_equal(t.functions.len, 4);
}

static void test_max_nodes(void **state)
{
	cleanup_profile struct profile *p = profile_new("cpu", "nanoseconds", 1);

	for (int i = 0; i < 200; i++) {
		char text[64];

		snprintf(text, sizeof(text), "m;f%03d;g", i);
		stacks_add(p, "x", text, 1000 + i);
	}
	for (size_t max = 1; max < 500; max = max * 3 / 2 + 1) {
		cleanup(tree_fini) struct tree t = {};
		int64_t sum = 0;

		assert_int_equal(tree_build(p, 0, max, &t, NULL), 0);
		assert_true(t.nodes.len <= MAX(max, (size_t)2));
		for (size_t i = 0; i < t.nodes.len; i++)
			sum += t.nodes.data[i].self;
		assert_int_equal(sum, t.total);
		/* 200 functions with a leaf each under root, process and main: as many as fit. */
		assert_true(t.nodes.len + 6 > MIN(max, (size_t)403));
	}
}

static void test_names_without_symbols(void **state)
{
	cleanup_profile struct profile *p = profile_new("cpu", "nanoseconds", 1);
	cleanup(tree_fini) struct tree t = {};
	struct profile_function f = {.module = profile_string(p, "libz.so"), .kind = FRAME_NATIVE};
	uint32_t function = profile_function(p, &f);

	for (uint64_t address = 0x10; address < 0x13; address++) {
		struct profile_frame fr = {.function = function, .address = address};

		profile_add(p, profile_stack(p, 0, profile_frame(p, &fr)), 0, 1, 2);
		fr.line = 1; /* the same place with a line is the same node */
		profile_add(p, profile_stack(p, 0, profile_frame(p, &fr)), 0, 1, 1);
	}
	assert_int_equal(tree_build(p, 0, 0, &t, NULL), 0);
	expect(&t, "all 0/9\n unknown 0/9\n  libz.so+0x10 3/3\n  libz.so+0x11 3/3\n"
		   "  libz.so+0x12 3/3\n");
}

static void test_cut(void **state)
{
	cleanup_profile struct profile *p = profile_new("cpu", "nanoseconds", 1);
	cleanup(tree_fini) struct tree t = {};

	stacks_add(p, "x", "[cut];a;b", 3);
	stacks_add(p, "x", "a;b", 4);
	stacks_add(p, "x", "[cut]", 5);
	assert_int_equal(tree_build(p, 0, 0, &t, NULL), 0);
	assert_int_equal(t.cut, 8);
	assert_int_equal(t.total, 12);
}

static void test_refuses(void **state)
{
	cleanup_profile struct profile *p = profile_new("inuse", "bytes", 0);
	struct tree t = {};
	struct err e = {};

	stacks_add(p, "x", "a", -1);
	assert_int_equal(tree_build(p, 0, 0, &t, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "negative"));
	stacks_add(p, "x", "a", 1);
	stacks_add(p, "x", "b", INT64_MAX);
	assert_int_equal(tree_build(p, 0, 0, &t, &e), 0);
	tree_fini(&t);
	stacks_add(p, "x", "c", 1);
	assert_int_equal(tree_build(p, 0, 0, &t, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "too large"));
}

/* A million nodes: wide, deep and over several processes, well under the time of a page view. The
 * bound is loose because the sanitizers slow everything down; the figure is printed. */
static void test_million_nodes(void **state)
{
	cleanup_profile struct profile *p = profile_new("cpu", "nanoseconds", 1);
	cleanup(tree_fini) struct tree t = {};
	uint32_t frames[1000], labels[4];
	char name[32];

	for (uint32_t i = 0; i < ARRAY_SIZE(frames); i++) {
		snprintf(name, sizeof(name), "function_%u", i);
		frames[i] = stacks_frame(p, name, i, FRAME_NATIVE);
	}
	for (uint32_t i = 0; i < ARRAY_SIZE(labels); i++) {
		snprintf(name, sizeof(name), "process_%u", i);
		labels[i] = stacks_process(p, name);
	}
	for (uint32_t i = 0; i < 10000; i++) {
		uint32_t stack = 0;

		for (uint32_t depth = 0; depth < 100; depth++)
			stack = profile_stack(p, stack, frames[(i * 7 + depth * (i % 13)) % 1000]);
		profile_add(p, stack, labels[i % 4], 1, i);
	}
	int64_t start = clock_cpu_ns();

	assert_int_equal(tree_build(p, 0, 0, &t, NULL), 0);
	double seconds = (double)(clock_cpu_ns() - start) / 1e9;

	print_message("%zu stacks, %zu nodes in %.3f s of CPU time\n", p->stacks.len, t.nodes.len,
		      seconds);
	assert_true(t.nodes.len > 900000);
	assert_true(seconds < 20);
}

/* What of each node is of a part of the samples, through processes that share stacks and a rest. */
static void test_part(void **state)
{
	static const int64_t part[] = {1, 0, 4, 8};
	static const struct tree_part want[] = {
		{0, 13}, /* all */
		{0, 8},	 /* db */
		{8, 8},	 /* alpha */
		{0, 5},	 /* web */
		{4, 4},	 /* alpha */
		{0, 0},	 /* deep */
		{1, 1},	 /* rest: zeta */
	};
	cleanup_profile struct profile *p = profile_new("cpu", "nanoseconds", 1);
	cleanup(tree_fini) struct tree t = {};

	stacks_add(p, "web", "zeta", 1);
	stacks_add(p, "web", "alpha;deep", 20);
	stacks_add(p, "web", "alpha", 40);
	stacks_add(p, "db", "alpha", 8);
	assert_int_equal(tree_build_part(p, part, 0.1, 0, &t, NULL), 0);
	expect(&t, "all 0/69\n"
		   " db 0/8\n"
		   "  alpha 8/8\n"
		   " web 0/61\n"
		   "  alpha 40/60\n"
		   "   deep 20/20\n"
		   "  (rest) 1/1\n");
	assert_int_equal(t.parts.len, t.nodes.len);
	for (size_t i = 0; i < t.parts.len; i++) {
		assert_int_equal(t.parts.data[i].self, want[i].self);
		assert_int_equal(t.parts.data[i].total, want[i].total);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_order_and_sums),
		cmocka_unit_test(test_part),
		cmocka_unit_test(test_same_tree_after_merge),
		cmocka_unit_test(test_hottest_line),
		cmocka_unit_test(test_hottest_line_tie_is_the_smaller),
		cmocka_unit_test(test_rest),
		cmocka_unit_test(test_max_nodes),
		cmocka_unit_test(test_names_without_symbols),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_million_nodes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
