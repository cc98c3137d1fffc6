/* unwind/walk.h - one loop that follows a thread's native frames and then its Python frames, leaf
 * first.
 *
 * Restricted C that is compiled twice: for BPF, and for the host. Who includes it defines before
 *	WALK_READ(dst, size, address)	copy user memory; 0 on success; may evaluate its arguments
 *					once
 * and where the tables are, as native/table_walk.h wants it; then calls walk_start once and
 * walk_step until w->phase is WALK_DONE. All state is in struct walk, so that a walk can pause
 * between any two steps (BPF continues in another program).
 *
 * User space puts the frames of Python where the interpreter's loop stands (unwind/join.h). */
#ifndef GLIM_UNWIND_WALK_H
#define GLIM_UNWIND_WALK_H

#include <stddef.h>

#include "unwind/unwind_abi.h"

#define TABLE_READ(dst, size, address) WALK_READ(dst, size, address)
#include "unwind/native/table_walk.h"

enum walk_phase {
	WALK_NATIVE = 0,
	WALK_PYTHON = 1,
	WALK_FIND_THREAD = 2,
	WALK_DONE = 3,
};

#define WALK_USER_END	TABLE_USER_END
#define WALK_USER_START TABLE_USER_START

struct walk {
	uint64_t python_frame;	 /* that comes next; 0: none is left */
	uint64_t interpreter;	 /* WALK_FIND_THREAD: whose threads are searched */
	uint64_t thread_state;	 /* WALK_FIND_THREAD: looked at next */
	uint64_t thread_base;	 /* fs */
	struct python_step step; /* its number is 0 unless a coroutine is on the stack */
	uint32_t count;		 /* entries made */
	uint32_t native_count;	 /* of these, native ones; they come first */
	uint32_t find_steps;
	uint32_t coroutines; /* not 0: some entry is of one */
	uint8_t phase;
	uint8_t native_end; /* enum unwind_native_end; UNWIND_NATIVE_NONE while alive */
	uint8_t python_end;
	uint8_t blind;	   /* the last native step was by frame pointer, in code without a table */
	uint8_t in_kernel; /* the thread is, for a system call or a fault */
	uint8_t several;   /* the process has several interpreters: all of them are searched */
	struct table_walk native; /* the native frame that comes next */
	/* Buffers are here because a BPF program's own stack is small. */
	uint64_t pair[2];
	uint64_t word;
	uint32_t code[PYTHON_CODE_WORDS];
	uint8_t frame[PYTHON_FRAME_BYTES];
};

#define WALK_ZEROES offsetof(struct walk, native.window)

#define WALK_INLINE static inline __attribute__((always_inline))

/* Returns 0 when there is no room; the caller then ends the walk. */
WALK_INLINE int walk_emit(struct walk *w, struct unwind_entry *entries, uint64_t address,
			  uint32_t place, uint32_t tag)
{
	uint32_t i = w->count;

	if (i >= UNWIND_MAX_ENTRIES)
		return 0;
	entries[i].address = address;
	entries[i].lasti = place; /* or sp */
	entries[i].tag = tag;
	w->count = i + 1;
	return 1;
}

#include "unwind/native/native_walk.h"
#include "unwind/python/python_walk.h"

/* The next instruction was interrupted: it was a signal that came to this frame. */
WALK_INLINE void walk_native_step(struct walk *w, struct unwind_entry *entries)
{
	uint32_t last = w->count - 1;

	native_step(w);
	if (w->native.exact && !w->native_end && last < UNWIND_MAX_ENTRIES)
		entries[last].tag |= UNWIND_TRAMPOLINE;
}

WALK_INLINE void walk_native(struct walk *w, struct unwind_entry *entries)
{
	uint32_t tag = UNWIND_NATIVE;

	if (w->native.exact)
		tag |= UNWIND_EXACT;
	if (w->blind)
		tag |= UNWIND_BLIND;
	if (w->native.derived)
		tag |= UNWIND_FOLLOWED;
	if (!walk_emit(w, entries, w->native.pc, (uint32_t)w->native.sp, tag) ||
	    (w->python_frame && w->count >= UNWIND_MAX_BESIDE_PYTHON))
		w->native_end = UNWIND_NATIVE_DEEP;
	else
		walk_native_step(w, entries);
	if (!w->native_end)
		return;
	w->native_count = w->count;
	w->phase = w->python_frame ? WALK_PYTHON : WALK_DONE;
}

/* The kernel returns behind the system call. That may be another function already, because some
 * never return: as of a caller, the byte before says whose it is. */
WALK_INLINE int walk_is_in_call(struct walk *w)
{
	return w->in_kernel && !WALK_READ(&w->word, sizeof(uint32_t), w->native.pc - 2) &&
	       (w->word & 0xffff) == CODE_SYSCALL;
}

/* w holds native.pc, sp, rbp, rbx, registers and process, thread_base, in_kernel, and zeroes as far
 * as WALK_ZEROES. py: NULL where the process runs no Python. */
WALK_INLINE void walk_start(struct walk *w, const struct python_process *py)
{
	w->phase = WALK_NATIVE;
	w->native.thread_base = w->thread_base;
	table_start(&w->native);
	if (walk_is_in_call(w))
		w->native.exact = 0;
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
		python_find_thread(w, py, entries);
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
