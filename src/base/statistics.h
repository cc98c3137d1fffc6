/* base/statistics.h - what a measurement that was repeated says, and whether two differ.
 *
 * Nothing is assumed of how the values scatter, as times do not scatter normally: a slow run is far
 * off, a fast one never is. So intervals of medians and of differences are by ranks; only that of a
 * mean, which has no other, is Student's. An interval at level 0.95 holds the truth in 95 of 100
 * experiments, as far as the values of one are independent. All is exact arithmetic on what was
 * measured: no random numbers, the same values give the same answer.
 *
 * Values must be finite. Memory: statistics_init copies, statistics_fini frees. Threads: any. */
#ifndef GLIM_BASE_STATISTICS_H
#define GLIM_BASE_STATISTICS_H

#include "base/base.h"

struct interval {
	double low, high;
};
struct statistics {
	double *sorted; /* the values, ascending */
	size_t n;	/* at least 1 */
	double min, max, mean, median;
	double low_quartile, high_quartile;
	double deviation; /* standard deviation of what the values are a sample of; 0 for one */
};

void statistics_init(struct statistics *s, const double *values, size_t n);
void statistics_fini(struct statistics *s);

/* The value below which the share q (0 to 1) of them lies, between two neighbours in proportion. */
double statistics_quantile(const struct statistics *s, double q);
/* Where the median of what was sampled lies, at least at this level. False: there are too few
 * values to say (it takes 6 for 0.95); ret is all that they span, then. */
bool statistics_median_interval(const struct statistics *s, double level, struct interval *ret);
/* Where its mean lies, by Student's distribution. False, and all that they span: one value. */
bool statistics_mean_interval(const struct statistics *s, double level, struct interval *ret);

/* What lies outside is an outlier: 1.5 quartile ranges from the quartiles, as in a box plot, and at
 * least 1 % of the median, as values that are all but equal have none. */
struct interval statistics_fences(const struct statistics *s);
struct outliers {
	size_t low, high;
};
struct outliers statistics_outliers(const struct statistics *s);

/* How much more b is than a, a typical value of the one against a typical of the other. The
 * estimate is the median of all pairs (Hodges and Lehmann), the interval by ranks of the pairs
 * (Moses), p by Mann and Whitney's test: how often two samples of the same would differ as much.
 * The three agree: an interval leaves out 0 (of a ratio, 1) when p < 1 - level, and not otherwise.
 */
struct comparison {
	double difference, ratio; /* b - a, b / a */
	struct interval difference_interval, ratio_interval;
	double p;
	bool known; /* there were enough values; else the intervals are all that the pairs span */
	bool different; /* known, and the interval leaves out no difference */
};
/* Ratios are NAN where a value of a is not above 0, or one of b is below it. */
void statistics_compare(const struct statistics *a, const struct statistics *b, double level,
			struct comparison *ret);

/* How probable it is that Student's t is at most this. */
double student_probability(double t, double freedom);
/* The t of which that is true, 0.5 <= probability < 1. */
double student_quantile(double probability, double freedom);

#endif
