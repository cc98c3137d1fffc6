#include "base/vec.h"

void *vec_grow(void *data, size_t *cap, size_t want, size_t size)
{
	size_t n = *cap ? *cap : 8;

	while (n < want) {
		CHECK(n <= SIZE_MAX / 2);
		n *= 2;
	}
	*cap = n;
	return mem_reallocarray(data, n, size);
}
