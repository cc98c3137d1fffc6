#include "unwind/python/code_heads.h"

enum {
	MAX_CODES = 32768,
	FIRST_PLACE = 1 << 16, /* the lowest address that Linux maps, vm.mmap_min_addr */
};
/* A code object's words are read again after this, for another may lie in its place. */
static const int64_t believed_ns = 1000000, recent_ns = 100000000;

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

static const struct code_head *unless_failed(const struct code_head *h)
{
	return h->failed ? NULL : h;
}

const struct code_head *code_heads_get(struct code_heads *c, uint64_t address)
{
	struct code_head *known;
	struct code_head new = {.address = address, .read_ns = c->now_ns};

	if (address < FIRST_PLACE || address % sizeof(new.words[0]))
		return NULL;
	known = code_heads_known(c, address);
	if (known && c->now_ns - known->read_ns < believed_ns)
		return unless_failed(known);
	new.failed = memory_read(c->memory, address, new.words, sizeof(new.words));
	if (known) {
		*known = new;
		return unless_failed(known);
	}
	if (c->heads.len >= MAX_CODES) {
		vec_clear(&c->heads);
		map64_fini(&c->by_address);
	}
	map64_set(&c->by_address, address, c->heads.len);
	vec_push(&c->heads, new);
	return unless_failed(&c->heads.data[c->heads.len - 1]);
}

const struct code_head *code_heads_recent(struct code_heads *c, uint64_t address)
{
	const struct code_head *known = code_heads_known(c, address);

	if (known && !known->failed && c->now_ns - known->read_ns < recent_ns)
		return known;
	return code_heads_get(c, address);
}
