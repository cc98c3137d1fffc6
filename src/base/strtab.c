#include "base/strtab.h"

void strtab_fini(struct strtab *t)
{
	vec_fini(&t->entries);
	hash_index_fini(&t->index);
	arena_fini(&t->text);
}

static uint32_t find(const struct strtab *t, uint64_t hash, const char *s, size_t len)
{
	struct hash_iter it;

	for (uint32_t i = hash_index_first(&t->index, hash, &it); i != HASH_NONE;
	     i = hash_index_next(&t->index, &it)) {
		const struct strtab_entry *e = &t->entries.data[i - 1];

		if (e->len == len && !memcmp(e->text, s, len))
			return i;
	}
	return HASH_NONE;
}

uint32_t strtab_find(const struct strtab *t, const char *s, size_t len)
{
	return len ? find(t, hash_bytes(s, len), s, len) : 0;
}

uint32_t strtab_put(struct strtab *t, const char *s, size_t len)
{
	if (!len)
		return 0;
	uint64_t hash = hash_bytes(s, len);
	uint32_t id = find(t, hash, s, len);

	if (id != HASH_NONE)
		return id;
	CHECK(len < UINT32_MAX && t->entries.len < UINT32_MAX - 2);
	vec_push(&t->entries,
		 (struct strtab_entry){arena_strndup(&t->text, s, len), (uint32_t)len});
	id = (uint32_t)t->entries.len;
	hash_index_add(&t->index, hash, id);
	return id;
}

uint32_t strtab_puts(struct strtab *t, const char *s)
{
	return strtab_put(t, s, strlen(s));
}

const char *strtab_get(const struct strtab *t, uint32_t id)
{
	CHECK(id <= t->entries.len);
	return id ? t->entries.data[id - 1].text : "";
}

size_t strtab_len(const struct strtab *t, uint32_t id)
{
	CHECK(id <= t->entries.len);
	return id ? t->entries.data[id - 1].len : 0;
}
