#include "base/hash.h"

#include <xxhash.h>

uint64_t hash_bytes(const void *p, size_t n)
{
	return XXH3_64bits(p, n);
}

static uint32_t tag_of(uint64_t hash)
{
	return (uint32_t)(hash >> 32);
}

/* The slot is chosen by the tag alone so that growing needs nothing but the slots. */
static size_t home_of(uint32_t tag, size_t cap)
{
	return (size_t)((tag * 0x9e3779b97f4a7c15ULL) >> 32) & (cap - 1);
}

static uint32_t probe(const struct hash_index *h, struct hash_iter *it)
{
	while (h->slots[it->pos].value != HASH_NONE) {
		const struct hash_slot *s = &h->slots[it->pos];

		it->pos = (it->pos + 1) & (h->cap - 1);
		if (s->tag == it->tag)
			return s->value;
	}
	return HASH_NONE;
}

uint32_t hash_index_first(const struct hash_index *h, uint64_t hash, struct hash_iter *it)
{
	if (!h->cap)
		return HASH_NONE;
	it->tag = tag_of(hash);
	it->pos = home_of(it->tag, h->cap);
	return probe(h, it);
}

uint32_t hash_index_next(const struct hash_index *h, struct hash_iter *it)
{
	return probe(h, it);
}

static void place(struct hash_slot *slots, size_t cap, struct hash_slot s)
{
	size_t i = home_of(s.tag, cap);

	while (slots[i].value != HASH_NONE)
		i = (i + 1) & (cap - 1);
	slots[i] = s;
}

static void index_grow(struct hash_index *h)
{
	size_t cap = h->cap ? h->cap * 2 : 16;
	struct hash_slot *slots = mem_reallocarray(NULL, cap, sizeof(*slots));

	memset(slots, 0xff, cap * sizeof(*slots));
	for (size_t i = 0; i < h->cap; i++)
		if (h->slots[i].value != HASH_NONE)
			place(slots, cap, h->slots[i]);
	free(h->slots);
	h->slots = slots;
	h->cap = cap;
}

void hash_index_add(struct hash_index *h, uint64_t hash, uint32_t value)
{
	CHECK(value != HASH_NONE);
	if (h->len * 4 >= h->cap * 3)
		index_grow(h);
	place(h->slots, h->cap, (struct hash_slot){tag_of(hash), value});
	h->len++;
}

void hash_index_clear(struct hash_index *h)
{
	if (h->cap)
		memset(h->slots, 0xff, h->cap * sizeof(*h->slots));
	h->len = 0;
}

void hash_index_copy(struct hash_index *to, const struct hash_index *from)
{
	*to = *from;
	if (!from->cap)
		return;
	to->slots = mem_reallocarray(NULL, from->cap, sizeof(*to->slots));
	memcpy(to->slots, from->slots, from->cap * sizeof(*to->slots));
}

void hash_index_fini(struct hash_index *h)
{
	free(h->slots);
	*h = (struct hash_index){};
}

static size_t map64_home(uint64_t key, size_t cap)
{
	return (size_t)hash_mix(key, 0) & (cap - 1);
}

uint64_t *map64_get(const struct map64 *m, uint64_t key)
{
	if (!m->cap)
		return NULL;
	for (size_t i = map64_home(key, m->cap); m->slots[i].used; i = (i + 1) & (m->cap - 1))
		if (m->slots[i].key == key)
			return &m->slots[i].value;
	return NULL;
}

static void map64_place(struct map64 *m, uint64_t key, uint64_t value)
{
	size_t i = map64_home(key, m->cap);

	while (m->slots[i].used)
		i = (i + 1) & (m->cap - 1);
	m->slots[i] = (struct map64_slot){key, value, true};
	m->len++;
}

void map64_set(struct map64 *m, uint64_t key, uint64_t value)
{
	uint64_t *old = map64_get(m, key);

	if (old) {
		*old = value;
		return;
	}
	if (m->len * 4 >= m->cap * 3) {
		struct map64 grown = {.cap = m->cap ? m->cap * 2 : 16};

		grown.slots = mem_calloc(grown.cap, sizeof(*grown.slots));
		for (size_t i = 0; i < m->cap; i++)
			if (m->slots[i].used)
				map64_place(&grown, m->slots[i].key, m->slots[i].value);
		free(m->slots);
		*m = grown;
	}
	map64_place(m, key, value);
}

bool map64_remove(struct map64 *m, uint64_t key)
{
	uint64_t *value = map64_get(m, key);

	if (!value)
		return false;
	struct map64_slot *slot =
		(struct map64_slot *)((char *)value - offsetof(struct map64_slot, value));
	size_t hole = (size_t)(slot - m->slots);

	m->slots[hole].used = false;
	m->len--;
	/* Move back what was pushed past the hole, so that no tombstones are needed. */
	for (size_t i = (hole + 1) & (m->cap - 1); m->slots[i].used; i = (i + 1) & (m->cap - 1)) {
		size_t home = map64_home(m->slots[i].key, m->cap);
		bool between = hole <= i ? home > hole && home <= i : home > hole || home <= i;

		if (between)
			continue;
		m->slots[hole] = m->slots[i];
		m->slots[i].used = false;
		hole = i;
	}
	return true;
}

void map64_fini(struct map64 *m)
{
	free(m->slots);
	*m = (struct map64){};
}

struct map64_slot *map64_each(const struct map64 *m, size_t *pos)
{
	while (*pos < m->cap) {
		struct map64_slot *s = &m->slots[(*pos)++];

		if (s->used)
			return s;
	}
	return NULL;
}
