/* unwind/python/states.h - one stack of a thread that is in several interpreters.
 *
 * Pure: entries come in as the walk left them, state by state. Memory: the caller's. */
#ifndef GLIM_UNWIND_PYTHON_STATES_H
#define GLIM_UNWIND_PYTHON_STATES_H

#include "unwind/unwind_abi.h"

/* Put the states that UNWIND_PYTHON_STATE stands between behind each other, the innermost first,
 * without these marks. Where they lie on the C stack tells the order, from 3.12 on; else who was
 * made later, which is listed first, was called by those before. ret has room for n. Returns how
 * many entries there are. */
uint32_t python_join_states(const struct unwind_entry *entries, uint32_t n,
			    struct unwind_entry *ret);

#endif
