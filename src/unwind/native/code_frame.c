#include "unwind/native/code_frame.h"

enum {
	LOST = UINT16_MAX, /* of a register's place */
	MAX_HEIGHT = 1 << 18,
};

const struct code_frame code_frame_at_entry = {.height = 8};

static void forget_frame(struct code_frame *s, uint8_t base)
{
	if (s->frame_base == base)
		s->frame = s->frame_base = 0;
}

static void forget_register(struct code_frame *s, uint8_t which)
{
	uint16_t *place = which == X86_WRITES_RBP ? &s->rbp_at : &s->rbx_at;

	if (!*place)
		*place = LOST;
	s->dirty |= which;
	forget_frame(s, which == X86_WRITES_RBP ? UNWIND_RBP : UNWIND_RBX);
}

/* A register that was saved above the stack pointer is there no more. */
static void drop_place(struct code_frame *s, uint16_t *place, uint8_t which)
{
	if (*place != LOST && *place * 8 > s->height)
		*place = s->dirty & which ? LOST : 0;
}

static void set_height(struct code_frame *s, int64_t height)
{
	s->height = height > 0 && height < MAX_HEIGHT && height % 8 == 0 ? (int32_t)height : 0;
	if (!s->height)
		return;
	drop_place(s, &s->rbp_at, X86_WRITES_RBP);
	drop_place(s, &s->rbx_at, X86_WRITES_RBX);
}

void code_frame_push(struct code_frame *s, uint8_t reg)
{
	if (!s->height)
		return;
	set_height(s, s->height + 8);
	if (reg == UNWIND_RBP && !s->rbp_at)
		s->rbp_at = (uint16_t)(s->height / 8);
	if (reg == UNWIND_RBX && !s->rbx_at)
		s->rbx_at = (uint16_t)(s->height / 8);
}

static void restore(struct code_frame *s, uint16_t *place, uint8_t which, int32_t from)
{
	forget_frame(s, which == X86_WRITES_RBP ? UNWIND_RBP : UNWIND_RBX);
	if (from && *place != LOST && *place * 8 == from) {
		*place = 0;
		s->dirty &= (uint8_t)~which;
	} else {
		forget_register(s, which);
	}
}

static void pop(struct code_frame *s, uint8_t reg)
{
	int32_t from = s->height;

	if (reg == UNWIND_RBP)
		restore(s, &s->rbp_at, X86_WRITES_RBP, from);
	else if (reg == UNWIND_RBX)
		restore(s, &s->rbx_at, X86_WRITES_RBX, from);
	if (reg == UNWIND_RSP)
		s->height = 0;
	else if (from)
		set_height(s, from - 8);
}

static void leave(struct code_frame *s)
{
	set_height(s, s->frame_base == UNWIND_RBP ? s->frame : 0);
	pop(s, UNWIND_RBP);
}

static void set_frame(struct code_frame *s, uint8_t base, int32_t number)
{
	bool has_better = s->frame_base == UNWIND_RBP && base == UNWIND_RBX;

	forget_register(s, base == UNWIND_RBP ? X86_WRITES_RBP : X86_WRITES_RBX);
	if (has_better || !s->height || s->height + (int64_t)MAX_HEIGHT <= number)
		return;
	s->frame = s->height - number;
	s->frame_base = s->frame ? base : 0;
}

void code_frame_apply(struct code_frame *s, const struct x86_insn *insn)
{
	switch (insn->kind) {
	case X86_PUSH:
		code_frame_push(s, insn->reg);
		break;
	case X86_POP:
		pop(s, insn->reg);
		break;
	case X86_ADD_RSP:
		if (s->height)
			set_height(s, (int64_t)s->height - insn->number);
		break;
	case X86_RSP_FROM_FRAME:
		set_height(s, s->frame_base == insn->reg ? (int64_t)s->frame - insn->number : 0);
		break;
	case X86_FRAME_FROM_RSP:
		set_frame(s, insn->reg, insn->number);
		break;
	case X86_LEAVE:
		leave(s);
		break;
	default:
		break;
	}
	if (insn->writes & X86_WRITES_RSP)
		s->height = 0;
	if (insn->writes & X86_WRITES_RBP)
		forget_register(s, X86_WRITES_RBP);
	if (insn->writes & X86_WRITES_RBX)
		forget_register(s, X86_WRITES_RBX);
}

bool code_frame_may_return(const struct code_frame *s)
{
	return s->kind != CODE_FRAME || !s->height ||
	       (s->height == 8 && (!s->rbp_at || s->rbp_at == LOST) &&
		(!s->rbx_at || s->rbx_at == LOST));
}

bool code_frame_equal(const struct code_frame *a, const struct code_frame *b)
{
	return a->height == b->height && a->frame == b->frame && a->frame_base == b->frame_base &&
	       a->rbp_at == b->rbp_at && a->rbx_at == b->rbx_at && a->kind == b->kind &&
	       a->dirty == b->dirty;
}

struct code_frame code_frame_meet(const struct code_frame *a, const struct code_frame *b)
{
	struct code_frame s = *a;

	if (a->height != b->height || a->kind != b->kind)
		s.height = 0;
	if (a->frame != b->frame || a->frame_base != b->frame_base || a->kind != b->kind)
		s.frame = s.frame_base = 0;
	if (a->rbp_at != b->rbp_at)
		s.rbp_at = LOST;
	if (a->rbx_at != b->rbx_at)
		s.rbx_at = LOST;
	if (a->kind != b->kind)
		s.kind = CODE_FRAME;
	s.dirty |= b->dirty;
	return s;
}

static void set_place(uint16_t at, uint8_t *place, int16_t *offset)
{
	*place = at == LOST ? UNWIND_PLACE_UNDEFINED : at ? UNWIND_PLACE_CFA : UNWIND_PLACE_SAME;
	*offset = at == LOST ? 0 : (int16_t)-at;
}

struct unwind_rule code_frame_rule(const struct code_frame *s)
{
	struct unwind_rule rule = {.cfa = UNWIND_CFA_NONE};
	uint8_t rbp, rbx;
	bool by_frame;

	if (s->kind == CODE_OUTERMOST)
		return (struct unwind_rule){.base = UNWIND_RSP, .ra = UNWIND_PLACE_UNDEFINED};
	if (s->kind == CODE_SIGNAL)
		/* struct rt_sigframe without the return address, which is where rsp was: ucontext,
		 * whose registers start at 40 (Linux 6.1 arch/x86/include/uapi/asm/ucontext.h,
		 * sigcontext.h): rbp 120, rbx 128, rsp 160, rip 168. */
		return (struct unwind_rule){.base = UNWIND_RSP,
					    .cfa = UNWIND_CFA_MEMORY,
					    .cfa_offset = 160,
					    .rbp = UNWIND_PLACE_RSP,
					    .rbp_offset = 120 / 8,
					    .rbx = UNWIND_PLACE_RSP,
					    .rbx_offset = 128 / 8,
					    .ra = UNWIND_PLACE_RSP | UNWIND_SIGNAL,
					    .ra_offset = 168 / 8};
	if (!s->height && !s->frame)
		return rule;
	rule.cfa = UNWIND_CFA_REGISTER;
	/* The frame pointer makes fewer rules: it stays while the stack moves. */
	by_frame = s->frame && (s->frame_base == UNWIND_RBP || !s->height);
	rule.base = by_frame ? s->frame_base : UNWIND_RSP;
	rule.cfa_offset = by_frame ? s->frame : s->height;
	rule.ra = UNWIND_PLACE_CFA | UNWIND_DERIVED;
	rule.ra_offset = -1;
	set_place(s->rbp_at, &rbp, &rule.rbp_offset);
	set_place(s->rbx_at, &rbx, &rule.rbx_offset);
	rule.rbp = rbp & 15;
	rule.rbx = rbx & 15;
	return rule;
}
