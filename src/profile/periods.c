#include "profile/periods.h"

int64_t periods_weight(int64_t period, int64_t count, int64_t value)
{
	return MAX(period > 0 ? value : count, (int64_t)0);
}

void periods_init(struct periods *p, int64_t period, int64_t total)
{
	uint64_t one = period > 0 ? (uint64_t)period : 1;
	uint64_t all = MIN((uint64_t)MAX(total, (int64_t)0), one);

	*p = (struct periods){.period = one, .rest = all ? MAX(one / 2, one - all) : 0};
}

int64_t periods_next(struct periods *p, int64_t weight)
{
	/* Below 2^64: both are numbers without a sign of 63 bits. */
	uint64_t all = p->rest + (uint64_t)MAX(weight, (int64_t)0);

	p->rest = all % p->period;
	return (int64_t)MIN(all / p->period, (uint64_t)INT64_MAX);
}
