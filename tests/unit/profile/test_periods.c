/* Values as numbers of samples. */
#include "profile/periods.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static int64_t total(const int64_t *weights, size_t n)
{
	int64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += weights[i];
	return sum;
}

static void test_whole_periods_are_their_number(void **state)
{
	static const int64_t weights[] = {50, 0, 10, 20};
	struct periods p;

	periods_init(&p, 10, total(weights, ARRAY_SIZE(weights)));
	for (size_t i = 0; i < ARRAY_SIZE(weights); i++)
		assert_int_equal(periods_next(&p, weights[i]), weights[i] / 10);
}

/* Any values: every sum of neighbours is less than one off, the total half. */
static void test_sums_are_right(void **state)
{
	enum { N = 200, PERIOD = 1000 };
	int64_t weights[N], counts[N];
	uint32_t chance = 7;
	struct periods p;

	for (size_t i = 0; i < N; i++) {
		chance = chance * 1664525 + 1013904223;
		weights[i] = chance >> 8 & (chance >> 28 ? 511 : 65535);
	}
	periods_init(&p, PERIOD, total(weights, N));
	for (size_t i = 0; i < N; i++)
		counts[i] = periods_next(&p, weights[i]);
	for (size_t from = 0; from < N; from++)
		for (size_t n = 1; n <= N - from; n++) {
			int64_t off = total(counts + from, n) * PERIOD - total(weights + from, n);

			assert_in_range(off + PERIOD, 1, 2 * PERIOD - 1);
		}
	assert_int_equal(total(counts, N), (total(weights, N) + PERIOD / 2) / PERIOD);
}

static void test_little_is_not_nothing(void **state)
{
	struct periods p;

	periods_init(&p, 1000, 2);
	assert_int_equal(periods_next(&p, 1) + periods_next(&p, 1), 1);
	periods_init(&p, 1000, 0);
	assert_int_equal(periods_next(&p, 0), 0);
}

static void test_odd_numbers(void **state)
{
	struct periods p;

	periods_init(&p, INT64_MAX, INT64_MAX);
	assert_int_equal(periods_next(&p, INT64_MAX), 1);
	assert_int_equal(periods_next(&p, INT64_MAX), 1);
	periods_init(&p, 1, INT64_MAX);
	assert_int_equal(periods_next(&p, INT64_MAX), INT64_MAX);
	assert_int_equal(periods_next(&p, -5), 0);
	periods_init(&p, -3, -1);
	assert_int_equal(periods_next(&p, 4), 4);
	assert_int_equal(periods_weight(0, 3, 70), 3);
	assert_int_equal(periods_weight(10, 3, 70), 70);
	assert_int_equal(periods_weight(10, 3, -70), 0);
	assert_int_equal(periods_weight(-10, -3, 70), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_periods_are_their_number),
		cmocka_unit_test(test_sums_are_right),
		cmocka_unit_test(test_little_is_not_nothing),
		cmocka_unit_test(test_odd_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
