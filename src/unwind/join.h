/* unwind/join.h - one stack out of what the kernel's walk left: native frames that are certain,
 * with the Python frames in their places.
 *
 * The kernel follows frame pointers, whether the code keeps them or not. Here each native frame is
 * checked against what its program says of itself (.eh_frame): the next frame is believed only
 * where the code keeps the frame pointer. Functions that do not are stepped over by the copied top
 * of the stack, as far as that goes, so that a leaf in libc does not hide its caller. The outermost
 * frames are looked up in the live stack, where they do not move: that tells a whole stack from a
 * cut one. See README.md here.
 *
 * Pure: all that is known of the process comes through struct join_code. */
#ifndef GLIM_UNWIND_JOIN_H
#define GLIM_UNWIND_JOIN_H

#include "unwind/native/row.h"
#include "unwind/unwind.h"

struct join_input {
	const struct unwind_entry *entries; /* native ones first */
	uint32_t count, native_count;
	uint8_t native_end; /* enum unwind_native_end */
	uint8_t python_end;
	uint64_t sp, fp;       /* of the interrupted code */
	const uint64_t *words; /* what was at sp */
	uint32_t nwords;
	uint64_t stack_base; /* 0: not known */
};
struct join_code {
	/* What is said of the code at an address; false where there is no code. */
	bool (*row)(void *arg, uint64_t address, struct row *ret);
	/* A word of the live process; false when it cannot be read. */
	bool (*read)(void *arg, uint64_t address, uint64_t *ret);
	void *arg;
	const struct python *python; /* NULL: none */
};

/* How far the native frames go. */
enum join_native {
	JOIN_COMPLETE = 0,   /* to the start of the thread */
	JOIN_NO_POINTER = 1, /* into code that keeps no frame pointer */
	JOIN_UNREAD = 2,
	JOIN_UNKNOWN_CODE = 3,
	JOIN_DEEP = 4,
};
struct join_frame {
	uint64_t address;
	uint32_t lasti, check; /* of Python */
	uint8_t kind;	       /* UNWIND_NATIVE, UNWIND_PYTHON or JOIN_GAP */
	bool exact;	       /* a native pc that was interrupted; others are return addresses */
};
enum { JOIN_GAP = 128 }; /* native frames that are not known, between native code and Python */
enum { JOIN_MAX_FRAMES = UNWIND_MAX_ENTRIES + 64 };
struct join_stack {
	struct join_frame frames[JOIN_MAX_FRAMES]; /* leaf first */
	uint32_t count;
	uint8_t native; /* enum join_native */
	bool gap;	/* there is a JOIN_GAP */
};

void join(const struct join_input *in, const struct join_code *code, struct join_stack *ret);

#endif
