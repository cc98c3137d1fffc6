/* unwind/join.h - one stack out of two chains: native frames, with the Python frames in the places
 * where the interpreter's loop ran them: by what the loop keeps in its part of the stack (3.12),
 * else by its code.
 *
 * Pure: all that is known of the process comes in. Memory: frames belong to the caller. */
#ifndef GLIM_UNWIND_JOIN_H
#define GLIM_UNWIND_JOIN_H

#include "unwind/unwind.h"

struct join_input {
	const struct unwind_entry *native; /* leaf first */
	uint32_t native_count;
	uint8_t native_end; /* enum unwind_native_end */
	const struct unwind_entry *python_entries;
	uint32_t python_count;
	const struct python *python; /* NULL: none */
};
struct join_frame {
	uint64_t address;
	uint32_t lasti, check; /* of Python */
	uint8_t kind;	       /* UNWIND_NATIVE, UNWIND_PYTHON or JOIN_GAP */
	bool exact;	       /* a native pc that was interrupted; others are return addresses */
};
/* Between native code and Python: native frames that are not known, or whose place is not. */
enum { JOIN_GAP = 128 };
enum { JOIN_MAX_FRAMES = UNWIND_MAX_ENTRIES + 1 };
struct join_stack {
	struct join_frame frames[JOIN_MAX_FRAMES]; /* leaf first */
	uint32_t count;
	bool gap; /* there is a JOIN_GAP */
};

/* Where calls of the loop are found in no native frame, though these are complete, only the
 * innermost native frame is shown, and Python behind a gap. */
void join(const struct join_input *in, struct join_stack *ret);

#endif
