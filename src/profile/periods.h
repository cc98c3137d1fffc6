/* profile/periods.h - values as numbers of samples, for text that has nothing else.
 *
 * A sample may stand for more or less than one period: those of the reader stand for the time that
 * their thread ran. What is rounded off one value is added to the next, so that any sum of
 * neighbours is right to less than one: of lines in the order of their text, the total below every
 * caller. Samples of one period each come out as their number.
 *
 * Memory: the caller's. Threads: any. */
#ifndef GLIM_PROFILE_PERIODS_H
#define GLIM_PROFILE_PERIODS_H

#include "profile/profile.h"

struct periods {
	uint64_t period, rest; /* what was rounded off so far, and half a period */
};
/* What periods_next is to count: the value, or how often it was seen where `period` is unknown. */
int64_t periods_weight(int64_t period, int64_t count, int64_t value);
/* total: of all weights that follow. Some are never rounded to none. */
void periods_init(struct periods *p, int64_t period, int64_t total);
/* How many periods the next weight is; less than nothing counts as nothing. */
int64_t periods_next(struct periods *p, int64_t weight);

#endif
