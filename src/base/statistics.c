#include "base/statistics.h"

#include <math.h>

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

void statistics_init(struct statistics *s, const double *values, size_t n)
{
	double sum = 0, squares = 0;

	CHECK(n > 0);
	*s = (struct statistics){.sorted = mem_calloc(n, sizeof(*values)), .n = n};
	memcpy(s->sorted, values, n * sizeof(*values));
	qsort(s->sorted, n, sizeof(*values), by_value);
	s->min = s->sorted[0];
	s->max = s->sorted[n - 1];
	for (size_t i = 0; i < n; i++)
		sum += s->sorted[i];
	/* Rounding must not carry it out of what it is the mean of. */
	s->mean = fmin(fmax(sum / (double)n, s->min), s->max);
	for (size_t i = 0; i < n; i++)
		squares += (s->sorted[i] - s->mean) * (s->sorted[i] - s->mean);
	s->deviation = n > 1 ? sqrt(squares / (double)(n - 1)) : 0;
	s->median = statistics_quantile(s, 0.5);
	s->low_quartile = statistics_quantile(s, 0.25);
	s->high_quartile = statistics_quantile(s, 0.75);
}

void statistics_fini(struct statistics *s)
{
	free(s->sorted);
	*s = (struct statistics){};
}

double statistics_quantile(const struct statistics *s, double q)
{
	double at = fmin(fmax(q, 0), 1) * (double)(s->n - 1);
	size_t below = (size_t)at;

	if (below + 1 >= s->n)
		return s->max;
	return s->sorted[below] + (at - (double)below) * (s->sorted[below + 1] - s->sorted[below]);
}

struct interval statistics_fences(const struct statistics *s)
{
	double reach = fmax(1.5 * (s->high_quartile - s->low_quartile), 0.01 * fabs(s->median));

	return (struct interval){s->low_quartile - reach, s->high_quartile + reach};
}

struct outliers statistics_outliers(const struct statistics *s)
{
	struct interval fences = statistics_fences(s);
	struct outliers o = {};

	for (size_t i = 0; i < s->n; i++) {
		o.low += s->sorted[i] < fences.low;
		o.high += s->sorted[i] > fences.high;
	}
	return o;
}

/* ---- one sample ---- */

bool statistics_median_interval(const struct statistics *s, double level, struct interval *ret)
{
	/* The median lies below the k-th value when fewer than k fell below it: a coin thrown n
	 * times. */
	double n = (double)s->n, tail = 0;
	size_t k = 0;

	for (; k < s->n / 2; k++) {
		double i = (double)k;

		tail += exp(lgamma(n + 1) - lgamma(i + 1) - lgamma(n - i + 1) - n * M_LN2);
		if (tail > (1 - level) / 2)
			break;
	}
	*ret = (struct interval){s->sorted[k ? k - 1 : 0], s->sorted[k ? s->n - k : s->n - 1]};
	return k > 0;
}

/* The continued fraction of the incomplete beta function, by Lentz' method. */
static double beta_fraction(double x, double a, double b)
{
	enum { MAX_STEPS = 10000 };
	const double tiny = 1e-300;
	double c = 1, d = 1 - (a + b) * x / (a + 1), f;

	d = 1 / (fabs(d) < tiny ? tiny : d);
	f = d;
	for (int i = 1; i < MAX_STEPS; i++) {
		double m = i, even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
		double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));

		d = 1 + even * d;
		c = 1 + even / c;
		d = 1 / (fabs(d) < tiny ? tiny : d);
		f *= d * (fabs(c) < tiny ? tiny : c);
		d = 1 + odd * d;
		c = 1 + odd / (fabs(c) < tiny ? tiny : c);
		d = 1 / (fabs(d) < tiny ? tiny : d);
		f *= d * (fabs(c) < tiny ? tiny : c);
		if (fabs(d * c - 1) < 1e-15)
			break;
	}
	return f;
}

/* The regularized incomplete beta function. */
static double beta_share(double x, double a, double b)
{
	if (x <= 0 || x >= 1)
		return x >= 1;
	double front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x));

	/* The fraction is quick on one side of the mean only. */
	return x < (a + 1) / (a + b + 2) ? front * beta_fraction(x, a, b) / a
					 : 1 - front * beta_fraction(1 - x, b, a) / b;
}

double student_probability(double t, double freedom)
{
	double outside = beta_share(freedom / (freedom + t * t), freedom / 2, 0.5) / 2;

	return t > 0 ? 1 - outside : outside;
}

double student_quantile(double probability, double freedom)
{
	double low = 0, high = 1;

	while (student_probability(high, freedom) < probability && high < 1e15)
		high *= 2;
	for (int i = 0; i < 100; i++) {
		double middle = (low + high) / 2;

		*(student_probability(middle, freedom) < probability ? &low : &high) = middle;
	}
	return high;
}

bool statistics_mean_interval(const struct statistics *s, double level, struct interval *ret)
{
	*ret = (struct interval){s->min, s->max};
	if (s->n < 2)
		return false;
	double reach = student_quantile((1 + level) / 2, (double)(s->n - 1)) * s->deviation /
		       sqrt((double)s->n);

	*ret = (struct interval){s->mean - reach, s->mean + reach};
	return true;
}

/* ---- two samples ---- */

/* Up to that many pairs Mann and Whitney's distribution is counted out; it is normal above, to
 * three digits. */
enum { MAX_COUNTED = 1600 };

/* The probabilities of 0, 1, ... n * m of all pairs being the other way round, when both samples
 * are of the same. The last value of all is of the one or of the other: with it, all m, or none of
 * its pairs count. */
static double *mann_whitney(size_t n, size_t m)
{
	size_t width = n * m + 1;
	double *rows = mem_calloc(m + 1, width * sizeof(*rows)), *last;

	for (size_t i = 0; i <= n; i++) {
		for (size_t j = 0; j <= m; j++) {
			double *row = rows + j * width, whole = (double)(i + j);

			/* Downwards, as the row is that of i - 1 until then. */
			for (size_t u = i * j + 1; u-- > 0;) {
				double with = i && u >= j ? row[u - j] : 0;
				double without = j ? (row - width)[u] : 0;

				row[u] = i + j ? ((double)i * with + (double)j * without) / whole
					       : 1;
			}
		}
	}
	last = mem_calloc(width, sizeof(*last));
	memcpy(last, rows + m * width, width * sizeof(*last));
	free(rows);
	return last;
}

/* How probable it is that at most u of n * m pairs are the other way round. */
struct pair_odds {
	double *counted; /* cumulated, or NULL: */
	double mean, deviation;
};

static struct pair_odds pair_odds_new(size_t n, size_t m)
{
	double a = (double)n, b = (double)m;
	struct pair_odds o = {.mean = a * b / 2, .deviation = sqrt(a * b * (a + b + 1) / 12)};

	if (a * b > MAX_COUNTED)
		return o;
	o.counted = mann_whitney(MAX(n, m), MIN(n, m));
	for (size_t i = 1; i <= n * m; i++)
		o.counted[i] += o.counted[i - 1];
	return o;
}

static double pair_odds_at_most(const struct pair_odds *o, uint64_t u)
{
	if (o->counted)
		return o->counted[u];
	return erfc(-((double)u + 0.5 - o->mean) / o->deviation / M_SQRT2) / 2;
}

/* All pairs of a value of a and one of b. */
struct pairs {
	const struct statistics *a, *b;
	bool ratio;
};

static double pair_value(const struct pairs *p, double a, double b)
{
	return p->ratio ? b / a : b - a;
}

/* How many pairs have less than x, or with `equal` at most x. Both are sorted, so that the values
 * of b which are low enough grow with a. */
static uint64_t pairs_below(const struct pairs *p, double x, bool equal)
{
	uint64_t count = 0;
	size_t j = 0;

	for (size_t i = 0; i < p->a->n; i++) {
		for (; j < p->b->n; j++) {
			double v = pair_value(p, p->a->sorted[i], p->b->sorted[j]);

			if (equal ? v > x : v >= x)
				break;
		}
		count += j;
	}
	return count;
}

/* The pair of this rank, from 1: by halving, as they are too many to sort. Doubles between two
 * others end after some hundred steps. */
static double pair_of_rank(const struct pairs *p, uint64_t rank)
{
	double low, high;

	/* The least ratio is that of the least b and the greatest a; all are positive. */
	low = pair_value(p, p->a->max, p->b->min);
	high = pair_value(p, p->a->min, p->b->max);
	if (pairs_below(p, low, true) >= rank)
		return low;
	for (int i = 0; i < 200; i++) {
		double middle = low + (high - low) / 2;

		if (middle <= low || middle >= high)
			break;
		*(pairs_below(p, middle, true) >= rank ? &high : &low) = middle;
	}
	return high;
}

/* cut: as many pairs lie outside at either end. */
static double pairs_estimate(const struct pairs *p, uint64_t cut, struct interval *ret)
{
	uint64_t all = (uint64_t)p->a->n * p->b->n;

	*ret = (struct interval){pair_of_rank(p, cut + 1), pair_of_rank(p, all - cut)};
	double low = pair_of_rank(p, (all + 1) / 2);

	return all % 2 ? low : low + (pair_of_rank(p, all / 2 + 1) - low) / 2;
}

void statistics_compare(const struct statistics *a, const struct statistics *b, double level,
			struct comparison *ret)
{
	struct pairs differences = {a, b, false}, ratios = {a, b, true};
	struct pair_odds odds = pair_odds_new(a->n, b->n);
	uint64_t all = (uint64_t)a->n * b->n, down, up, low = 0, high = (all + 1) / 2;
	double tail = (1 - level) / 2;
	struct comparison c = {.ratio = NAN, .ratio_interval = {NAN, NAN}};

	/* Equal values speak against a difference, whichever way. */
	down = pairs_below(&differences, 0, true);
	up = all - pairs_below(&differences, 0, false);
	c.p = fmin(1, 2 * pair_odds_at_most(&odds, MIN(down, up)));
	/* The interval leaves out as many pairs as may still be the other way round by chance. */
	c.known = pair_odds_at_most(&odds, 0) < tail;
	while (c.known && low + 1 < high) {
		uint64_t middle = (low + high) / 2;

		*(pair_odds_at_most(&odds, middle) < tail ? &low : &high) = middle;
	}
	free(odds.counted);
	c.difference = pairs_estimate(&differences, low, &c.difference_interval);
	c.different = c.known && (c.difference_interval.low > 0 || c.difference_interval.high < 0);
	if (a->min > 0 && b->min >= 0)
		c.ratio = pairs_estimate(&ratios, low, &c.ratio_interval);
	*ret = c;
}
