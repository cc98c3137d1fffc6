/* unwind/native/native_walk.h - one native step: by the tables, and where no table describes the
 * code, as a last resort that is marked, by frame pointer. Part of unwind/walk.h.
 *
 * In code without a table (made at run time, or assembly without call frame information) a frame
 * pointer must be aligned, above the stack pointer (so chains always grow) and not absurdly far.
 * The interrupted frame may stand where its frame pointer is not set up or gone already: the
 * instruction itself tells. */
#ifndef GLIM_UNWIND_NATIVE_WALK_H
#define GLIM_UNWIND_NATIVE_WALK_H

/* x86-64 instructions around a frame pointer, as the first bytes in memory (Intel SDM volume 2). */
enum {
	CODE_PUSH_RBP = 0x55,
	CODE_RET = 0xc3,
	CODE_SYSCALL = 0x050f,
	CODE_REP_RET = 0xc3f3,
	CODE_ENDBR64_LOW = 0x1e0ff3, /* its first three bytes */
	CODE_MOV_RSP_RBP = 0xe58948, /* mov %rsp,%rbp, in its two encodings */
	CODE_MOV_RSP_RBP_2 = 0xec8b48,
	CODE_CALL = 0xe8,	     /* rel32 */
	CODE_CALL_INDIRECT = 0x10ff, /* ff /2: the second byte masked */
	CODE_CALL_MASK = 0x38ff,
	CODE_RT_SIGRETURN = 0x0fc0c748, /* mov $15,%rax, in its two encodings */
	CODE_RT_SIGRETURN_2 = 0xfb8,
};

/* A frame larger than the whole default stack is no frame. */
#define WALK_MAX_FRAME (8ULL << 20)

/* How many words are on the stack above the return address, where the interrupted instruction of
 * code without a table says so; -1: the frame pointer is in use. */
WALK_INLINE int native_words_pushed(struct walk *w)
{
	uint32_t code;

	if (!(w->native.exact || w->native.first) ||
	    WALK_READ(&w->word, sizeof(uint32_t), w->native.pc))
		return -1;
	code = (uint32_t)w->word;
	if ((code & 0xff) == CODE_PUSH_RBP || (code & 0xff) == CODE_RET ||
	    (code & 0xffff) == CODE_REP_RET || (code & 0xffffff) == CODE_ENDBR64_LOW)
		return 0;
	code &= 0xffffff;
	return code == CODE_MOV_RSP_RBP || code == CODE_MOV_RSP_RBP_2 ? 1 : -1;
}

/* The frame at `fp`: saved frame pointer and return address. Returns why not, or 0. */
WALK_INLINE uint8_t native_frame_at(struct walk *w, uint64_t fp)
{
	if ((fp & 7) || fp < w->native.sp || fp - w->native.sp > WALK_MAX_FRAME ||
	    fp >= WALK_USER_END)
		return UNWIND_NATIVE_BAD_FP;
	if (WALK_READ(w->pair, sizeof(w->pair), fp))
		return UNWIND_NATIVE_UNREAD;
	w->native.rbp = w->pair[0];
	w->native.pc = w->pair[1];
	w->native.sp = fp + 16;
	return 0;
}

WALK_INLINE uint8_t native_step_blind(struct walk *w)
{
	int pushed = native_words_pushed(w);
	uint8_t why;

	if (pushed == 0) {
		if (WALK_READ(&w->native.pc, sizeof(w->native.pc), w->native.sp))
			return UNWIND_NATIVE_UNREAD;
		w->native.sp += 8;
	} else {
		if (w->native.lost & TABLE_LOST_RBP)
			return UNWIND_NATIVE_LOST;
		/* Nobody called the first of a chain. A leaf may use the register as it likes. */
		if (!w->native.rbp && pushed < 0)
			return w->native.first ? UNWIND_NATIVE_BAD_FP : UNWIND_NATIVE_COMPLETE;
		why = native_frame_at(w, pushed > 0 ? w->native.sp : w->native.rbp);
		if (why)
			return why;
	}
	w->native.exact = 0;
	w->native.first = 0;
	w->native.lost |= TABLE_LOST_RBX;
	if (!w->native.pc)
		return UNWIND_NATIVE_COMPLETE;
	return w->native.pc < WALK_USER_START || w->native.pc >= WALK_USER_END
		       ? UNWIND_NATIVE_OUTSIDE
		       : 0;
}

WALK_INLINE uint64_t native_equal(uint64_t a, uint64_t b)
{
	return table_less(a ^ b, 1);
}

/* Does an indirect call begin in that one of the eight bytes before a return address? */
WALK_INLINE uint64_t native_calls_at(uint64_t code, int at)
{
	return native_equal(code >> 8 * at & CODE_CALL_MASK, CODE_CALL_INDIRECT);
}

/* Can it be that somebody called and will go on at w->native.pc: is it behind a call, or where a
 * signal handler returns to? Code that cannot be read is believed. */
WALK_INLINE int native_is_return(struct walk *w)
{
	uint64_t pc = w->native.pc, code, is;

	w->pair[0] = w->pair[1] = 0;
	if (WALK_READ(&w->pair[0], sizeof(uint32_t), pc - 8) ||
	    WALK_READ(&w->pair[1], sizeof(uint32_t), pc - 4))
		return 1;
	code = w->pair[0] | w->pair[1] << 32;
	/* Of 2, 3, 4, 6 or 7 bytes; a prefix comes before. */
	is = native_equal(code >> 24 & 0xff, CODE_CALL) | native_calls_at(code, 6) |
	     native_calls_at(code, 5) | native_calls_at(code, 4) | native_calls_at(code, 2) |
	     native_calls_at(code, 1);
	if (is)
		return 1;
	w->word = 0;
	return WALK_READ(&w->word, sizeof(uint32_t), pc) ||
	       (native_equal(w->word, CODE_RT_SIGRETURN) |
		native_equal(w->word, CODE_RT_SIGRETURN_2));
}

/* The registers of the caller into w->native, or w->native_end. */
WALK_INLINE void native_step(struct walk *w)
{
	w->blind = 0;
	w->native.derived = 0;
	table_step(&w->native);
	if (w->native.end == UNWIND_NATIVE_NO_TABLE) {
		w->native.end = UNWIND_NATIVE_NONE;
		w->blind = 1;
		w->native_end = native_step_blind(w);
	} else if (w->native.end) {
		w->native_end = w->native.end;
	} else if (w->native.derived && !w->native.exact && !native_is_return(w)) {
		/* Instructions were followed without knowing all ways to them. */
		w->native_end = UNWIND_NATIVE_OUTSIDE;
	}
}

#endif
