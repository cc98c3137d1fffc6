/* unwind/python/python_walk.h - one Python step. Part of unwind/walk.h.
 *
 * A thread's Python state is the one that holds the only GIL (to 3.11), or is found by the key that
 * CPython keeps for PyGILState, in glibc's block of thread-specific data, and is believed when it
 * names this very thread. Where that fails the interpreters' lists of threads are searched. No text
 * is read here: an entry is the code object, the instruction, and a check that tells a reused code
 * object.
 *
 * A thread that called into another interpreter has a state in each: where there are several
 * interpreters, the lists are searched for all of them. */
#ifndef GLIM_UNWIND_PYTHON_WALK_H
#define GLIM_UNWIND_PYTHON_WALK_H

#include "unwind/python/python_check.h"

/* Believe a thread state when it names this thread. 1: taken, 0: another's, -1: unreadable. */
WALK_INLINE int python_take_thread(struct walk *w, const struct python_process *py, uint64_t thread)
{
	if (WALK_READ(&w->pair[0], 8, thread + py->layout.thread_id))
		return -1;
	if (w->pair[0] != w->thread_base)
		return 0;
	if (WALK_READ(&w->pair[0], 8, thread + py->layout.thread_frame))
		return -1;
	if (py->layout.cframe && w->pair[0] &&
	    WALK_READ(&w->pair[0], 8, w->pair[0] + py->layout.cframe_frame))
		return -1;
	w->step.thread = thread;
	w->python_frame = w->pair[0];
	w->python_end = w->pair[0] ? UNWIND_PYTHON_COMPLETE : UNWIND_PYTHON_NONE;
	return 1;
}

WALK_INLINE int python_read_key(struct walk *w, uint32_t key, uint64_t *ret_value)
{
	uint64_t block = w->thread_base + GLIBC_TSD_FIRST;

	if (key >= UNWIND_TSD_FIRST_KEYS) {
		uint32_t n = key / UNWIND_TSD_FIRST_KEYS;

		if (n >= GLIBC_TSD_BLOCKS)
			return -1;
		if (WALK_READ(&w->pair[0], 8, w->thread_base + GLIBC_TSD_SECOND + n * 8))
			return -1;
		*ret_value = 0;
		if (!w->pair[0])
			return 0;
		block = w->pair[0];
	}
	if (WALK_READ(&w->pair[0], 8, block + (key % UNWIND_TSD_FIRST_KEYS) * 16 + 8))
		return -1;
	*ret_value = w->pair[0];
	return 0;
}

WALK_INLINE void python_search(struct walk *w, const struct python_process *py)
{
	if (WALK_READ(&w->interpreter, 8, py->interpreters) || !w->interpreter) {
		w->interpreter = 0;
		return;
	}
	if (WALK_READ(&w->thread_state, 8, w->interpreter + py->layout.interpreter_threads))
		w->thread_state = 0;
	w->phase = WALK_FIND_THREAD;
}

WALK_INLINE void python_ends(struct walk *w, uint8_t why)
{
	w->python_end = why;
	w->python_frame = 0;
	w->phase = WALK_DONE;
}

/* Does this thread hold the one GIL? Then no other thread state is its own just now, whatever
 * sub-interpreter it is in. */
WALK_INLINE int python_take_current(struct walk *w, const struct python_process *py)
{
	if (!py->current || WALK_READ(&w->pair[0], 8, py->current) || !w->pair[0])
		return 0;
	return python_take_thread(w, py, w->pair[0]) > 0;
}

/* The key that leads to the thread state: 0 and *ret, or how the search for Python ends. */
WALK_INLINE uint8_t python_key(struct walk *w, const struct python_process *py, uint32_t *ret)
{
	if (WALK_READ(&w->pair[0], py->key_is_int ? 4 : 8, py->key))
		return UNWIND_PYTHON_UNREAD;
	/* Py_tss_t: int _is_initialized, pthread_key_t _key. */
	*ret = py->key_is_int ? w->pair[0] : w->pair[0] >> 32;
	if (py->key_is_int ? *ret == UINT32_MAX : !(uint32_t)w->pair[0])
		return UNWIND_PYTHON_STARTING;
	return 0;
}

/* CPython 3.7 to 3.15, Include/internal/pycore_runtime.h, struct pyinterpreters: the main one's
 * pointer lies behind that of the one which was made last. */
WALK_INLINE int python_has_several(struct walk *w, const struct python_process *py)
{
	return py->runtime && !WALK_READ(w->pair, sizeof(w->pair), py->interpreters) &&
	       w->pair[0] != w->pair[1];
}

/* Find the one state that the thread has, or uses now. */
WALK_INLINE void python_find_one(struct walk *w, const struct python_process *py)
{
	uint64_t thread = 0;
	uint32_t key = 0;

	if (python_take_current(w, py))
		return;
	if (py->search_threads) {
		python_search(w, py);
		return;
	}
	w->python_end = python_key(w, py, &key);
	if (w->python_end)
		return;
	if (python_read_key(w, key, &thread)) {
		python_search(w, py);
		return;
	}
	if (!thread)
		return;
	if (python_take_thread(w, py, thread) <= 0)
		python_search(w, py);
}

WALK_INLINE void python_start(struct walk *w, const struct python_process *py)
{
	if (py->layout.style == PYTHON_UNSUPPORTED) {
		w->python_end = UNWIND_PYTHON_LAYOUT;
		return;
	}
	w->several = python_has_several(w, py);
	if (w->several)
		python_search(w, py);
	else
		python_find_one(w, py);
}

/* Native frames come before those of Python. */
WALK_INLINE void python_end_search(struct walk *w, uint8_t python_end)
{
	w->python_end = python_end;
	w->phase = !w->native_end ? WALK_NATIVE : w->python_frame ? WALK_PYTHON : WALK_DONE;
}

/* Among so many states the one that is used now may still be found without a search. */
WALK_INLINE void python_search_too_long(struct walk *w, const struct python_process *py)
{
	if (!w->several || w->native_end) {
		python_end_search(w, UNWIND_PYTHON_DEEP);
		return;
	}
	w->several = 0;
	w->phase = WALK_NATIVE;
	python_find_one(w, py);
}

/* Of several states those without frames are not used. */
WALK_INLINE int python_take_listed(struct walk *w, const struct python_process *py, uint64_t thread)
{
	int taken = python_take_thread(w, py, thread);

	return taken > 0 && w->several && !w->python_frame ? 0 : taken;
}

WALK_INLINE void python_find_thread(struct walk *w, const struct python_process *py,
				    struct unwind_entry *entries)
{
	uint64_t thread = w->thread_state;
	int taken;

	if (w->find_steps++ >= PYTHON_FIND_STEPS) {
		python_search_too_long(w, py);
		return;
	}
	if (!w->thread_state) {
		if (WALK_READ(&w->pair[0], 8, w->interpreter + py->layout.interpreter_next) ||
		    !w->pair[0]) {
			python_end_search(w, w->native_end ? UNWIND_PYTHON_COMPLETE
							   : UNWIND_PYTHON_NONE);
			return;
		}
		w->interpreter = w->pair[0];
		if (WALK_READ(&w->thread_state, 8, w->interpreter + py->layout.interpreter_threads))
			w->thread_state = 0;
		return;
	}
	taken = python_take_listed(w, py, thread);
	if (taken < 0 || WALK_READ(&w->thread_state, 8, thread + py->layout.thread_next))
		python_end_search(w, UNWIND_PYTHON_UNREAD);
	else if (taken && w->native_end && !walk_emit(w, entries, thread, 0, UNWIND_PYTHON_STATE))
		python_ends(w, UNWIND_PYTHON_DEEP);
	else if (taken)
		python_end_search(w, w->python_end);
}

/* A word of the frame that was read into w->frame. */
WALK_INLINE uint64_t python_frame_word(const struct walk *w, uint32_t offset)
{
	if (offset > PYTHON_FRAME_BYTES - 8 || (offset & 7))
		return 0;
	return *(const uint64_t *)(w->frame + offset);
}

/* Where the instructions are that a frame runs: in its code object, or in a thread's own copy. */
WALK_INLINE int python_code_start(struct walk *w, const struct python_layout *l, uint64_t code,
				  uint64_t *ret)
{
	uint32_t copy = l->frame_copy ? python_frame_word(w, l->frame_copy) : 0;

	*ret = code + l->code_start;
	if (!copy)
		return 0;
	/* _PyCodeArray: Py_ssize_t size, char *entries[]. */
	if (WALK_READ(&w->pair[0], 8, code + l->code_copies) ||
	    WALK_READ(&w->pair[0], 8, w->pair[0] + 8 + copy * 8ULL))
		return -1;
	*ret = w->pair[0];
	return 0;
}

WALK_INLINE int python_emit(struct walk *w, const struct python_process *py,
			    struct unwind_entry *entries, uint32_t kind)
{
	const struct python_layout *l = &py->layout;
	uint64_t code = python_frame_word(w, l->frame_code) & ~(uint64_t)l->code_tags;
	uint64_t start = 0;
	uint32_t lasti;

	if (WALK_READ(w->code, sizeof(w->code), code + l->code_flags))
		return UNWIND_PYTHON_UNREAD;
	w->coroutines |= w->code[0] & PYTHON_COROUTINE;
	lasti = python_frame_word(w, l->frame_instruction);
	if (l->style == PYTHON_EACH_FRAME)
		lasti <<= l->lasti_shift & 1;
	else if (python_code_start(w, l, code, &start))
		return UNWIND_PYTHON_UNREAD;
	lasti -= (uint32_t)start;
	if (!walk_emit(w, entries, code, lasti, kind | python_code_check(w->code, l) << 8))
		return UNWIND_PYTHON_DEEP;
	return 0;
}

/* Who awaits the task that runs here is for user space to say, while this step lasts. */
WALK_INLINE void python_read_step(struct walk *w, const struct python_layout *l)
{
	if (w->coroutines && l->thread_context &&
	    WALK_READ(&w->step.contexts, 16, w->step.thread + l->thread_context))
		w->step.number = 0;
}

/* Emit w->python_frame and go to the one that called it. */
WALK_INLINE void python_step(struct walk *w, const struct python_process *py,
			     struct unwind_entry *entries)
{
	const struct python_layout *l = &py->layout;
	uint32_t size = l->frame_size, boundary = l->frame_boundary;
	uint32_t kind = UNWIND_PYTHON_LAST, failed = 0;

	if (size > PYTHON_FRAME_BYTES || boundary >= PYTHON_FRAME_BYTES ||
	    WALK_READ(w->frame, size, w->python_frame)) {
		python_ends(w, UNWIND_PYTHON_UNREAD);
		return;
	}
	if (l->style == PYTHON_IS_ENTRY && !w->frame[boundary])
		kind = UNWIND_PYTHON;
	if (l->style == PYTHON_OWNER_SHIM)
		kind = w->frame[boundary] >= PYTHON_OWNER_CSTACK ? UNWIND_PYTHON_BOUNDARY
								 : UNWIND_PYTHON;
	if (kind != UNWIND_PYTHON_BOUNDARY)
		failed = python_emit(w, py, entries, kind);
	else if (!walk_emit(w, entries, w->python_frame, 0, kind))
		failed = UNWIND_PYTHON_DEEP;
	if (failed) {
		python_ends(w, failed);
		return;
	}
	w->python_frame = python_frame_word(w, l->frame_previous);
	if (w->python_frame)
		return;
	python_ends(w, UNWIND_PYTHON_COMPLETE);
	if (w->several)
		w->phase = WALK_FIND_THREAD;
	else
		python_read_step(w, l);
}

#endif
