/* unwind/native/places.h - which stretches of an array are free.
 *
 * Stretches are taken first fit, so that what is used stays together at the front. Memory: belongs
 * to the struct. Threads: one at a time. */
#ifndef GLIM_UNWIND_PLACES_H
#define GLIM_UNWIND_PLACES_H

#include "base/vec.h"

struct places_range {
	uint32_t first, count;
};
struct places {
	VEC(struct places_range) free; /* sorted, with something in use between any two */
	uint32_t left;		       /* free elements in all */
};

/* An array of `count` elements, all of them free. */
void places_init(struct places *p, uint32_t count);
void places_fini(struct places *p);
/* Take that many elements, one behind the other; count is not 0. -ENOSPC: none such is free. */
int places_take(struct places *p, uint32_t count, uint32_t *ret_first);
/* Give back what was taken, or any part of it. */
void places_give(struct places *p, uint32_t first, uint32_t count);

#endif
