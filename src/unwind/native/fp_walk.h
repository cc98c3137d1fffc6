/* unwind/native/fp_walk.h - one native step, by frame pointer. Part of unwind/walk.h.
 *
 * The state of a step is (pc, sp, fp) in struct walk; tables made from .eh_frame will be another
 * body of native_step. A frame pointer must be aligned, above the stack pointer (so chains always
 * grow) and not absurdly far. User space decides afterwards whether the addresses are code. */
#ifndef GLIM_UNWIND_FP_WALK_H
#define GLIM_UNWIND_FP_WALK_H

/* Replace the registers by the caller's, or set native_end. */
WALK_INLINE void native_step(struct walk *w)
{
	uint64_t fp = w->fp;

	if (!fp) {
		w->native_end = UNWIND_NATIVE_ZERO;
		return;
	}
	if ((fp & 7) || fp < w->sp || fp - w->sp > WALK_MAX_FRAME || fp >= WALK_USER_END) {
		w->native_end = UNWIND_NATIVE_BAD_FP;
		return;
	}
	if (WALK_READ(w->pair, sizeof(w->pair), fp)) {
		w->native_end = UNWIND_NATIVE_UNREAD;
		return;
	}
	if (!w->pair[1]) {
		w->native_end = UNWIND_NATIVE_ZERO;
		return;
	}
	if (w->pair[1] < WALK_USER_START || w->pair[1] >= WALK_USER_END) {
		w->native_end = UNWIND_NATIVE_OUTSIDE;
		return;
	}
	w->fp = w->pair[0];
	w->pc = w->pair[1];
	w->sp = fp + 16;
}

#endif
