/* unwind/python/stack_belief.h - which calls a program was proven to make.
 *
 * When two copies that were taken one after the other agree about a stack, it did exist, or the
 * program came back to a state that is seldom to be met, which is less and less likely the more
 * often it is tried. So of each three frames that follow each other (caller's caller, caller,
 * callee, with the instructions of the calls) it is counted how often they were tried, and how
 * often the copies agreed. A stack of which one copy was taken may be torn, and is believed when
 * all of its calls are: so stacks that change while they are read need not be thrown away, which
 * would count fast code too low.
 *
 * Memory: belongs to the struct until stack_belief_fini. Threads: one at a time. */
#ifndef GLIM_UNWIND_PYTHON_STACK_BELIEF_H
#define GLIM_UNWIND_PYTHON_STACK_BELIEF_H

#include "base/hash.h"
#include "unwind/unwind_abi.h"

struct stack_belief {
	struct map64 calls; /* by hash of three frames: proofs << 32 | tries */
};

void stack_belief_fini(struct stack_belief *b);
/* Python entries of a whole stack, leaf first, were tried; copies agreed about the outer `same`. */
void stack_belief_learn(struct stack_belief *b, const struct unwind_entry *entries, uint32_t n,
			uint32_t same);
/* Are all calls of a stack proven? */
bool stack_belief_holds(const struct stack_belief *b, const struct unwind_entry *entries,
			uint32_t n);
/* Is one among them that was tried often, and hardly ever proven? */
bool stack_belief_doubts(const struct stack_belief *b, const struct unwind_entry *entries,
			 uint32_t n);

#endif
