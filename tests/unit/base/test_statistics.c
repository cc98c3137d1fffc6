/* Statistics against tables of distributions, against counting by hand, and against samples whose
 * truth is known: an interval must hold it as often as it says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "base/statistics.h"

#define assert_near(a, b, by) assert_true(fabs((a) - (b)) <= (by))

static struct statistics of(size_t n, const double *values)
{
	struct statistics s;

	statistics_init(&s, values, n);
	return s;
}
#define OF(...) of(sizeof((double[]){__VA_ARGS__}) / sizeof(double), (const double[]){__VA_ARGS__})

/* The same numbers every time. */
static double uniform(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return ((double)(*seed >> 11) + 0.5) / (double)(1ULL << 53);
}

static double normal(uint64_t *seed)
{
	return sqrt(-2 * log(uniform(seed))) * cos(2 * M_PI * uniform(seed));
}

static void test_summary(void **state)
{
	struct statistics s = OF(9, 2, 5, 4, 4, 7, 4, 5);

	assert_int_equal(s.n, 8);
	assert_true(s.min == 2 && s.max == 9 && s.mean == 5 && s.median == 4.5);
	assert_near(s.deviation, sqrt(32 / 7.0), 1e-12);
	assert_near(s.low_quartile, 4, 1e-12);
	assert_near(s.high_quartile, 5.5, 1e-12);
	assert_near(statistics_quantile(&s, 0.9), 7 + 0.3 * 2, 1e-12);
	assert_true(statistics_quantile(&s, 0) == 2 && statistics_quantile(&s, 1) == 9);
	statistics_fini(&s);

	/* 0.1 three times is not 0.3: a mean stays among its values all the same. */
	s = OF(0.1, 0.1, 0.1);
	assert_true(s.mean == 0.1 && s.median == 0.1 && s.deviation == 0);
	statistics_fini(&s);
	s = OF(3);
	assert_true(s.mean == 3 && s.median == 3 && s.deviation == 0 && s.low_quartile == 3);
	statistics_fini(&s);
}

static void test_outliers(void **state)
{
	struct statistics s = OF(10, 11, 12, 11, 10, 12, 11, 30, 1, 11);
	struct outliers o = statistics_outliers(&s);

	assert_true(o.low == 1 && o.high == 1);
	statistics_fini(&s);
	/* No two of these differ by 1 %, and most not at all. */
	s = OF(100, 100, 100, 100, 100.5, 99.5);
	o = statistics_outliers(&s);
	assert_true(o.low == 0 && o.high == 0);
	statistics_fini(&s);
}

/* The tables of any textbook. */
static void test_student(void **state)
{
	static const struct {
		double freedom, probability, t;
	} table[] = {
		{1, 0.975, 12.7062}, {2, 0.975, 4.30265},   {4, 0.975, 2.77645},
		{9, 0.975, 2.26216}, {9, 0.95, 1.83311},    {30, 0.975, 2.04227},
		{30, 0.995, 2.75},   {1e6, 0.975, 1.95996}, {5, 0.5, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		double t = student_quantile(table[i].probability, table[i].freedom);

		assert_near(t, table[i].t, 2e-4);
		assert_near(student_probability(table[i].t, table[i].freedom), table[i].probability,
			    2e-5);
		assert_near(student_probability(-table[i].t, table[i].freedom),
			    1 - table[i].probability, 2e-5);
	}
}

/* Ranks by the binomial distribution: 2 and 9 of 10, 6 and 15 of 20, 40 and 61 of 100. */
static void test_interval_of_a_median(void **state)
{
	static const struct {
		size_t n;
		double low, high;
		bool known;
	} table[] = {{1, 1, 1, false}, {5, 1, 5, false},  {6, 1, 6, true},
		     {10, 2, 9, true}, {20, 6, 15, true}, {100, 40, 61, true}};
	double values[100];

	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		values[i] = (double)i + 1;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct statistics s = of(table[i].n, values);
		struct interval in;

		assert_true(statistics_median_interval(&s, 0.95, &in) == table[i].known);
		assert_true(in.low == table[i].low && in.high == table[i].high);
		statistics_fini(&s);
	}
}

static void test_interval_of_a_mean(void **state)
{
	struct statistics s = OF(9, 2, 5, 4, 4, 7, 4, 5);
	struct interval in;

	assert_true(statistics_mean_interval(&s, 0.95, &in));
	assert_near((in.low + in.high) / 2, 5, 1e-12);
	assert_near(in.high - 5, 2.36462 * sqrt(32 / 7.0) / sqrt(8), 1e-4);
	statistics_fini(&s);
	s = OF(3);
	assert_false(statistics_mean_interval(&s, 0.95, &in));
	assert_true(in.low == 3 && in.high == 3);
	statistics_fini(&s);
}

static struct comparison compare(struct statistics a, struct statistics b)
{
	struct comparison c;

	statistics_compare(&a, &b, 0.95, &c);
	statistics_fini(&a);
	statistics_fini(&b);
	return c;
}

/* Counted by hand, and p as in tables of Mann and Whitney. */
static void test_comparison(void **state)
{
	struct comparison c = compare(OF(1, 2, 3, 4), OF(5, 7, 9, 11));

	assert_true(c.known && c.different);
	assert_near(c.p, 2 / 70.0, 1e-12);
	assert_true(c.difference == 5.5 && c.difference_interval.low == 1 &&
		    c.difference_interval.high == 10);
	assert_near(c.ratio_interval.low, 5 / 4.0, 1e-12);
	assert_near(c.ratio_interval.high, 11, 1e-12);

	c = compare(OF(5, 7, 9, 11), OF(1, 2, 3, 4));
	assert_true(c.different && c.difference == -5.5 && c.difference_interval.high == -1);

	/* 2 of 25 pairs the other way round: p = 2 * 4 / 252. */
	c = compare(OF(1, 2, 3, 4, 7), OF(5, 6, 8, 9, 10));
	assert_near(c.p, 2 * 4 / 252.0, 1e-12);
	assert_true(c.different);

	/* Too few to say, whatever they are. */
	c = compare(OF(1, 2, 3), OF(50, 51, 52));
	assert_true(!c.known && !c.different);
	assert_near(c.p, 2 / 20.0, 1e-12);
	assert_true(c.difference_interval.low == 47 && c.difference_interval.high == 51);

	/* All the same. */
	c = compare(OF(2, 2, 2, 2, 2), OF(2, 2, 2, 2, 2));
	assert_true(c.known && !c.different && c.p == 1 && c.difference == 0 && c.ratio == 1);
	c = compare(OF(0, 0, 0, 0), OF(1, 1, 1, 1));
	assert_true(c.different && isnan(c.ratio) && isnan(c.ratio_interval.low));
	c = compare(OF(1, 1, 1, 1), OF(0, 0, 0, 0));
	assert_true(c.different && c.ratio == 0);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The pairs are found by halving; here all of them are made and sorted. So many are not counted
 * out: of 2,000 pairs a normal one has 1,000, with a deviation of sqrt(2000 * 91 / 12) = 123.2, the
 * other way round; 1.96 times that leave 758 at each end. */
static void test_pairs_of_many(void **state)
{
	enum { A = 50, B = 40 };
	static double a[A], b[B], ratios[A * B];
	uint64_t seed = 7;
	size_t n = 0;

	for (size_t i = 0; i < A; i++)
		a[i] = 10 + normal(&seed);
	for (size_t i = 0; i < B; i++)
		b[i] = 10.1 + normal(&seed);
	for (size_t i = 0; i < A; i++)
		for (size_t j = 0; j < B; j++)
			ratios[n++] = b[j] / a[i];
	qsort(ratios, n, sizeof(*ratios), by_value);
	struct comparison c = compare(of(A, a), of(B, b));

	assert_near(c.ratio, (ratios[n / 2 - 1] + ratios[n / 2]) / 2, 1e-12);
	bool low = false, high = false;

	for (size_t rank = 757; rank <= 759; rank++) {
		low |= c.ratio_interval.low == ratios[rank];
		high |= c.ratio_interval.high == ratios[n - 1 - rank];
	}
	assert_true(low && high);
}

/* Times as they are: never faster than their floor, now and then much slower. */
static double slow_tailed(uint64_t *seed)
{
	return 1 + 0.01 * exp(1.5 * normal(seed));
}

/* How often intervals at 0.95 hold the truth, in so many experiments. */
static void test_intervals_hold_the_truth(void **state)
{
	enum { EXPERIMENTS = 1000, N = 15 };
	uint64_t seed = 42;
	size_t median = 0, mean = 0, same = 0, ratio = 0;

	for (int i = 0; i < EXPERIMENTS; i++) {
		double a[N], b[N], gauss[N];
		struct interval in;
		struct comparison c;

		for (size_t k = 0; k < N; k++) {
			a[k] = slow_tailed(&seed);
			b[k] = slow_tailed(&seed);
			gauss[k] = 10 + normal(&seed);
		}
		struct statistics s = of(N, a), t = of(N, gauss);

		median += statistics_median_interval(&s, 0.95, &in) && in.low <= 1.01 &&
			  in.high >= 1.01;
		mean += statistics_mean_interval(&t, 0.95, &in) && in.low <= 10 && in.high >= 10;
		statistics_fini(&s);
		statistics_fini(&t);
		c = compare(of(N, a), of(N, b));
		same += !c.different;
		assert_true(c.different == (c.p < 0.05));
		for (size_t k = 0; k < N; k++)
			b[k] *= 1.02;
		c = compare(of(N, a), of(N, b));
		ratio += c.ratio_interval.low <= 1.02 && c.ratio_interval.high >= 1.02;
	}
	/* By ranks at least 0.95, of the median 0.965; two standard errors are 0.014. */
	assert_in_range(median, 0.95 * EXPERIMENTS, 0.98 * EXPERIMENTS);
	assert_in_range(mean, 0.935 * EXPERIMENTS, 0.965 * EXPERIMENTS);
	assert_in_range(same, 0.94 * EXPERIMENTS, 0.97 * EXPERIMENTS);
	assert_in_range(ratio, 0.94 * EXPERIMENTS, 0.97 * EXPERIMENTS);
}

/* 2 % more is seen in 20 runs that scatter by 1 %. */
static void test_small_differences_are_found(void **state)
{
	enum { EXPERIMENTS = 200, N = 20 };
	uint64_t seed = 99;
	size_t found = 0;

	for (int i = 0; i < EXPERIMENTS; i++) {
		double a[N], b[N];

		for (size_t k = 0; k < N; k++) {
			a[k] = 1 + 0.01 * normal(&seed);
			b[k] = 1.02 * (1 + 0.01 * normal(&seed));
		}
		found += compare(of(N, a), of(N, b)).different;
	}
	assert_true(found > 0.98 * EXPERIMENTS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_summary),
		cmocka_unit_test(test_outliers),
		cmocka_unit_test(test_student),
		cmocka_unit_test(test_interval_of_a_median),
		cmocka_unit_test(test_interval_of_a_mean),
		cmocka_unit_test(test_comparison),
		cmocka_unit_test(test_pairs_of_many),
		cmocka_unit_test(test_intervals_hold_the_truth),
		cmocka_unit_test(test_small_differences_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
