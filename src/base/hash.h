/* base/hash.h - hash tables for numbers, the core of every interning table.
 *
 * struct hash_index finds candidates for a 64-bit hash among the caller's own array elements: the
 * caller compares. struct map64 maps one 64-bit number to another and can forget.
 * Zero bytes are an empty table; *_fini frees. Threads: one at a time. */
#ifndef GLIM_BASE_HASH_H
#define GLIM_BASE_HASH_H

#include "base/base.h"

/* xxHash of n bytes (never 0 is not promised); hash_mix joins two hashes. */
uint64_t hash_bytes(const void *p, size_t n);
static inline uint64_t hash_mix(uint64_t a, uint64_t b)
{
	a ^= b + 0x9e3779b97f4a7c15ULL + (a << 12) + (a >> 4);
	a ^= a >> 32;
	a *= 0xd6e8feb86659fd93ULL;
	return a ^ (a >> 32);
}

#define HASH_NONE UINT32_MAX

struct hash_slot {
	uint32_t tag;
	uint32_t value;
};
struct hash_index {
	struct hash_slot *slots;
	size_t len;
	size_t cap; /* a power of two, or 0 */
};
struct hash_iter {
	size_t pos;
	uint32_t tag;
};

/* First and next value that was added under hash, HASH_NONE at the end. */
uint32_t hash_index_first(const struct hash_index *h, uint64_t hash, struct hash_iter *it);
uint32_t hash_index_next(const struct hash_index *h, struct hash_iter *it);
void hash_index_add(struct hash_index *h, uint64_t hash, uint32_t value);
void hash_index_clear(struct hash_index *h);
/* Make an empty index the same as another. */
void hash_index_copy(struct hash_index *to, const struct hash_index *from);
void hash_index_fini(struct hash_index *h);

struct map64_slot {
	uint64_t key;
	uint64_t value;
	bool used;
};
struct map64 {
	struct map64_slot *slots;
	size_t len;
	size_t cap;
};

/* Pointer to the value of key, or NULL; it dies at the next set or remove. */
uint64_t *map64_get(const struct map64 *m, uint64_t key);
void map64_set(struct map64 *m, uint64_t key, uint64_t value);
bool map64_remove(struct map64 *m, uint64_t key);
void map64_fini(struct map64 *m);
/* Walk all pairs: `for (size_t i = 0; (s = map64_each(m, &i));)`; no set or remove meanwhile. */
struct map64_slot *map64_each(const struct map64 *m, size_t *pos);

#endif
