/* Which files and functions are shown, by pattern and by place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "memory/target/wanted_abi.h"

static void test_patterns(void **state)
{
	assert_true(wanted_fits("app/*.py", "/srv/app/x.py", '/'));
	assert_false(wanted_fits("pp/*.py", "/srv/app/x.py", '/'));
	assert_true(wanted_fits("work", "C.work", '.'));
	assert_false(wanted_fits("work", "C.worker", '.'));
}

static void test_installed(void **state)
{
	assert_true(wanted_is_installed("/v/lib/python3.11/site-packages/numpy/core.py"));
	assert_true(wanted_is_installed("<string>"));
	assert_false(wanted_is_installed("/srv/app/x.py"));
}

/* A program's main is meant, not that of what started it. */
static void test_main(void **state)
{
	static const struct {
		const char *file, *below;
		bool starts;
	} cases[] = {
		{"/srv/app/x.py", NULL, false},
		{"/usr/lib/python3.11/json/tool.py", "json/tool.py", false},
		{"/usr/lib/python3.11/site.py", "site.py", true},
		{"/usr/lib/python3.11/importlib/metadata.py", "importlib/metadata.py", true},
		{"<frozen runpy>", NULL, true},
		{"/srv/app/runpy.py", NULL, false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const char *file = cases[i].file;
		bool starts = wanted_starts_programs(file, cases[i].below);

		assert_int_equal(starts, cases[i].starts);
		assert_int_equal(wanted_by_pattern("main", file, "main", starts), !starts);
		assert_int_equal(wanted_by_pattern("*", file, "main", starts), *file != '<');
	}
	assert_true(wanted_by_pattern("<frozen *", "<frozen runpy>", "main", true));
	assert_true(wanted_by_pattern("site.py", "/usr/lib/python3.11/site.py", "main", true));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_patterns),
		cmocka_unit_test(test_installed),
		cmocka_unit_test(test_main),
	};

	return cmocka_run_group_tests_name("memory wanted", tests, NULL, NULL);
}
