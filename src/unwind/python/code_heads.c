#include "unwind/python/code_heads.h"

enum { MAX_CODES = 32768 };
/* A code object's words are read again after this, for another may lie in its place. */
static const int64_t believed_ns = 1000000;

void code_heads_fini(struct code_heads *c)
{
	vec_fini(&c->heads);
	map64_fini(&c->by_address);
}

struct code_head *code_heads_known(struct code_heads *c, uint64_t address)
{
	const uint64_t *known = map64_get(&c->by_address, address);

	return known ? &c->heads.data[*known] : NULL;
}

const struct code_head *code_heads_get(struct code_heads *c, uint64_t address)
{
	struct code_head *known = code_heads_known(c, address);
	struct code_head new = {.address = address, .read_ns = c->now_ns};

	if (known && c->now_ns - known->read_ns < believed_ns)
		return known;
	if (memory_read(c->memory, address, new.words, sizeof(new.words)))
		return NULL;
	if (known) {
		*known = new;
		return known;
	}
	if (c->heads.len >= MAX_CODES) {
		vec_clear(&c->heads);
		map64_fini(&c->by_address);
	}
	map64_set(&c->by_address, address, c->heads.len);
	vec_push(&c->heads, new);
	return &c->heads.data[c->heads.len - 1];
}
