/* unwind/python/stack_copy.h - the memory that a thread's stack will most likely be found in,
 * copied at once.
 *
 * A running thread changes its frames while they are read one after the other, and what comes out
 * is a stack that never was. So the places where the last stacks lay are copied in one system call,
 * and the walk goes over the copy. Which frame is the current one is copied once, everything else
 * twice: a first image in the order of the walk, then a second one in the opposite order. What is
 * the same in both was so in between. What lies elsewhere is read late, and is copied from the next
 * time on; what was not needed for a while is left out again.
 *
 * Whoever copies a cache line takes it from the CPU of the thread, which is held up where it writes
 * there next, and would be found there too often. So nothing that a running thread writes is copied
 * before what tells which frame ran: the pointer to it, or the frames around it themselves.
 *
 * Memory: a copy belongs to its maker until stack_copy_fini. Threads: one at a time. */
#ifndef GLIM_UNWIND_PYTHON_STACK_COPY_H
#define GLIM_UNWIND_PYTHON_STACK_COPY_H

#include "base/vec.h"
#include "process/memory.h"

enum stack_image { STACK_FIRST, STACK_SECOND, STACK_IMAGES };
enum {
	STACK_COPY_BLOCK = 1024, /* bytes; a page is not read in part */
	STACK_COPY_BLOCKS = 4096,
	STACK_COPY_OTHERS = 80,
};

struct stack_block {
	uint64_t address;
	uint32_t used;	 /* clock of the last copy in which it was needed */
	uint32_t copied; /* clock of the last copy that has it */
	uint32_t turn; /* when it was needed first in that copy: walks begin at the thread state */
	uint32_t at;   /* number of its bytes among those read late */
	bool middle;   /* it leads to the current frame, and was copied once */
	bool middle_next;
	bool compared, same; /* the images of it with each other, in this copy */
};
struct stack_copy {
	VEC(struct stack_block) blocks; /* by address */
	uint8_t *bytes;			/* images of all of them */
	size_t bytes_cap;
	VEC(struct stack_block) late; /* in the order of reading */
	VEC(uint8_t) late_bytes;
	uint32_t clock, turns;
	bool pointer_tells; /* which frame ran, and not the frames; its maker may set it */
	bool in_middle;	    /* what is read now leads to the current frame */
	size_t hint;	    /* the block that was found last */
};

void stack_copy_fini(struct stack_copy *s);
/* Copy all blocks, and n other parts behind them. Where some memory is gone the blocks are
 * forgotten, and everything is read late; the value is false then. What was read late before is
 * merged in. */
bool stack_copy_take(struct stack_copy *s, const struct memory *m, const struct memory_part *others,
		     size_t n);
/* What was read since the copy was taken told which frame is the current one. */
static inline void stack_copy_leave_middle(struct stack_copy *s)
{
	s->in_middle = false;
}
/* n bytes of an image, or of live memory where the copy does not hold them. */
int stack_copy_read(struct stack_copy *s, const struct memory *m, enum stack_image image,
		    uint64_t address, void *buf, size_t n);
/* The same, only of what was copied, and without a wish to have it in the next copy: for places
 * that may hold anything. */
int stack_copy_peek(struct stack_copy *s, enum stack_image image, uint64_t address, void *buf,
		    size_t n);
/* Is the block of an address the same in both images? */
bool stack_copy_is_same(struct stack_copy *s, uint64_t address);
/* Was something read late since the copy was taken? */
static inline bool stack_copy_is_late(const struct stack_copy *s)
{
	return s->late.len;
}

#endif
