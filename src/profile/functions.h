/* profile/functions.h - the functions of a profile as a person tells them apart.
 *
 * Those with a name are one for all their frames, whatever the line; those without are one an
 * address. Tables, trees and differences are made over these numbers.
 *
 * Memory: belongs to the struct; the profile must outlive it. Threads: one at a time; what nobody
 * changes may be read by many. */
#ifndef GLIM_PROFILE_FUNCTIONS_H
#define GLIM_PROFILE_FUNCTIONS_H

#include "profile/profile.h"

struct function {
	struct profile_function f;
	uint32_t name; /* in names: made from the address; 0: the profile has it */
};
struct functions {
	const struct profile *profile;
	VEC(struct function) list;
	uint32_t *of_frame; /* the number of a frame of the profile -> into list */
	struct strtab names;
};

void functions_init(struct functions *ret_f, const struct profile *p);
void functions_fini(struct functions *f);
/* What to show: the name, or module+0xADDRESS where there is none. */
const char *functions_name(const struct functions *f, uint32_t function);
/* Order by what is shown: name, then file, kind, module, first line; 0 only for equal ones. */
int functions_compare(const struct functions *f, uint32_t a, uint32_t b);

#endif
