/* unwind/python/stack_belief.h - which calls a program was proven to make.
 *
 * A stack that several copies in a row agree on did exist: each three frames of it that follow each
 * other (caller's caller, caller, callee, with the instructions of the calls) are proven. A stack
 * of which one copy was taken may be torn, and is believed when every three frames of it were
 * proven before, several times, and not far too seldom for how often they were seen. So stacks
 * that change while they are read need not be thrown away, which would count fast code too low.
 *
 * Memory: belongs to the struct until stack_belief_fini. Threads: one at a time. */
#ifndef GLIM_UNWIND_PYTHON_STACK_BELIEF_H
#define GLIM_UNWIND_PYTHON_STACK_BELIEF_H

#include "base/hash.h"
#include "unwind/unwind_abi.h"

struct stack_belief {
	struct map64 calls; /* by hash of three frames: proofs << 32 | sightings without one */
};

void stack_belief_fini(struct stack_belief *b);
/* Python entries of a whole stack, leaf first. */
bool stack_belief_holds(struct stack_belief *b, const struct unwind_entry *entries, uint32_t n);
/* Entries from number `from` on, which reach to the outermost, are proven. */
void stack_belief_prove(struct stack_belief *b, const struct unwind_entry *entries, uint32_t n,
			uint32_t from);

#endif
