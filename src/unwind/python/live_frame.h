/* unwind/python/live_frame.h - what a frame tells of itself: does it run, has it called, is it
 * over?
 *
 * A frame says so without the thread state, which lies elsewhere and was copied a moment earlier or
 * later. From 3.11 on frames lie side by side in a data stack, where one that returned stays as it
 * is until the next is made in its place: a copy of that stack, in itself of one moment, has the
 * frame that ran then, whoever was said to be current. Threads: any. */
#ifndef GLIM_UNWIND_PYTHON_LIVE_FRAME_H
#define GLIM_UNWIND_PYTHON_LIVE_FRAME_H

#include "base/base.h"
#include "unwind/unwind_abi.h"

enum frame_state {
	FRAME_DEAD,
	FRAME_CALLS, /* or it is being made or left just now, or it does not say */
	FRAME_RUNS,  /* or it is in a function of C, to 3.13 */
};
/* Where frames are read. */
struct frame_image {
	const struct python_layout *layout;
	uint32_t version; /* PY_VERSION_HEX */
	/* 0: all n bytes are in buf. */
	int (*read)(void *context, uint64_t address, void *buf, size_t n);
	/* The PYTHON_CODE_WORDS words of a code object; NULL where they cannot be read. */
	const uint32_t *(*code_words)(void *context, uint64_t address);
	void *context;
};

/* A frame in an object of its own keeps its place, so that two images of it are compared: those of
 * all versions up to 3.10, and those of generators. */
struct frame_link {
	uint64_t code, previous;
	uint64_t instruction; /* where it stands: an index to 3.10, then an address */
	enum frame_state state;
	bool own_object;
	bool is_boundary; /* between two calls of the loop, from 3.12 on; no frame of Python */
	bool ends_call;	  /* 3.11: its caller is in another call of the loop */
};
int frame_link_read(const struct frame_image *m, uint64_t frame, struct frame_link *ret);

/* Do frames of a version say that they returned? Else one that has no caller may be outermost, or
 * over. */
bool frame_tells_end(uint32_t version);
/* The frame that ran in this image, when `current` was the current one a moment before or after it;
 * 0: it cannot be told. */
uint64_t frame_running(const struct frame_image *m, uint64_t current);

#endif
