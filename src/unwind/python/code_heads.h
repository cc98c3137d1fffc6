/* unwind/python/code_heads.h - the first words of code objects, remembered.
 *
 * A sample carries a check that is made of them (python_check.h). Code objects live long, so that
 * their words are read once a millisecond at most. Memory: belongs to the struct until
 * code_heads_fini; a head until the next call. Threads: one at a time. */
#ifndef GLIM_UNWIND_PYTHON_CODE_HEADS_H
#define GLIM_UNWIND_PYTHON_CODE_HEADS_H

#include "base/hash.h"
#include "base/vec.h"
#include "process/memory.h"
#include "unwind/unwind_abi.h"

/* The words of a code object that python_code_check() is made of. */
struct code_head {
	uint64_t address; /* of the words */
	int64_t read_ns;
	bool failed; /* there was nothing to be read */
	uint32_t words[PYTHON_CODE_WORDS];
};
struct code_heads {
	const struct memory *memory;
	int64_t now_ns; /* the caller's clock */
	VEC(struct code_head) heads;
	struct map64 by_address;
};

void code_heads_fini(struct code_heads *c);
/* What is known of the words at an address, however old; NULL: nothing. */
struct code_head *code_heads_known(struct code_heads *c, uint64_t address);
/* The words at an address; NULL: they cannot be read, which is remembered, too: a frame that is
 * being made has anything for its code. */
const struct code_head *code_heads_get(struct code_heads *c, uint64_t address);
/* The same, but they may be some samples old: enough where the frames that are shown are read. */
const struct code_head *code_heads_recent(struct code_heads *c, uint64_t address);

#endif
