#include "unwind/native/row.h"

/* Numbers of DWARF 5 (section 7.24) and of the x86-64 psABI (figure 3.36). */
enum { REG_FP = 6, REG_SP = 7, REG_RA = 16 };
enum {
	CFA_NOP = 0x00,
	CFA_ADVANCE_1 = 0x02,
	CFA_ADVANCE_2 = 0x03,
	CFA_ADVANCE_4 = 0x04,
	CFA_OFFSET_EXTENDED = 0x05,
	CFA_RESTORE_EXTENDED = 0x06,
	CFA_UNDEFINED = 0x07,
	CFA_SAME_VALUE = 0x08,
	CFA_REGISTER_RULE = 0x09,
	CFA_REMEMBER = 0x0a,
	CFA_RESTORE_STATE = 0x0b,
	CFA_DEF = 0x0c,
	CFA_DEF_REGISTER = 0x0d,
	CFA_DEF_OFFSET = 0x0e,
	CFA_DEF_EXPRESSION = 0x0f,
	CFA_EXPRESSION = 0x10,
	CFA_OFFSET_SF = 0x11,
	CFA_DEF_SF = 0x12,
	CFA_DEF_OFFSET_SF = 0x13,
	CFA_VAL_OFFSET = 0x14,
	CFA_VAL_OFFSET_SF = 0x15,
	CFA_VAL_EXPRESSION = 0x16,
	CFA_GNU_ARGS_SIZE = 0x2e,
	CFA_ADVANCE = 0x40, /* these three have an operand in their low six bits */
	CFA_OFFSET = 0x80,
	CFA_RESTORE = 0xc0,
};
/* How pointers are written (Linux Standard Base, section 10.5.1). */
enum {
	PE_FORMAT = 0x0f,
	PE_ABSOLUTE = 0x00,
	PE_UDATA4 = 0x03,
	PE_UDATA8 = 0x04,
	PE_SDATA4 = 0x0b,
	PE_SDATA8 = 0x0c,
	PE_BASE = 0x70,
	PE_PCREL = 0x10,
	PE_DATAREL_SDATA4 = 0x3b
};
enum {
	MAX_ENTRY = 64 << 10,	 /* bytes of one CIE or FDE */
	HEAD_BYTES = 128,	 /* of one, read at once */
	MAX_UNSORTED = 16 << 20, /* bytes of an .eh_frame that has no table */
	BLOCK = 256,		 /* entries of the sorted table, read at once */
	MAX_REMEMBERED = 16,
	MAX_AUGMENTATION = 8,
};

struct cursor {
	const uint8_t *at, *end;
	bool bad;
};

static uint64_t take(struct cursor *c, size_t n)
{
	uint64_t v = 0;

	if ((size_t)(c->end - c->at) < n) {
		c->bad = true;
		c->at = c->end;
		return 0;
	}
	memcpy(&v, c->at, n);
	c->at += n;
	return v;
}

static uint64_t take_uleb(struct cursor *c)
{
	uint64_t v = 0;

	for (unsigned int shift = 0; shift < 64; shift += 7) {
		uint8_t b = take(c, 1);

		v |= (uint64_t)(b & 0x7f) << shift;
		if (!(b & 0x80))
			return v;
	}
	c->bad = true;
	return v;
}

static int64_t take_sleb(struct cursor *c)
{
	uint64_t v = 0;

	for (unsigned int shift = 0; shift < 64;) {
		uint8_t b = take(c, 1);

		v |= (uint64_t)(b & 0x7f) << shift;
		shift += 7;
		if (b & 0x80)
			continue;
		if ((b & 0x40) && shift < 64)
			v |= ~0ULL << shift;
		return (int64_t)v;
	}
	c->bad = true;
	return 0;
}

static struct cursor take_block(struct cursor *c)
{
	uint64_t n = take_uleb(c);
	struct cursor block = {.at = c->at, .end = c->at};

	if (n > (uint64_t)(c->end - c->at)) {
		c->bad = true;
		return block;
	}
	block.end = c->at += n;
	return block;
}

/* Numbers from a file, multiplied without overflow; what is out of all reason becomes useless. */
static int64_t scaled(int64_t n, int64_t by)
{
	int64_t v;

	return __builtin_mul_overflow(n, by, &v) || v > INT32_MAX || v < INT32_MIN ? INT32_MAX : v;
}

static void set_rule(const struct row_program *p, struct row_rules *s, uint64_t reg, int rule,
		     int64_t at)
{
	if (reg == REG_FP) {
		s->fp = rule;
		s->fp_at = at;
	} else if (reg == p->ra_register) {
		s->ra = rule;
		s->ra_at = at;
	}
}

static void restore_rule(const struct row_program *p, const struct row_rules *initial,
			 struct row_rules *s, uint64_t reg)
{
	if (reg == REG_FP)
		set_rule(p, s, reg, initial ? initial->fp : RULE_SAME,
			 initial ? initial->fp_at : 0);
	else if (reg == p->ra_register)
		set_rule(p, s, reg, initial ? initial->ra : RULE_SAME,
			 initial ? initial->ra_at : 0);
}

/* The linker describes its jump tables so: sp + 8 + ((ip & 15) >= n) * 8 (binutils,
 * bfd/elfxx-x86.c). */
static bool plt_expression(struct cursor e, uint64_t *ret_threshold)
{
	static const uint8_t head[] = {0x77, 8, 0x80, 0, 0x3f, 0x1a};
	static const uint8_t tail[] = {0x2a, 0x33, 0x24, 0x22};
	size_t n = e.end - e.at;

	if (n != sizeof(head) + 1 + sizeof(tail) || memcmp(e.at, head, sizeof(head)) ||
	    memcmp(e.at + sizeof(head) + 1, tail, sizeof(tail)))
		return false;
	/* DW_OP_lit0 is 0x30. */
	*ret_threshold = e.at[sizeof(head)] - 0x30;
	return *ret_threshold < 16;
}

/* A function that aligns its stack keeps its fp as usual, but says so as "fp is at [fp + 0]". */
static bool is_at_fp(struct cursor e)
{
	return e.end - e.at == 2 && e.at[0] == 0x76 && e.at[1] == 0;
}

static void define_cfa(struct row_rules *s, uint64_t reg, int64_t offset)
{
	s->cfa = CFA_REGISTER;
	s->cfa_register = reg;
	s->cfa_offset = offset;
}

static void define_cfa_expression(struct row_rules *s, struct cursor e)
{
	s->cfa = plt_expression(e, &s->plt_threshold) ? CFA_PLT : CFA_OTHER;
}

/* Instructions that set a rule of a register. */
static bool run_register(const struct row_program *p, struct cursor *c, uint8_t op,
			 const struct row_rules *initial, struct row_rules *s)
{
	uint64_t reg = take_uleb(c);

	switch (op) {
	case CFA_OFFSET_EXTENDED:
		set_rule(p, s, reg, RULE_AT, scaled(take_uleb(c), p->data_align));
		return true;
	case CFA_OFFSET_SF:
		set_rule(p, s, reg, RULE_AT, scaled(take_sleb(c), p->data_align));
		return true;
	case CFA_RESTORE_EXTENDED:
		restore_rule(p, initial, s, reg);
		return true;
	case CFA_UNDEFINED:
		set_rule(p, s, reg, RULE_UNDEFINED, 0);
		return true;
	case CFA_SAME_VALUE:
		set_rule(p, s, reg, RULE_SAME, 0);
		return true;
	case CFA_REGISTER_RULE:
	case CFA_VAL_OFFSET:
		take_uleb(c);
		set_rule(p, s, reg, RULE_OTHER, 0);
		return true;
	case CFA_VAL_OFFSET_SF:
		take_sleb(c);
		set_rule(p, s, reg, RULE_OTHER, 0);
		return true;
	case CFA_EXPRESSION:
		set_rule(p, s, reg, is_at_fp(take_block(c)) ? RULE_AT_FP : RULE_OTHER, 0);
		return true;
	case CFA_VAL_EXPRESSION:
		take_block(c);
		set_rule(p, s, reg, RULE_OTHER, 0);
		return true;
	default:
		return false;
	}
}

/* Instructions that say where the caller's stack began. */
static bool run_cfa(const struct row_program *p, struct cursor *c, uint8_t op, struct row_rules *s)
{
	uint64_t reg = s->cfa_register;

	switch (op) {
	case CFA_DEF:
		reg = take_uleb(c);
		define_cfa(s, reg, scaled(take_uleb(c), 1));
		return true;
	case CFA_DEF_SF:
		reg = take_uleb(c);
		define_cfa(s, reg, scaled(take_sleb(c), p->data_align));
		return true;
	case CFA_DEF_REGISTER:
		define_cfa(s, take_uleb(c), s->cfa_offset);
		return true;
	case CFA_DEF_OFFSET:
		define_cfa(s, reg, scaled(take_uleb(c), 1));
		return true;
	case CFA_DEF_OFFSET_SF:
		define_cfa(s, reg, scaled(take_sleb(c), p->data_align));
		return true;
	case CFA_DEF_EXPRESSION:
		define_cfa_expression(s, take_block(c));
		return true;
	default:
		return false;
	}
}

/* How far an instruction moves on in the code; false for others. */
static bool advance(const struct row_program *p, struct cursor *c, uint8_t op, uint64_t *at)
{
	uint64_t n;

	if ((op & 0xc0) == CFA_ADVANCE)
		n = op & 0x3f;
	else if (op == CFA_ADVANCE_1 || op == CFA_ADVANCE_2 || op == CFA_ADVANCE_4)
		n = take(c, op == CFA_ADVANCE_1 ? 1 : op == CFA_ADVANCE_2 ? 2 : 4);
	else
		return false;
	*at += n * p->code_align;
	return true;
}

bool row_run(const struct row_program *p, uint64_t start, uint64_t address,
	     const struct row_rules *initial, struct row_rules *s)
{
	struct cursor c = {.at = p->data, .end = p->data + p->len};
	struct row_rules remembered[MAX_REMEMBERED];
	size_t depth = 0;

	while (c.at < c.end && !c.bad) {
		uint8_t op = take(&c, 1);

		if (advance(p, &c, op, &start)) {
			if (start > address)
				return !c.bad;
		} else if ((op & 0xc0) == CFA_OFFSET) {
			set_rule(p, s, op & 0x3f, RULE_AT, scaled(take_uleb(&c), p->data_align));
		} else if ((op & 0xc0) == CFA_RESTORE) {
			restore_rule(p, initial, s, op & 0x3f);
		} else if (op == CFA_REMEMBER) {
			if (depth == MAX_REMEMBERED)
				return false;
			remembered[depth++] = *s;
		} else if (op == CFA_RESTORE_STATE) {
			if (!depth)
				return false;
			*s = remembered[--depth];
		} else if (op == CFA_GNU_ARGS_SIZE) {
			take_uleb(&c);
		} else if (op != CFA_NOP && !run_cfa(p, &c, op, s) &&
			   !run_register(p, &c, op, initial, s)) {
			return false;
		}
	}
	return !c.bad;
}

void row_from_rules(const struct row_rules *r, uint64_t address, struct row *ret)
{
	int64_t offset = r->cfa_offset;

	*ret = (struct row){.kind = ROW_OTHER};
	if (r->ra == RULE_UNDEFINED) {
		ret->kind = ROW_END;
		return;
	}
	if (r->fp == RULE_AT_FP) {
		ret->kind = ROW_FP;
		return;
	}
	if (r->ra != RULE_AT || r->ra_at != -8 || (r->fp != RULE_SAME && r->fp != RULE_AT))
		return;
	if (r->cfa == CFA_REGISTER && r->cfa_register == REG_FP) {
		if (offset == 16 && r->fp == RULE_AT && r->fp_at == -16)
			ret->kind = ROW_FP;
		return;
	}
	if (r->cfa == CFA_PLT)
		offset = 8 + ((address & 15) >= r->plt_threshold) * 8;
	else if (r->cfa != CFA_REGISTER || r->cfa_register != REG_SP)
		return;
	/* What lies above the caller's stack pointer is no register of ours. */
	if (offset < 8 || offset >= INT32_MAX || (r->fp == RULE_AT && r->fp_at >= 0))
		return;
	ret->kind = ROW_SP;
	ret->offset = offset;
	/* Compilers leave the rule when the register was popped again: the place is then below. */
	ret->fp_saved = r->fp == RULE_AT && offset + r->fp_at >= 0;
	ret->fp_at = ret->fp_saved ? r->fp_at : 0;
}

/* One CIE or FDE: its bytes behind the length. Most are short: one read brings both. */
static int read_entry(const struct elf_file *f, uint64_t address, uint8_t **ret, size_t *ret_len)
{
	cleanup_free uint8_t *data = NULL;
	uint8_t head[HEAD_BYTES];
	size_t have = sizeof(head);
	uint32_t len;
	int r = elf_file_read_address(f, address, head, have);

	/* At the end of the segment there may be less. */
	if (r < 0)
		r = elf_file_read_address(f, address, head, have = sizeof(len));
	if (r < 0)
		return r;
	memcpy(&len, head, sizeof(len));
	if (len < 4 || len > MAX_ENTRY)
		return -EBADMSG;
	data = mem_calloc(len, 1);
	if (len <= have - sizeof(len))
		memcpy(data, head + sizeof(len), len);
	else
		r = elf_file_read_address(f, address + sizeof(len), data, len);
	if (r < 0)
		return r;
	*ret = take_ptr(data);
	*ret_len = len;
	return 0;
}

static size_t pointer_size(uint8_t encoding)
{
	switch (encoding & PE_FORMAT) {
	case PE_UDATA4:
	case PE_SDATA4:
		return 4;
	case PE_ABSOLUTE:
	case PE_UDATA8:
	case PE_SDATA8:
		return 8;
	default:
		return 0;
	}
}

struct cie {
	struct row_program program;
	uint8_t encoding; /* of code addresses in its FDEs */
	bool augmented;
};

static bool parse_augmentation(struct cursor *c, const char *letters, struct cie *ret)
{
	struct cursor data;

	if (!letters[0])
		return true;
	if (letters[0] != 'z')
		return false;
	ret->augmented = true;
	data = take_block(c);
	for (letters++; *letters; letters++) {
		if (*letters == 'R')
			ret->encoding = take(&data, 1);
		else if (*letters == 'L')
			take(&data, 1);
		else if (*letters == 'P')
			take(&data, pointer_size(take(&data, 1)));
		else if (*letters != 'S' && *letters != 'B')
			return false;
	}
	return !data.bad;
}

static bool parse_cie(const uint8_t *data, size_t len, struct cie *ret)
{
	struct cursor c = {.at = data, .end = data + len};
	char letters[MAX_AUGMENTATION] = {};
	uint8_t version;
	size_t i = 0;

	/* In .eh_frame a CIE has the number 0. */
	if (take(&c, 4))
		return false;
	version = take(&c, 1);
	if (version != 1 && version != 3)
		return false;
	do {
		if (i == sizeof(letters))
			return false;
		letters[i] = take(&c, 1);
	} while (letters[i++]);
	*ret = (struct cie){};
	ret->program.code_align = take_uleb(&c);
	ret->program.data_align = take_sleb(&c);
	ret->program.ra_register = version == 1 ? take(&c, 1) : take_uleb(&c);
	if (!parse_augmentation(&c, letters, ret) || c.bad)
		return false;
	ret->program.data = c.at;
	ret->program.len = c.end - c.at;
	return true;
}

/* False where the FDE does not reach that far: nothing is said of the address. */
static bool parse_fde(const uint8_t *data, size_t len, const struct cie *cie, uint64_t distance,
		      struct row_program *ret)
{
	struct cursor c = {.at = data, .end = data + len};
	size_t size = pointer_size(cie->encoding);

	if (!size)
		return false;
	take(&c, 4);
	take(&c, size);
	if (distance >= take(&c, size))
		return false;
	if (cie->augmented)
		take_block(&c);
	*ret = cie->program;
	ret->data = c.at;
	ret->len = c.end - c.at;
	return !c.bad;
}

static void row_of_fde(const struct elf_file *f, uint64_t fde_at, uint64_t start, uint64_t address,
		       struct row *ret)
{
	cleanup_free uint8_t *fde = NULL, *cie_data = NULL;
	struct row_rules initial = {.cfa = CFA_OTHER}, rules;
	size_t fde_len, cie_len;
	struct row_program program;
	struct cie cie;
	uint32_t back;

	*ret = (struct row){.kind = ROW_OTHER};
	if (read_entry(f, fde_at, &fde, &fde_len))
		return;
	/* The distance from its own place back to the CIE. */
	memcpy(&back, fde, sizeof(back));
	if (!back || read_entry(f, fde_at + 4 - back, &cie_data, &cie_len) ||
	    !parse_cie(cie_data, cie_len, &cie))
		return;
	if (!parse_fde(fde, fde_len, &cie, address - start, &program)) {
		ret->kind = ROW_NONE;
		return;
	}
	if (!row_run(&cie.program, 0, UINT64_MAX, NULL, &initial))
		return;
	rules = initial;
	if (row_run(&program, start, address, &initial, &rules))
		row_from_rules(&rules, address, ret);
}

/* An entry of the sorted table behind the header, relative to the header: where code starts, and
 * where its FDE is. */
struct table_entry {
	int32_t start, fde;
};
enum { TABLE_AT = 12 };

/* The last of n entries that starts at or before the address. */
static const struct table_entry *last_before(const struct table_entry *e, size_t n, int64_t at)
{
	size_t low = 0;

	while (low < n) {
		size_t middle = low + (n - low) / 2;

		if (e[middle].start <= at)
			low = middle + 1;
		else
			n = middle;
	}
	return low ? &e[low - 1] : NULL;
}

/* The same in the file, where the table may be large: narrow it down, then read a block. */
static bool find_in_table(const struct elf_file *f, uint64_t header, uint32_t count, int64_t at,
			  struct table_entry *ret)
{
	struct table_entry block[BLOCK], e;
	const struct table_entry *found;
	uint64_t low = 0, high = count, table = header + TABLE_AT;

	while (high - low > BLOCK) {
		uint64_t middle = low + (high - low) / 2;

		if (elf_file_read_address(f, table + middle * sizeof(e), &e, sizeof(e)))
			return false;
		if (e.start <= at)
			low = middle;
		else
			high = middle;
	}
	if (elf_file_read_address(f, table + low * sizeof(e), block, (high - low) * sizeof(e)))
		return false;
	found = last_before(block, high - low, at);
	if (!found)
		return false;
	*ret = *found;
	return true;
}

static uint64_t header_of(const struct elf_file *f)
{
	for (size_t i = 0; i < f->segments.len; i++)
		if (f->segments.data[i].p_type == PT_GNU_EH_FRAME)
			return f->segments.data[i].p_vaddr;
	return 0;
}

static int by_start(const void *a, const void *b)
{
	const struct row_place *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

/* The code address at the head of an FDE, which stands at `at` in memory. */
static bool fde_start(struct cursor c, uint8_t encoding, uint64_t at, uint64_t *ret)
{
	size_t size = pointer_size(encoding);
	uint64_t v = take(&c, size);

	if (!size || c.bad)
		return false;
	if (size == 4 && (encoding & PE_FORMAT) == PE_SDATA4)
		v = (uint64_t)(int64_t)(int32_t)v;
	if ((encoding & PE_BASE) == PE_PCREL)
		v += at;
	else if ((encoding & PE_BASE) != PE_ABSOLUTE)
		return false;
	*ret = v;
	return true;
}

/* Entry at offset `at` of .eh_frame, whose bytes are given: remember it when it is an FDE. */
static void add_place(struct row_table *t, const uint8_t *data, size_t len, size_t at,
		      uint64_t address)
{
	struct cursor c = {.at = data + at + 8, .end = data + len};
	struct row_place place = {.entry = address + at};
	uint32_t back, cie_len;
	struct cie cie;

	memcpy(&back, data + at + 4, sizeof(back));
	if (!back || back > at + 4)
		return;
	at = at + 4 - back;
	memcpy(&cie_len, data + at, sizeof(cie_len));
	if (cie_len > MAX_ENTRY || cie_len > len - at - 4 ||
	    !parse_cie(data + at + 4, cie_len, &cie))
		return;
	if (fde_start(c, cie.encoding, place.entry + 8, &place.start))
		vec_push(&t->places, place);
}

void row_table_init(struct row_table *t, const struct elf_file *f)
{
	const Elf64_Shdr *s = elf_file_section(f, ".eh_frame");
	cleanup_free uint8_t *data = NULL;
	uint32_t n;

	*t = (struct row_table){};
	if (header_of(f) || !s || s->sh_size < 8 || s->sh_size > MAX_UNSORTED)
		return;
	data = mem_calloc(s->sh_size, 1);
	if (elf_file_read(f, s->sh_offset, data, s->sh_size))
		return;
	for (size_t at = 0; s->sh_size - at >= 8; at += n + 4) {
		memcpy(&n, data + at, sizeof(n));
		/* A length of 0 ends a list; others may follow. */
		if (n > s->sh_size - at - 4)
			break;
		if (n >= 4)
			add_place(t, data, s->sh_size, at, s->sh_addr);
	}
	qsort(t->places.data, t->places.len, sizeof(t->places.data[0]), by_start);
}

void row_table_fini(struct row_table *t)
{
	vec_fini(&t->places);
}

static void find_in_places(const struct elf_file *f, const struct row_table *t, uint64_t address,
			   struct row *ret)
{
	size_t low = 0, high = t->places.len;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (t->places.data[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (low)
		row_of_fde(f, t->places.data[low - 1].entry, t->places.data[low - 1].start, address,
			   ret);
}

void row_find(const struct elf_file *f, const struct row_table *t, uint64_t address,
	      struct row *ret)
{
	uint64_t header = header_of(f);
	struct table_entry e;
	struct {
		uint8_t version, frame_encoding, count_encoding, table_encoding;
		int32_t frame;
		uint32_t count;
	} h;

	_Static_assert(sizeof(h) == TABLE_AT, "of .eh_frame_hdr with these encodings");
	*ret = (struct row){.kind = ROW_NONE};
	if (!header) {
		find_in_places(f, t, address, ret);
		return;
	}
	if (elf_file_read_address(f, header, &h, sizeof(h)) || h.version != 1 ||
	    h.table_encoding != PE_DATAREL_SDATA4 || h.count_encoding != PE_UDATA4 ||
	    pointer_size(h.frame_encoding) != 4)
		return;
	if (find_in_table(f, header, h.count, (int64_t)(address - header), &e))
		row_of_fde(f, header + (int64_t)e.fde, header + (int64_t)e.start, address, ret);
}
