#include "unwind/python/stack_belief.h"

enum {
	MAX_CALLS = 1 << 17, /* beyond it everything is to be proven anew */
	MIN_PROOFS = 3,
	MIN_DOUBTS = 32,      /* times that it was seen before a call is doubted */
	TRIES_A_PROOF = 1024, /* a call that is seen more often than this for each proof is none */
	OUTERMOST_TRIES_A_PROOF = 3,
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

static void count(struct stack_belief *b, uint64_t key, bool agreed)
{
	const uint64_t *known = map64_get(&b->calls, key);
	uint64_t v = known ? *known : 0;

	if (!known && b->calls.len >= MAX_CALLS)
		map64_fini(&b->calls);
	/* Halved together, so that the proportion stays. */
	if ((v & UINT32_MAX) == UINT32_MAX)
		v = v >> 33 << 32 | (v & UINT32_MAX) >> 1;
	map64_set(&b->calls, key, v + 1 + ((uint64_t)agreed << 32));
}

void stack_belief_learn(struct stack_belief *b, const struct unwind_entry *entries, uint32_t n,
			uint32_t same)
{
	for (uint32_t i = 0; i < n; i++)
		if ((entries[i].tag & 0xff) != UNWIND_PYTHON_BOUNDARY)
			count(b, three(entries, n, i), i >= n - same);
}

/* What is known of entry i and its callers. */
static uint64_t known_of(const struct stack_belief *b, const struct unwind_entry *entries,
			 uint32_t n, uint32_t i)
{
	const uint64_t *known = map64_get(&b->calls, three(entries, n, i));

	return known ? *known : 0;
}

/* Did the copies agree in a part of the tries that is large enough? The outermost frame of a thread
 * stays where it is; one that just returned looks like one on the heap of old versions. */
static bool agreed_often(uint64_t known, bool outermost)
{
	uint64_t tries = outermost ? OUTERMOST_TRIES_A_PROOF : TRIES_A_PROOF;

	return (known >> 32) * tries >= (known & UINT32_MAX);
}

bool stack_belief_holds(const struct stack_belief *b, const struct unwind_entry *entries,
			uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		uint64_t known;

		if ((entries[i].tag & 0xff) == UNWIND_PYTHON_BOUNDARY)
			continue;
		known = known_of(b, entries, n, i);
		if (known >> 32 < MIN_PROOFS || !agreed_often(known, caller(entries, n, i) == n))
			return false;
	}
	return true;
}

bool stack_belief_doubts(const struct stack_belief *b, const struct unwind_entry *entries,
			 uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		uint64_t known;

		if ((entries[i].tag & 0xff) == UNWIND_PYTHON_BOUNDARY)
			continue;
		known = known_of(b, entries, n, i);
		if ((known & UINT32_MAX) >= MIN_DOUBTS &&
		    !agreed_often(known, caller(entries, n, i) == n))
			return true;
	}
	return false;
}
