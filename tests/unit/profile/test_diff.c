/* What changed between two profiles. */
#include "profile/diff.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "stacks.h"

static void expect(const struct profile *a, const struct profile *b, bool total, bool absolute,
		   const char *want)
{
	cleanup(diff_fini) struct diff d = {};
	cleanup_buf struct buf text = {};
	diff_rows rows = {};

	assert_int_equal(diff_init(&d, a, b, NULL), 0);
	assert_int_equal(diff_functions(&d, &rows, NULL), 0);
	diff_sort(&d, total, absolute, &rows);
	for (size_t i = 0; i < rows.len; i++)
		buf_printf(&text, "%s%s %lld/%lld %lld/%lld %+g", i ? ", " : "",
			   functions_name(&d.functions, rows.data[i].function),
			   (long long)rows.data[i].before.self,
			   (long long)rows.data[i].before.total, (long long)rows.data[i].after.self,
			   (long long)rows.data[i].after.total,
			   diff_change(&d, &rows.data[i], total, absolute));
	vec_fini(&rows);
	assert_string_equal(buf_cstr(&text), want);
	/* Both are still there. */
	assert_int_equal(profile_total_value(d.joined), d.before + d.after);
}

static void test_functions(void **state)
{
	cleanup_profile struct profile *a = profile_new("cpu", "nanoseconds", 1);
	cleanup_profile struct profile *b = profile_new("cpu", "nanoseconds", 1);

	stacks_add(a, "x", "main:1;f:1;f:2;leaf", 3);
	stacks_add(a, "x", "main:1;gone", 1);
	stacks_add(b, "x", "main:9;f:9;leaf", 3);
	stacks_add(b, "y", "main:9;f:9;leaf", 3);
	stacks_add(b, "x", "main:1;new", 2);
	expect(a, b, false, false,
	       "gone 1/1 0/0 -0.25, new 0/0 2/2 +0.25, f 0/3 0/6 +0, leaf 3/3 6/6 +0, "
	       "main 0/4 0/8 +0");
	expect(a, b, true, true,
	       "main 0/4 0/8 +4, leaf 3/3 6/6 +3, f 0/3 0/6 +3, new 0/0 2/2 +2, "
	       "gone 1/1 0/0 -1");
}

static void test_folded(void **state)
{
	cleanup_profile struct profile *a = profile_new("cpu", "nanoseconds", 10);
	cleanup_profile struct profile *b = profile_new("cpu", "nanoseconds", 10);
	cleanup(diff_fini) struct diff d = {};
	cleanup_buf struct buf out = {};

	stacks_add(a, "x", "main:1;f:1", 30);
	stacks_add(a, "x", "main:1;f:2", 30);
	stacks_add(a, NULL, "only;in\nhere", 30);
	stacks_add(b, "x", "main:3;f:7", 10);
	stacks_add(b, "x", "main:3;little", 1);
	assert_int_equal(diff_init(&d, a, b, NULL), 0);
	diff_put_folded(&d, &out);
	assert_string_equal(buf_cstr(&out), "x;main;f 6 1\nunknown;only;in\\x0ahere 3 0\n");
}

static void test_nothing_and_refused(void **state)
{
	cleanup_profile struct profile *a = profile_new("cpu", "nanoseconds", 1);
	cleanup_profile struct profile *b = profile_new("cpu", "nanoseconds", 1);
	cleanup_profile struct profile *bytes = profile_new("alloc", "bytes", 1);
	struct diff d;

	expect(a, b, false, false, "");
	assert_true(diff_init(&d, a, bytes, NULL) < 0);
	stacks_add(a, "x", "f", INT64_MAX);
	stacks_add(b, "x", "f", 1);
	assert_int_equal(diff_init(&d, a, b, NULL), -EINVAL);
	assert_int_equal(diff_init(&d, b, a, NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_functions),
		cmocka_unit_test(test_folded),
		cmocka_unit_test(test_nothing_and_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
