#include "base/arena.h"

#include <stdarg.h>

/* Blocks grow from small to large: thousands of small arenas must not cost 64 KiB each. */
enum { ARENA_BLOCK_MIN = 1024, ARENA_BLOCK_MAX = 64 * 1024, ARENA_ALIGN = 16 };

struct arena_block {
	struct arena_block *next;
	size_t size;
	_Alignas(ARENA_ALIGN) char data[];
};

void arena_fini(struct arena *a)
{
	while (a->blocks) {
		struct arena_block *b = a->blocks;

		a->blocks = b->next;
		free(b);
	}
	*a = (struct arena){};
}

void *arena_alloc(struct arena *a, size_t n, size_t size)
{
	size_t bytes;

	CHECK(!__builtin_mul_overflow(n, size, &bytes) && bytes <= SIZE_MAX / 2);
	bytes = (bytes + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
	if (!a->blocks || a->blocks->size - a->used < bytes) {
		size_t grown = a->blocks ? MIN(a->blocks->size * 2, (size_t)ARENA_BLOCK_MAX)
					 : (size_t)ARENA_BLOCK_MIN;
		size_t want = MAX(bytes, grown);
		struct arena_block *b = mem_calloc(1, sizeof(*b) + want);

		b->size = want;
		b->next = a->blocks;
		a->blocks = b;
		a->used = 0;
	}
	void *p = a->blocks->data + a->used;

	a->used += bytes;
	a->total += bytes;
	return p;
}

char *arena_strndup(struct arena *a, const char *s, size_t len)
{
	char *p = arena_alloc(a, len + 1, 1);

	memcpy(p, s, len);
	return p;
}

char *arena_strdup(struct arena *a, const char *s)
{
	return arena_strndup(a, s, strlen(s));
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap, again;

	CHECK(fmt);
	va_start(ap, fmt);
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	CHECK(n >= 0);
	char *p = arena_alloc(a, (size_t)n + 1, 1);

	vsnprintf(p, (size_t)n + 1, fmt, again);
	va_end(again);
	return p;
}
