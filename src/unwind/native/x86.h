/* unwind/native/x86.h - what an instruction of x86-64 does to the stack and to the flow.
 *
 * Only what a frame depends on is told; of all else just the length. Opcodes: Intel's manual,
 * volume 2, appendix A. Input is from strangers: nothing outside of the bytes is read. */
#ifndef GLIM_UNWIND_X86_H
#define GLIM_UNWIND_X86_H

#include "base/base.h"

enum x86_kind {
	X86_OTHER = 0,
	X86_PUSH,	    /* of register reg */
	X86_POP,	    /* to register reg */
	X86_ADD_RSP,	    /* rsp += number */
	X86_RSP_FROM_FRAME, /* rsp = reg + number; reg is rbp or rbx */
	X86_FRAME_FROM_RSP, /* reg = rsp + number */
	X86_LEAVE,
	X86_CALL,   /* of address, 0 where that is not known */
	X86_JUMP,   /* the same */
	X86_BRANCH, /* to address, or not */
	X86_RETURN,
	X86_STOP,    /* nothing runs behind it: ud2, hlt, int3 */
	X86_ADDRESS, /* address is put into a register */
};
enum { X86_NO_REGISTER = 16 };
enum { X86_WRITES_RSP = 1, X86_WRITES_RBP = 2, X86_WRITES_RBX = 4 };

struct x86_insn {
	uint8_t size;
	uint8_t kind;
	uint8_t reg;	/* as DWARF numbers it for rbx, rbp and rsp; X86_NO_REGISTER: memory */
	uint8_t writes; /* X86_WRITES_*, in ways that the kind does not tell */
	int32_t number;
	uint64_t address;
};

/* The instruction at the start of n bytes, which lie at an address. -EBADMSG: none that is known,
 * or it is cut off. */
int x86_decode(const uint8_t *code, size_t n, uint64_t address, struct x86_insn *ret);

#endif
