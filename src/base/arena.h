/* base/arena.h - memory with one lifetime: a request, a query, a symbol file.
 *
 * Allocation is a pointer bump; everything goes at once with arena_fini. Memory is zeroed and
 * aligned to 16 bytes. Threads: one thread an arena. Zero bytes are an empty arena. */
#ifndef GLIM_BASE_ARENA_H
#define GLIM_BASE_ARENA_H

#include "base/base.h"

struct arena_block;
struct arena {
	struct arena_block *blocks;
	size_t used;  /* bytes used of the first block */
	size_t total; /* bytes handed out, for limits */
};

void arena_fini(struct arena *a);
void *arena_alloc(struct arena *a, size_t n, size_t size) __attribute__((returns_nonnull));
char *arena_strndup(struct arena *a, const char *s, size_t len) __attribute__((returns_nonnull));
char *arena_strdup(struct arena *a, const char *s) __attribute__((returns_nonnull));
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);

#define arena_new(a, type)	((type *)arena_alloc((a), 1, sizeof(type)))
#define arena_array(a, type, n) ((type *)arena_alloc((a), (n), sizeof(type)))

#endif
