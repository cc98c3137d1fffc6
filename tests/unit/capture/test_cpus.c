/* The list of CPUs, as /sys writes it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "probe/probe.h"

static void test_lists(void **state)
{
	static const struct {
		const char *text;
		int n;
		unsigned int first, last;
	} cases[] = {
		{"0\n", 1, 0, 0},	  {"0-3\n", 4, 0, 3},
		{"0-3,8-11\n", 8, 0, 11}, {"0,2,4\n", 3, 0, 4},
		{"7", 1, 7, 7},		  {"1-1\n", 1, 1, 1},
		{"0-63\n", 64, 0, 63},	  {"", 0, 0, 0},
		{"\n", 0, 0, 0},	  {"8190-8191", 2, 8190, 8191},
	};
	unsigned int cpus[64];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int n = probe_parse_cpus(cases[i].text, cpus, ARRAY_SIZE(cpus));

		assert_int_equal(n, cases[i].n);
		if (n) {
			assert_int_equal(cpus[0], cases[i].first);
			assert_int_equal(cpus[n - 1], cases[i].last);
		}
	}
}

static void test_nonsense(void **state)
{
	static const char *const texts[] = {
		"x",	 "-1",	   "0-",   "3-1", "0,,1", ",",
		"0 1",	 "0-8192", "8192", "0x1", "0-64", "99999999999999999999",
		"0-1-2", "+1",
	};
	unsigned int cpus[64];

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		assert_int_equal(probe_parse_cpus(texts[i], cpus, ARRAY_SIZE(cpus)), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
