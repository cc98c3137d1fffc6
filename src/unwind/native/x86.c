#include "unwind/native/x86.h"

enum { RAX = 0, RCX = 1, RDX = 2, RBX = 3, RSP = 4, RBP = 5 }; /* as instructions number them */

enum { MAX_SIZE = 15 };

/* How an opcode goes on, and what of it is written to. */
enum {
	MODRM = 1,
	IMM8 = 2,
	IMM16 = 4,
	IMM32 = 8, /* 2 bytes with the prefix 66 */
	TO_RM = 16,
	TO_REG = 32,
	BAD = 64,
};

struct decoder {
	const uint8_t *start, *at, *end;
	bool bad;
	bool word;   /* prefix 66 */
	bool repeat; /* prefix f3 */
	uint8_t rex;
	uint8_t modrm, sib;
	int32_t displacement;
	bool rip_relative, has_modrm;
	uint8_t flags;
	bool bytes;
	int64_t immediate;
};

static uint8_t byte(struct decoder *d)
{
	if (d->at >= d->end) {
		d->bad = true;
		return 0;
	}
	return *d->at++;
}

/* A number of n bytes with sign. */
static int64_t number(struct decoder *d, int n)
{
	uint64_t v = 0;

	for (int i = 0; i < n; i++)
		v |= (uint64_t)byte(d) << 8 * i;
	return n == 8 ? (int64_t)v : (int64_t)(v << (64 - 8 * n)) >> (64 - 8 * n);
}

static void modrm(struct decoder *d)
{
	d->modrm = byte(d);
	d->has_modrm = true;
	uint8_t mod = d->modrm >> 6, rm = d->modrm & 7;

	if (mod == 3)
		return;
	if (rm == 4)
		d->sib = byte(d);
	if (mod == 1)
		d->displacement = (int32_t)number(d, 1);
	else if (mod == 2 || rm == 5 || (rm == 4 && (d->sib & 7) == 5 && !mod))
		d->displacement = (int32_t)number(d, 4);
	d->rip_relative = !mod && rm == 5;
}

static uint8_t reg_of(const struct decoder *d)
{
	return (uint8_t)((d->modrm >> 3 & 7) | (d->rex & 4) << 1);
}

/* The register that r/m names; X86_NO_REGISTER for memory. */
static uint8_t rm_of(const struct decoder *d)
{
	if (d->modrm >> 6 != 3)
		return X86_NO_REGISTER;
	return (uint8_t)((d->modrm & 7) | (d->rex & 1) << 3);
}

/* Memory at rsp or rbp, without an index. */
static bool is_based_on(const struct decoder *d, uint8_t base)
{
	uint8_t mod = d->modrm >> 6, rm = d->modrm & 7;

	if (mod == 3 || d->rex & 1 || d->rip_relative)
		return false;
	if (rm == 4)
		return (d->sib & 7) == base && (d->sib >> 3 & 7) == 4 && !(d->rex & 2) &&
		       !(base == RBP && !mod);
	return rm == base;
}

/* --- the maps of opcodes -----------------------------------------------------------------------*/

static uint8_t low_flags(uint8_t op)
{
	static const uint8_t arithmetic[8] = {MODRM | TO_RM,
					      MODRM | TO_RM,
					      MODRM | TO_REG,
					      MODRM | TO_REG,
					      IMM8,
					      IMM32,
					      BAD,
					      BAD};
	uint8_t flags = arithmetic[op & 7];

	/* Comparing writes nothing. */
	return op >= 0x38 ? flags & (uint8_t) ~(TO_RM | TO_REG) : flags;
}

static uint8_t one_byte_flags(uint8_t op)
{
	if (op < 0x40)
		return low_flags(op);
	switch (op) {
	case 0x60 ... 0x62:
	case 0x82:
	case 0x9a:
	case 0xce:
	case 0xd4 ... 0xd6:
	case 0xea:
		return BAD;
	case 0x63:
	case 0x8a ... 0x8b:
	case 0x8d:
		return MODRM | TO_REG;
	case 0x68:
	case 0xa9:
	case 0xe8 ... 0xe9:
		return IMM32;
	case 0x69:
		return MODRM | IMM32 | TO_REG;
	case 0x6b:
		return MODRM | IMM8 | TO_REG;
	case 0x6a:
	case 0x70 ... 0x7f:
	case 0xa8:
	case 0xb0 ... 0xb7:
	case 0xcd:
	case 0xe0 ... 0xe7:
	case 0xeb:
		return IMM8;
	case 0x80:
	case 0x83:
	case 0xc0 ... 0xc1:
	case 0xc6:
		return MODRM | IMM8 | TO_RM;
	case 0x81:
	case 0xc7:
		return MODRM | IMM32 | TO_RM;
	case 0x86 ... 0x87:
		return MODRM | TO_RM | TO_REG;
	case 0x84 ... 0x85:
	case 0x8e:
	case 0xd8 ... 0xdf:
		return MODRM;
	case 0x88 ... 0x89:
	case 0x8c:
	case 0x8f:
	case 0xd0 ... 0xd3:
	case 0xf6 ... 0xf7:
	case 0xfe ... 0xff:
		return MODRM | TO_RM;
	case 0xc2:
	case 0xca:
		return IMM16;
	case 0xc8:
		return IMM16 | IMM8;
	default:
		return 0;
	}
}

static uint8_t two_byte_flags(uint8_t op)
{
	switch (op) {
	case 0x05 ... 0x09:
	case 0x0b:
	case 0x0e:
	case 0x30 ... 0x37:
	case 0x77:
	case 0xa0 ... 0xa2:
	case 0xa8 ... 0xaa:
	case 0xc8 ... 0xcf:
		return 0;
	case 0x04:
	case 0x0a:
	case 0x0c:
	case 0x24 ... 0x27:
	case 0x39:
	case 0x3b ... 0x3f:
		return BAD;
	case 0x80 ... 0x8f:
		return IMM32;
	case 0x0f:
	case 0x70 ... 0x73:
	case 0xc2:
	case 0xc4:
	case 0xc6:
		return MODRM | IMM8;
	case 0xc5:
		return MODRM | IMM8 | TO_REG;
	case 0xa4:
	case 0xac:
	case 0xba:
		return MODRM | IMM8 | TO_RM;
	case 0x02 ... 0x03:
	case 0x2c ... 0x2d:
	case 0x40 ... 0x4f:
	case 0x50:
	case 0xaf:
	case 0xb2:
	case 0xb4 ... 0xb8:
	case 0xbc ... 0xbf:
	case 0xd7:
		return MODRM | TO_REG;
	case 0x00 ... 0x01:
	case 0x7e:
	case 0x90 ... 0x9f:
	case 0xa5:
	case 0xab:
	case 0xad:
	case 0xb0 ... 0xb1:
	case 0xb3:
	case 0xbb:
	case 0xc7:
		return MODRM | TO_RM;
	case 0xc0 ... 0xc1:
		return MODRM | TO_RM | TO_REG;
	default:
		return MODRM;
	}
}

/* Opcodes behind 0f, 0f 38 and 0f 3a; also those of VEX and EVEX, whose maps have the same
 * numbers: 1, 2, 3. */
static uint8_t map_flags(int map, uint8_t op)
{
	if (map == 1)
		return two_byte_flags(op);
	if (map == 2)
		return op >= 0xf0 ? MODRM | TO_REG : MODRM;
	if (map == 3)
		return op == 0xf0		  ? MODRM | IMM8 | TO_REG
		       : op >= 0x14 && op <= 0x17 ? MODRM | IMM8 | TO_RM
						  : MODRM | IMM8;
	/* Half precision; nothing with a number behind it writes a general register. */
	return map == 5 || map == 6 ? MODRM : BAD;
}

/* --- what it does ------------------------------------------------------------------------------*/

static uint8_t dwarf_register(uint8_t reg)
{
	static const uint8_t numbers[8] = {0, 2, 1, 3, 7, 6, 4, 5}; /* System V ABI, table 3.36 */

	return reg < 8 ? numbers[reg] : reg;
}

/* Opcodes that work on bytes; without a REX prefix, registers 4 to 7 are the second bytes of 0 to
 * 3 then. */
static bool is_byte_op(int map, uint8_t op)
{
	if (map == 1)
		return (op & 0xf0) == 0x90 || op == 0xb0 || op == 0xc0;
	if (map)
		return false;
	if (op < 0x40 || (op >= 0x80 && op <= 0x8b) || op == 0xf6 || op == 0xfe)
		return !(op & 1) && op != 0x8e;
	return (op >= 0xb0 && op <= 0xb7) || op == 0xc0 || op == 0xc6 || op == 0xd0 || op == 0xd2;
}

static uint8_t written(const struct decoder *d, uint8_t reg)
{
	if (d->bytes && !d->rex)
		reg = reg == 7 ? RBX : reg < 4 ? reg : RAX;
	return reg == RSP   ? X86_WRITES_RSP
	       : reg == RBP ? X86_WRITES_RBP
	       : reg == RBX ? X86_WRITES_RBX
			    : 0;
}

static void set_number(struct x86_insn *i, enum x86_kind kind, int64_t n)
{
	i->kind = (uint8_t)kind;
	i->number = (int32_t)n;
	i->writes = 0;
}

static bool is_frame(uint8_t reg)
{
	return reg == RBP || reg == RBX;
}

static void set_frame(struct x86_insn *i, enum x86_kind kind, uint8_t reg, int64_t n)
{
	set_number(i, kind, n);
	i->reg = dwarf_register(reg);
}

/* Opcodes with a register of their own, and jumps. */
static void tell_short(const struct decoder *d, uint8_t op, uint64_t next, struct x86_insn *i)
{
	uint8_t reg = (uint8_t)((op & 7) | (d->rex & 1) << 3);

	if (op >= 0x50 && op <= 0x5f) {
		i->kind = op < 0x58 ? X86_PUSH : X86_POP;
		i->reg = dwarf_register(reg);
	} else if (op == 0x68 || op == 0x6a || op == 0x9c) {
		i->kind = X86_PUSH;
		i->reg = X86_NO_REGISTER;
	} else if (op == 0x9d) {
		i->kind = X86_POP;
		i->reg = X86_NO_REGISTER;
	} else if ((op >= 0x70 && op <= 0x7f) || (op >= 0xe0 && op <= 0xe3)) {
		i->kind = X86_BRANCH;
		i->address = next + (uint64_t)d->immediate;
	} else if ((op > 0x90 && op <= 0x97) || (op >= 0xb0 && op <= 0xbf)) {
		i->writes = written(d, reg);
	} else if (op == 0xe8 || op == 0xe9 || op == 0xeb) {
		i->kind = op == 0xe8 ? X86_CALL : X86_JUMP;
		i->address = next + (uint64_t)d->immediate;
	} else if (op == 0xc2 || op == 0xc3 || op == 0xca || op == 0xcb || op == 0xcf) {
		i->kind = X86_RETURN;
	} else if (op == 0xc9) {
		i->kind = X86_LEAVE;
	} else if (op == 0xc8) {
		i->writes = X86_WRITES_RSP | X86_WRITES_RBP;
	} else if (op == 0xcc || op == 0xf4) {
		i->kind = X86_STOP;
	}
}

static void tell_group_ff(const struct decoder *d, struct x86_insn *i)
{
	uint8_t which = d->modrm >> 3 & 7;

	if (which < 2)
		return; /* inc, dec */
	i->writes = 0;
	if (which == 2 || which == 3)
		i->kind = X86_CALL;
	else if (which == 4 || which == 5)
		i->kind = X86_JUMP;
	else if (which == 6) {
		i->kind = X86_PUSH;
		i->reg = rm_of(d) == X86_NO_REGISTER ? X86_NO_REGISTER : dwarf_register(rm_of(d));
	}
}

static void tell_lea(const struct decoder *d, uint64_t next, struct x86_insn *i)
{
	uint8_t to = reg_of(d);
	bool wide = d->rex & 8;

	if (d->rip_relative) {
		i->kind = X86_ADDRESS;
		i->address = next + (uint64_t)(int64_t)d->displacement;
	} else if (wide && to == RSP && is_based_on(d, RSP)) {
		set_number(i, X86_ADD_RSP, d->displacement);
	} else if (wide && to == RSP && is_based_on(d, RBP)) {
		set_frame(i, X86_RSP_FROM_FRAME, RBP, d->displacement);
	} else if (wide && to == RSP && is_based_on(d, RBX)) {
		set_frame(i, X86_RSP_FROM_FRAME, RBX, d->displacement);
	} else if (wide && is_frame(to) && is_based_on(d, RSP)) {
		set_frame(i, X86_FRAME_FROM_RSP, to, d->displacement);
	}
}

/* One-byte opcodes with ModRM. */
static void tell_long(const struct decoder *d, uint8_t op, uint64_t next, struct x86_insn *i)
{
	uint8_t rm = rm_of(d), which = d->modrm >> 3 & 7;
	bool wide = d->rex & 8;
	uint8_t to = op == 0x8b ? reg_of(d) : rm, from = op == 0x8b ? rm : reg_of(d);

	if (op == 0x80 || op == 0x81 || op == 0x83) {
		if (which == 7)
			i->writes = 0;
		else if (op != 0x80 && wide && rm == RSP && (which == 0 || which == 5))
			set_number(i, X86_ADD_RSP, which ? -d->immediate : d->immediate);
	} else if ((op == 0x89 || op == 0x8b) && wide && to == RSP && is_frame(from)) {
		set_frame(i, X86_RSP_FROM_FRAME, from, 0);
	} else if ((op == 0x89 || op == 0x8b) && wide && is_frame(to) && from == RSP) {
		set_frame(i, X86_FRAME_FROM_RSP, to, 0);
	} else if (op == 0x8d) {
		tell_lea(d, next, i);
	} else if (op == 0x8f) {
		i->kind = X86_POP;
		i->reg = rm == X86_NO_REGISTER ? X86_NO_REGISTER : dwarf_register(rm);
		i->writes = 0;
	} else if ((op == 0xf6 || op == 0xf7) && (which < 2 || which > 3)) {
		i->writes = 0;
	} else if (op == 0xff) {
		tell_group_ff(d, i);
	}
}

static void tell_map1(const struct decoder *d, uint8_t op, uint64_t next, struct x86_insn *i)
{
	if (op >= 0x80 && op <= 0x8f) {
		i->kind = X86_BRANCH;
		i->address = next + (uint64_t)d->immediate;
	} else if (op == 0x0b || op == 0xb9 || op == 0xff) {
		i->kind = X86_STOP;
	} else if (op == 0xa0 || op == 0xa8) {
		i->kind = X86_PUSH;
		i->reg = X86_NO_REGISTER;
	} else if (op == 0xa1 || op == 0xa9) {
		i->kind = X86_POP;
		i->reg = X86_NO_REGISTER;
	} else if (op >= 0xc8 && op <= 0xcf) {
		i->writes = written(d, (uint8_t)((op & 7) | (d->rex & 1) << 3));
	}
}

/* --- decoding ----------------------------------------------------------------------------------*/

static uint8_t prefixes(struct decoder *d)
{
	for (;;) {
		uint8_t b = byte(d);

		switch (b) {
		case 0x66:
			d->word = true;
			break;
		case 0x26:
		case 0x2e:
		case 0x36:
		case 0x3e:
		case 0x64 ... 0x65:
		case 0x67:
		case 0xf0:
		case 0xf2:
			break;
		case 0xf3:
			d->repeat = true;
			break;
		case 0x40 ... 0x4f:
			d->rex = b;
			return byte(d);
		default:
			return b;
		}
		if (d->bad)
			return 0;
	}
}

/* The prefixes that hold the map of the opcode; returns the map. */
static int vex(struct decoder *d, uint8_t first, uint8_t *ret_op)
{
	uint8_t a = byte(d), map = 1;

	if (first == 0xc5) {
		d->rex = (uint8_t)(~a >> 5 & 4);
		d->repeat = (a & 3) == 2;
	} else {
		map = a & (first == 0x62 ? 7 : 31);
		d->rex = (uint8_t)(~a >> 5 & 7);
		uint8_t b = byte(d);

		d->rex |= b >> 4 & 8;
		d->repeat = (b & 3) == 2;
		if (first == 0x62)
			byte(d);
	}
	*ret_op = byte(d);
	return map;
}

static void operands(struct decoder *d, int map, uint8_t op, uint8_t flags)
{
	if (flags & MODRM)
		modrm(d);
	/* Only two of these groups of eight have a number. */
	if (!map && (op == 0xf6 || op == 0xf7) && (d->modrm >> 3 & 7) < 2)
		flags |= op == 0xf6 ? IMM8 : IMM32;
	if (!map && op >= 0xa0 && op <= 0xa3)
		d->immediate = number(d, 8);
	else if (!map && op >= 0xb8 && op <= 0xbf)
		d->immediate = number(d, d->rex & 8 ? 8 : d->word ? 2 : 4);
	else if (flags & IMM32) /* jumps are as long with the prefix as without, on Intel's */
		d->immediate = number(d, d->word && (map || (op & 0xfe) != 0xe8) ? 2 : 4);
	if (flags & IMM16)
		d->immediate = number(d, 2);
	if (flags & IMM8)
		d->immediate = number(d, 1);
	d->flags = flags;
}

int x86_decode(const uint8_t *code, size_t n, uint64_t address, struct x86_insn *ret)
{
	struct decoder d = {.start = code, .at = code, .end = code + MIN(n, (size_t)MAX_SIZE)};
	struct x86_insn i = {.reg = X86_NO_REGISTER};
	uint8_t op = prefixes(&d);
	int map = 0;

	if (op == 0x0f) {
		op = byte(&d);
		map = op == 0x38 ? 2 : op == 0x3a ? 3 : 1;
		if (map > 1)
			op = byte(&d);
	} else if (op == 0xc4 || op == 0xc5 || op == 0x62) {
		map = vex(&d, op, &op);
		if (!map)
			return -EBADMSG;
	}
	uint8_t flags = map ? map_flags(map, op) : one_byte_flags(op);

	if (d.bad || flags & BAD)
		return -EBADMSG;
	operands(&d, map, op, flags);
	if (d.bad)
		return -EBADMSG;
	i.size = (uint8_t)(d.at - d.start);
	d.bytes = is_byte_op(map, op);
	if (map == 1 && op == 0x7e && d.repeat) /* from a vector to another */
		d.flags &= (uint8_t)~TO_RM;
	if (d.flags & TO_RM)
		i.writes |= written(&d, rm_of(&d));
	if (d.flags & TO_REG)
		i.writes |= written(&d, reg_of(&d));
	if (!map && d.has_modrm)
		tell_long(&d, op, address + i.size, &i);
	else if (!map)
		tell_short(&d, op, address + i.size, &i);
	else if (map == 1)
		tell_map1(&d, op, address + i.size, &i);
	*ret = i;
	return 0;
}
