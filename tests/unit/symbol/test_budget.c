/* A budget of time: what is there at once, and what comes back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "symbol/budget.h"

enum { SHARE = 4, BURST = 1000 };

static bool left(struct budget *b, int64_t now)
{
	return budget_left(b, now, SHARE, BURST);
}

static void test_budget(void **state)
{
	struct budget b = {};
	int64_t now = 1000000000;

	assert_true(left(&b, now));
	budget_spend(&b, 999);
	assert_true(left(&b, now));
	/* One that takes long is paid for afterwards. */
	budget_spend(&b, 5001);
	assert_false(left(&b, now));
	assert_false(left(&b, now + 4 * 5000));
	assert_true(left(&b, now + 4 * 5001));
	/* What was not used is no credit for later. */
	now += 1000000;
	assert_true(left(&b, now));
	budget_spend(&b, 1000);
	assert_false(left(&b, now));
	assert_true(left(&b, now + 4));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_budget)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
