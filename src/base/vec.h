/* base/vec.h - a growable array of any type.
 *
 *	VEC(struct frame) frames = {};
 *	vec_push(&frames, f);                  frames.data[0 .. frames.len - 1]
 *	vec_fini(&frames);
 *
 * Zero bytes are an empty vector. Pointers into data die at the next push. */
#ifndef GLIM_BASE_VEC_H
#define GLIM_BASE_VEC_H

#include "base/base.h"

#define VEC(type)                                                                                  \
	struct {                                                                                   \
		type *data;                                                                        \
		size_t len;                                                                        \
		size_t cap;                                                                        \
	}

void *vec_grow(void *data, size_t *cap, size_t want, size_t size);

/* Make room for n more elements. */
#define vec_reserve(v, n)                                                                          \
	((v)->len + (n) > (v)->cap                                                                 \
		 ? (void)((v)->data = vec_grow((v)->data, &(v)->cap, (v)->len + (n),               \
					       sizeof(*(v)->data)))                                \
		 : (void)0)
#define vec_push(v, ...) (vec_reserve((v), 1), (void)((v)->data[(v)->len++] = (__VA_ARGS__)))
#define vec_clear(v)	 ((void)((v)->len = 0))
#define vec_fini(v)	 (free((v)->data), (v)->data = NULL, (void)((v)->len = (v)->cap = 0))

#endif
