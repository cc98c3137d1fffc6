/* profile/filter.h - the functions and the samples that a person names.
 *
 * Threads: one at a time. */
#ifndef GLIM_PROFILE_FILTER_H
#define GLIM_PROFILE_FILTER_H

#include "profile/functions.h"

/* Which functions does text name: those that are called exactly so, else those whose name has it in
 * it. ret_chosen: one a function of f; returns how many are chosen. */
size_t filter_functions(const struct functions *f, const char *text, bool *ret_chosen);
/* Forget all samples of p but those that text names: "LABEL=VALUE" with a label that p has, else
 * those with such a function in their stack. Returns how many are left. */
size_t filter_samples(struct profile *p, const char *text);

#endif
