/* unwind/python/call_places.h - where functions are called from, as the copies of a process's
 * stacks showed.
 *
 * A caller may have gone on since its callee was copied, or be over: it stood then where it was
 * seen to call that function. What is certain counts at once, what may have been too late only when
 * it was seen more often than anything else. A function is known by the address of its code object,
 * an instruction as its frame has it. Memory: call_places_fini. Threads: one at a time. */
#ifndef GLIM_UNWIND_PYTHON_CALL_PLACES_H
#define GLIM_UNWIND_PYTHON_CALL_PLACES_H

#include "base/hash.h"
#include "base/vec.h"

enum { CALL_FRAMES = 4 }; /* that called a function are remembered */

struct call_place {
	uint64_t instruction;
	int votes;
};
struct call_places {
	struct map64 calls;   /* hashes of callee, caller and instruction, which are certain */
	struct map64 frames;  /* that made them, by hash of the callee and a small number */
	struct map64 numbers; /* of the place, by hash of callee and caller */
	VEC(struct call_place) places;
};

void call_places_fini(struct call_places *p);
/* A frame of the caller was at this instruction while the callee ran. */
void call_places_learn(struct call_places *p, uint64_t callee, uint64_t caller,
		       uint64_t instruction, uint64_t frame);
/* Most likely it was. */
void call_places_guess(struct call_places *p, uint64_t callee, uint64_t caller,
		       uint64_t instruction);
/* Was it learned that the caller calls from there? */
bool call_places_has(const struct call_places *p, uint64_t callee, uint64_t caller,
		     uint64_t instruction);
/* Where the caller calls from, mostly. False: not known well enough. */
bool call_places_find(const struct call_places *p, uint64_t callee, uint64_t caller, uint64_t *ret);
/* One of the CALL_FRAMES frames that called a function last; 0: none. */
uint64_t call_places_frame(const struct call_places *p, uint64_t callee, unsigned int i);

#endif
