#include "unwind/python/stack_belief.h"

enum {
	MAX_CALLS = 1 << 17, /* beyond it everything is to be proven anew */
	MIN_PROOFS = 3,
	SEEN_A_PROOF = 16, /* a call that is seen more often than this for each proof is none */
};

void stack_belief_fini(struct stack_belief *b)
{
	map64_fini(&b->calls);
}

static uint64_t code_hash(const struct unwind_entry *e)
{
	return hash_mix(e->address, e->tag >> 8);
}

static uint64_t call_hash(const struct unwind_entry *e)
{
	return hash_mix(code_hash(e), e->lasti);
}

/* The number of the entry that called entry i, n where nobody did. */
static uint32_t caller(const struct unwind_entry *entries, uint32_t n, uint32_t i)
{
	do
		i++;
	while (i < n && (entries[i].tag & 0xff) == UNWIND_PYTHON_BOUNDARY);
	return MIN(i, n);
}

/* Entry i, which is code, and the two calls that led to it. */
static uint64_t three(const struct unwind_entry *entries, uint32_t n, uint32_t i)
{
	uint32_t second = caller(entries, n, i), third = caller(entries, n, second);

	return hash_mix(code_hash(&entries[i]),
			hash_mix(second < n ? call_hash(&entries[second]) : 1,
				 third < n ? call_hash(&entries[third]) : 2));
}

static void count(struct stack_belief *b, uint64_t key, uint64_t add)
{
	const uint64_t *known = map64_get(&b->calls, key);
	uint64_t v = known ? *known : 0;

	if (!known && b->calls.len >= MAX_CALLS)
		map64_fini(&b->calls);
	/* Halved together, so that the proportion stays. */
	if ((v & UINT32_MAX) >= UINT32_MAX / 2 || v >> 32 >= UINT32_MAX / 2)
		v = v >> 33 << 32 | (v & UINT32_MAX) >> 1;
	map64_set(&b->calls, key, v + add);
}

bool stack_belief_holds(struct stack_belief *b, const struct unwind_entry *entries, uint32_t n)
{
	bool all = true;

	for (uint32_t i = 0; i < n; i++) {
		const uint64_t *known;
		uint64_t key;

		if ((entries[i].tag & 0xff) == UNWIND_PYTHON_BOUNDARY)
			continue;
		key = three(entries, n, i);
		known = map64_get(&b->calls, key);
		if (known && *known >> 32 >= MIN_PROOFS &&
		    (*known >> 32) * SEEN_A_PROOF >= (*known & UINT32_MAX))
			continue;
		count(b, key, 1);
		all = false;
	}
	return all;
}

void stack_belief_prove(struct stack_belief *b, const struct unwind_entry *entries, uint32_t n,
			uint32_t from)
{
	for (uint32_t i = from; i < n; i++)
		if ((entries[i].tag & 0xff) != UNWIND_PYTHON_BOUNDARY)
			count(b, three(entries, n, i), 1ULL << 32);
}
