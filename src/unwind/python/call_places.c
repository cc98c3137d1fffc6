#include "unwind/python/call_places.h"

enum {
	GUESSED = 1, /* votes */
	CERTAIN = 3,
	BELIEVED = 2,
	MAX_VOTES = 64,
	MAX_CALLS = 1 << 16,
	FRAME_ALIGNMENT = 16,
};

void call_places_fini(struct call_places *p)
{
	map64_fini(&p->calls);
	map64_fini(&p->frames);
	map64_fini(&p->numbers);
	vec_fini(&p->places);
}

static uint64_t call_key(uint64_t callee, uint64_t caller, uint64_t instruction)
{
	return hash_mix(hash_mix(callee, caller), instruction);
}

static void forget_when_full(struct call_places *p)
{
	if (p->calls.len < MAX_CALLS && p->places.len < MAX_CALLS)
		return;
	call_places_fini(p);
	*p = (struct call_places){};
}

static void vote(struct call_places *p, uint64_t callee, uint64_t caller, uint64_t instruction,
		 int votes)
{
	uint64_t key = hash_mix(callee, caller), *number;
	struct call_place *place;

	forget_when_full(p);
	number = map64_get(&p->numbers, key);
	if (!number) {
		map64_set(&p->numbers, key, p->places.len);
		vec_push(&p->places, (struct call_place){instruction, votes});
		return;
	}
	place = &p->places.data[*number];
	if (place->instruction == instruction)
		place->votes = MIN(place->votes + votes, (int)MAX_VOTES);
	else if (place->votes >= votes)
		place->votes -= votes;
	else
		*place = (struct call_place){instruction, votes};
}

void call_places_learn(struct call_places *p, uint64_t callee, uint64_t caller,
		       uint64_t instruction, uint64_t frame)
{
	vote(p, callee, caller, instruction, CERTAIN);
	map64_set(&p->calls, call_key(callee, caller, instruction), 1);
	map64_set(&p->frames, hash_mix(callee, frame / FRAME_ALIGNMENT % CALL_FRAMES), frame);
}

void call_places_guess(struct call_places *p, uint64_t callee, uint64_t caller,
		       uint64_t instruction)
{
	vote(p, callee, caller, instruction, GUESSED);
}

bool call_places_has(const struct call_places *p, uint64_t callee, uint64_t caller,
		     uint64_t instruction)
{
	return map64_get(&p->calls, call_key(callee, caller, instruction));
}

bool call_places_find(const struct call_places *p, uint64_t callee, uint64_t caller, uint64_t *ret)
{
	const uint64_t *number = map64_get(&p->numbers, hash_mix(callee, caller));
	const struct call_place *place = number ? &p->places.data[*number] : NULL;

	if (!place || place->votes < BELIEVED)
		return false;
	*ret = place->instruction;
	return true;
}

uint64_t call_places_frame(const struct call_places *p, uint64_t callee, unsigned int i)
{
	const uint64_t *frame = map64_get(&p->frames, hash_mix(callee, i));

	return frame ? *frame : 0;
}
