/* Samples and functions that a person names. */
#include "profile/filter.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "stacks.h"

static struct profile *shop(void)
{
	struct profile *p = profile_new("cpu", "nanoseconds", 1);

	stacks_add(p, "web", "main;serve;query", 1);
	stacks_add(p, "web", "main;serve;query_all", 2);
	stacks_add(p, "db", "main;operator=", 4);
	stacks_add(p, "db", "", 8);
	return p;
}

static void test_samples(void **state)
{
	static const struct {
		const char *text;
		int64_t left;
	} cases[] = {
		{"process=web", 3}, {"process=db", 12}, {"process=", 0}, {"pid=1", 0},
		{"query", 1},	    {"quer", 3},	{"main", 7},	 {"operator=", 4},
		{"main=x", 0},	    {"nothing", 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_profile struct profile *p = shop();
		size_t left = filter_samples(p, cases[i].text);

		assert_int_equal(left, p->samples.len);
		assert_int_equal(profile_total_value(p), cases[i].left);
	}
}

/* What is left can be added to. */
static void test_add_afterwards(void **state)
{
	cleanup_profile struct profile *p = shop();

	assert_int_equal(filter_samples(p, "operator="), 1);
	stacks_add(p, "db", "main;operator=", 1);
	stacks_add(p, "web", "main;serve;query", 1);
	assert_int_equal(p->samples.len, 2);
	assert_int_equal(p->samples.data[0].value, 5);
}

static void test_functions(void **state)
{
	cleanup_profile struct profile *p = shop();
	cleanup(functions_fini) struct functions f = {};
	bool chosen[8];

	functions_init(&f, p);
	assert_true(f.list.len <= ARRAY_SIZE(chosen));
	assert_int_equal(filter_functions(&f, "query", chosen), 1);
	assert_int_equal(filter_functions(&f, "er", chosen), 4);
	assert_int_equal(filter_functions(&f, "nothing", chosen), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_samples),
		cmocka_unit_test(test_add_afterwards),
		cmocka_unit_test(test_functions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
