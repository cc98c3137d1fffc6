/* symbol/budget.h - how much time may be spent on reading files: a share of all time, and something
 * for the start.
 *
 * Whoever runs programs on a host decides how many files there are and how large; samples wait
 * while one is read. Zero bytes are a budget with nothing spent. Threads: one at a time. */
#ifndef GLIM_SYMBOL_BUDGET_H
#define GLIM_SYMBOL_BUDGET_H

#include <stdbool.h>

#include "base/clock.h"

struct budget {
	int64_t spent_ns; /* of the burst, less what time has given back */
	int64_t seen_ns;  /* when that was */
};

/* May more be spent now? share: one part in so many of the time comes back. */
static inline bool budget_left(struct budget *b, int64_t now_ns, int64_t share, int64_t burst_ns)
{
	b->spent_ns -= (now_ns - b->seen_ns) / share;
	if (b->spent_ns < 0)
		b->spent_ns = 0;
	b->seen_ns = now_ns;
	return b->spent_ns < burst_ns;
}

static inline void budget_spend(struct budget *b, int64_t ns)
{
	b->spent_ns += ns;
}

#endif
