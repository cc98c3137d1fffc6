#include "unwind/native/eh_return.h"

#include "unwind/native/x86.h"

/* As DWARF numbers it: where gcc has how far the stack pointer is to go
 * (gcc/config/i386/i386.h, EH_RETURN_STACKADJ_RTX). */
enum { RCX = 2 };

/* Its frame is as the prologue of libgcc's functions leaves it. */
static bool is_plain(const struct cfi_state *s)
{
	return !s->cfa_expression && s->cfa_register == UNWIND_RBP && s->cfa_offset == 16 &&
	       s->slots[CFI_RBP].kind == CFI_AT_CFA && s->slots[CFI_RBP].number == -16 &&
	       s->slots[CFI_RBX].kind == CFI_AT_CFA && !(s->slots[CFI_RBX].number % 8);
}

struct rows {
	struct cfi_state frame; /* before */
	uint64_t leaves;	/* 0: not seen */
};

static int take_row(void *arg, uint64_t address, const struct cfi_state *s)
{
	struct rows *rows = arg;

	if (!s->cfa_expression && s->cfa_register == RCX && s->cfa_offset == 8) {
		rows->leaves = address;
		return -ECANCELED;
	}
	rows->frame = *s;
	return 0;
}

bool eh_return_possible(const struct cfi_fde *fde)
{
	static const uint8_t code[] = {0x0c, RCX, 8}; /* DW_CFA_def_cfa */

	return memmem(fde->program, fde->program_size, code, sizeof(code));
}

static uint64_t find_leaving(const struct cfi_section *s, const struct cfi_fde *fde,
			     struct cfi_state *ret_frame)
{
	struct rows rows = {};

	cfi_run(s, fde, take_row, &rows);
	*ret_frame = rows.frame;
	return is_plain(&rows.frame) ? rows.leaves : 0;
}

/* A function that does nothing, there for debuggers. */
static bool is_hook(const struct elf_file *f, uint64_t address)
{
	static const uint8_t endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};
	uint8_t code[16];
	struct x86_insn insn;
	size_t at = 0;

	if (elf_file_read_address(f, address, code, sizeof(code)))
		return false;
	if (!memcmp(code, endbr64, sizeof(endbr64)))
		at = sizeof(endbr64);
	while (code[at] == 0x90 && at + 1 < sizeof(code)) /* nop, a place for probes */
		at++;
	return !x86_decode(code + at, sizeof(code) - at, address + at, &insn) &&
	       insn.kind == X86_RETURN;
}

/* The last two calls before the function leaves: one overwrites, one is the hook. */
struct calls {
	uint64_t at[2], behind[2], to[2];
	size_t seen;
};

static bool find_calls(const uint8_t *code, size_t n, uint64_t address, struct calls *ret)
{
	struct x86_insn insn;

	for (size_t at = 0; at < n; at += insn.size) {
		if (x86_decode(code + at, n - at, address + at, &insn))
			return false;
		if (insn.kind != X86_CALL || !insn.address)
			continue;
		ret->at[0] = ret->at[1];
		ret->behind[0] = ret->behind[1];
		ret->to[0] = ret->to[1];
		ret->at[1] = address + at;
		ret->behind[1] = address + at + insn.size;
		ret->to[1] = insn.address;
		ret->seen++;
	}
	return ret->seen >= 2;
}

/* mov OFFSET(%rbp),REGISTER, where the code has it; modrm is of the form with 4 bytes of offset. */
static bool find_load(const uint8_t *code, size_t n, uint8_t modrm, int32_t *ret)
{
	for (size_t at = 0; at + 4 <= n; at++) {
		if (code[at] != 0x48 || code[at + 1] != 0x8b)
			continue;
		if (code[at + 2] == modrm && at + 7 <= n) {
			memcpy(ret, code + at + 3, sizeof(*ret));
			return true;
		}
		if (code[at + 2] == (modrm ^ 0xc0)) {
			*ret = (int8_t)code[at + 3];
			return true;
		}
	}
	return false;
}

/* The rules, by what the hook is told: the stack pointer in rdi, the address in rsi. */
static bool make_rules(const uint8_t *code, size_t n, const struct cfi_state *frame,
		       struct unwind_rule ret[2])
{
	enum { TO_RSI = 0xb5, TO_RDI = 0xbd };
	int64_t rbx = (frame->slots[CFI_RBX].number + 16) / 8;
	struct unwind_rule rule = {
		.cfa = UNWIND_CFA_MEMORY,
		.base = UNWIND_RBP,
		/* Nobody called from there: exactly this instruction comes next. */
		.ra = UNWIND_PLACE_RBP | UNWIND_SIGNAL,
		.rbp = UNWIND_PLACE_UNDEFINED,
		.rbx = UNWIND_PLACE_UNDEFINED,
	};
	int32_t sp, pc;

	if (!find_load(code, n, TO_RDI, &sp) || !find_load(code, n, TO_RSI, &pc) || pc % 8 ||
	    pc / 8 != (int8_t)(pc / 8) || rbx != (int16_t)rbx)
		return false;
	rule.cfa_offset = sp;
	rule.ra_offset = (int8_t)(pc / 8);
	ret[0] = rule;
	/* Now the registers of the handler lie where those of the caller were. */
	rule.rbp = rule.rbx = UNWIND_PLACE_RBP;
	rule.rbx_offset = (int16_t)rbx;
	ret[1] = rule;
	return true;
}

bool eh_return_find(const struct elf_file *f, const struct cfi_section *s,
		    const struct cfi_fde *fde, struct eh_return *ret,
		    struct unwind_rule ret_rules[2])
{
	uint8_t code[EH_RETURN_MAX];
	struct cfi_state frame = {};
	struct calls calls = {};
	uint64_t leaves = find_leaving(s, fde, &frame), n = leaves - fde->start;

	*ret = (struct eh_return){};
	if (leaves <= fde->start || n > sizeof(code) ||
	    elf_file_read_address(f, fde->start, code, n) ||
	    !find_calls(code, n, fde->start, &calls) || !is_hook(f, calls.to[1]))
		return false;
	*ret = (struct eh_return){calls.at[0], calls.behind[0], leaves};
	uint64_t from = ret->installed - fde->start, to = calls.at[1] - fde->start;

	if (!make_rules(code + from, to - from, &frame, ret_rules))
		ret_rules[0] = ret_rules[1] = (struct unwind_rule){.cfa = UNWIND_CFA_UNSUPPORTED};
	return true;
}
