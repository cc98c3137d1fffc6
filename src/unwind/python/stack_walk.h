/* unwind/python/stack_walk.h - the stack that a copy has, where it is certain.
 *
 * The walk is the kernel's; where two images of a frame tell different things it takes the one that
 * what the frames tell of themselves (live_frame.h) speaks for. Memory: belongs to the struct until
 * stack_walk_fini; a stack lives until the next call. Threads: one at a time. */
#ifndef GLIM_UNWIND_PYTHON_STACK_WALK_H
#define GLIM_UNWIND_PYTHON_STACK_WALK_H

#include "unwind/python/call_places.h"
#include "unwind/python/code_heads.h"
#include "unwind/python/stack_copy.h"
#include "unwind/unwind.h"

struct stack_walk {
	const struct python *python;
	struct code_heads *codes;
	struct call_places places;
	struct unwind_entry *entries[STACK_IMAGES]; /* of the walk over each image */
	uint64_t *frames[STACK_IMAGES];		    /* where each of them was */
};
/* A thread, and what is remembered of its stacks. */
struct stack_thread {
	uint64_t state; /* address of its PyThreadState */
	uint64_t id;	/* pthread_self */
	struct stack_copy copy;
	bool interrupted; /* taking it took too long to learn from it; its maker may set it */
	/* The outermost frame, by the majority of stacks, where frames do not tell that they are
	 * over: such a one has no caller, too. */
	uint64_t root;
	unsigned int root_votes;
};
struct walked_stack {
	struct unwind_entry *entries; /* leaf first */
	uint64_t *frames;	      /* the address of the frame of each */
	uint32_t count;
	uint8_t end; /* enum unwind_python_end */
};

/* py and codes must outlive it. */
void stack_walk_init(struct stack_walk *s, const struct python *py, struct code_heads *codes);
void stack_walk_fini(struct stack_walk *s);
/* The stack of a copy, by what its frames tell, or because all is the same in both images. False:
 * it is not certain; *ret has the outer part that is. Where a caller stood is sometimes not known
 * (UNWIND_LASTI_UNKNOWN). */
bool stack_walk_read(struct stack_walk *s, struct stack_thread *t, struct walked_stack *ret);

#endif
