/* unwind/walk.h - one loop that follows a thread's native frames and then its Python frames, leaf
 * first.
 *
 * Restricted C that is compiled twice: for BPF, and for the host. Who includes it defines before
 *	WALK_READ(dst, size, address)	copy user memory; 0 on success; may evaluate its arguments
 *once struct unwind_sink and its field entries[UNWIND_MAX_ENTRIES] and then calls walk_start once
 *and walk_step until w->phase is WALK_DONE. All state is in struct walk, so that a walk can pause
 *between any two steps (BPF continues in another program).
 *
 * The two chains are joined by user space, which knows where the interpreter's code is and which
 * native frames are certain (unwind/join.h). */
#ifndef GLIM_UNWIND_WALK_H
#define GLIM_UNWIND_WALK_H

#include "unwind/unwind_abi.h"

enum walk_phase {
	WALK_NATIVE = 0,
	WALK_PYTHON = 1,
	WALK_FIND_THREAD = 2,
	WALK_DONE = 3,
};

/* x86-64 with 4-level paging gives programs addresses below this (Linux, Documentation/arch/x86/
 * x86_64/mm.rst). Programs that ask for 5-level addresses are not followed there. */
#define WALK_USER_END 0x7ffffffff000ULL
/* The lowest page is never mapped (Linux, vm.mmap_min_addr). */
#define WALK_USER_START 4096
/* A frame larger than the whole default stack is no frame. */
#define WALK_MAX_FRAME (8ULL << 20)

struct walk {
	/* Registers of the native frame that comes next. */
	uint64_t pc, sp, fp;
	uint64_t first_sp;     /* sp of the leaf */
	uint64_t python_frame; /* that comes next; 0: none is left */
	uint64_t interpreter;  /* WALK_FIND_THREAD: whose threads are searched */
	uint64_t thread_state; /* WALK_FIND_THREAD: looked at next */
	uint64_t thread_base;  /* fs */
	uint32_t count;	       /* entries made */
	uint32_t native_count; /* of these, native ones; they come first */
	uint32_t find_steps;
	uint8_t phase;
	uint8_t native_end; /* enum unwind_native_end; UNWIND_NATIVE_NONE while alive */
	uint8_t python_end;
	/* Buffers are here because a BPF program's own stack is small. */
	uint64_t pair[2];
	uint32_t code[PYTHON_CODE_WORDS];
	uint8_t frame[PYTHON_FRAME_BYTES];
};

#define WALK_INLINE static inline __attribute__((always_inline))

/* Returns 0 when there is no room; the caller then ends the walk. */
WALK_INLINE int walk_emit(struct walk *w, struct unwind_entry *entries, uint64_t address,
			  uint32_t lasti, uint32_t tag)
{
	uint32_t i = w->count;

	if (i >= UNWIND_MAX_ENTRIES)
		return 0;
	entries[i].address = address;
	entries[i].lasti = lasti;
	entries[i].tag = tag;
	w->count = i + 1;
	return 1;
}

#include "unwind/native/fp_walk.h"
#include "unwind/python/python_walk.h"

WALK_INLINE void walk_native(struct walk *w, struct unwind_entry *entries)
{
	uint64_t depth = w->sp - w->first_sp;

	if (!walk_emit(w, entries, w->pc, depth < UINT32_MAX ? depth : UINT32_MAX, UNWIND_NATIVE) ||
	    (w->python_frame && w->count >= UNWIND_MAX_BESIDE_PYTHON))
		w->native_end = UNWIND_NATIVE_DEEP;
	else
		native_step(w);
	if (!w->native_end)
		return;
	w->native_count = w->count;
	w->phase = w->python_frame ? WALK_PYTHON : WALK_DONE;
}

/* w holds pc, sp, fp, thread_base and zeroes. py: NULL where the process runs no Python. */
WALK_INLINE void walk_start(struct walk *w, const struct python_process *py)
{
	w->phase = WALK_NATIVE;
	w->first_sp = w->sp;
	if (py)
		python_start(w, py);
}

WALK_INLINE void walk_step(struct walk *w, const struct python_process *py,
			   struct unwind_entry *entries)
{
	if (w->phase == WALK_NATIVE)
		walk_native(w, entries);
	else if (w->phase == WALK_PYTHON)
		python_step(w, py, entries);
	else if (w->phase == WALK_FIND_THREAD)
		python_find_thread(w, py);
}

/* No more steps may be made: say so in the result. */
WALK_INLINE void walk_give_up(struct walk *w)
{
	if (w->phase == WALK_DONE)
		return;
	if (!w->native_end) {
		w->native_end = UNWIND_NATIVE_DEEP;
		w->native_count = w->count;
	}
	if (w->python_frame || w->phase == WALK_FIND_THREAD)
		w->python_end = UNWIND_PYTHON_DEEP;
	w->phase = WALK_DONE;
}

#endif
