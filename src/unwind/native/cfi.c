#include "unwind/native/cfi.h"

#include "unwind/native/cfi_bytes.h"

enum {
	MAX_REMEMBERED = 64, /* states on the stack of DW_CFA_remember_state */
	MAX_CIES = 1 << 16,
	MAX_FDES = 1 << 23,
};

/* DWARF 5, table 7.29. */
enum {
	CFA_ADVANCE_LOC = 0x40,
	CFA_OFFSET = 0x80,
	CFA_RESTORE = 0xc0,
	CFA_NOP = 0x00,
	CFA_SET_LOC = 0x01,
	CFA_ADVANCE_LOC1 = 0x02,
	CFA_ADVANCE_LOC2 = 0x03,
	CFA_ADVANCE_LOC4 = 0x04,
	CFA_OFFSET_EXTENDED = 0x05,
	CFA_RESTORE_EXTENDED = 0x06,
	CFA_UNDEFINED = 0x07,
	CFA_SAME_VALUE = 0x08,
	CFA_REGISTER = 0x09,
	CFA_REMEMBER_STATE = 0x0a,
	CFA_RESTORE_STATE = 0x0b,
	CFA_DEF_CFA = 0x0c,
	CFA_DEF_CFA_REGISTER = 0x0d,
	CFA_DEF_CFA_OFFSET = 0x0e,
	CFA_DEF_CFA_EXPRESSION = 0x0f,
	CFA_EXPRESSION = 0x10,
	CFA_OFFSET_EXTENDED_SF = 0x11,
	CFA_DEF_CFA_SF = 0x12,
	CFA_DEF_CFA_OFFSET_SF = 0x13,
	CFA_VAL_OFFSET = 0x14,
	CFA_VAL_OFFSET_SF = 0x15,
	CFA_VAL_EXPRESSION = 0x16,
	CFA_GNU_ARGS_SIZE = 0x2e,
	CFA_GNU_NEGATIVE_OFFSET_EXTENDED = 0x2f,
};

/* DW_EH_PE_* of .eh_frame. */
enum { PE_OMIT = 0xff, PE_PCREL_SDATA4 = 0x1b, PE_FORMAT = 0x0f };

struct machine {
	const struct cfi_section *section;
	const struct cfi_cie *cie;
	struct byte_reader in;
	uint64_t address;
	struct cfi_state state;
	struct cfi_state remembered[MAX_REMEMBERED];
	size_t depth;
	cfi_row_fn *row; /* NULL while the program of a CIE runs */
	void *arg;
};

static uint64_t address_of(const struct cfi_section *s, const uint8_t *at)
{
	return s->address + (uint64_t)(at - s->data);
}

/* NULL for registers that nobody follows. */
static struct cfi_place *slot(struct machine *m, uint64_t reg)
{
	if (reg == m->cie->ra_register)
		return &m->state.slots[CFI_RA];
	switch (reg) {
	case 3:
		return &m->state.slots[CFI_RBX];
	case 6:
		return &m->state.slots[CFI_RBP];
	case 7:
		return &m->state.slots[CFI_RSP];
	default:
		return NULL;
	}
}

static void put(struct machine *m, uint64_t reg, enum cfi_kind kind, int64_t number)
{
	struct cfi_place *p = slot(m, reg);

	if (p)
		*p = (struct cfi_place){.kind = kind, .number = number};
}

static void put_expression(struct machine *m, enum cfi_kind kind)
{
	struct cfi_place *p = slot(m, byte_uleb(&m->in));
	struct cfi_bytes expression = cfi_block(&m->in);

	if (p)
		*p = (struct cfi_place){.kind = kind, .expression = expression};
}

/* As it was when the function started. */
static void restore(struct machine *m, uint64_t reg)
{
	struct cfi_place *p = slot(m, reg);

	if (p)
		*p = m->cie->initial.slots[p - m->state.slots];
}

static int64_t scaled(const struct machine *m, uint64_t n)
{
	return (int64_t)(n * (uint64_t)m->cie->data_align);
}

static void def_cfa(struct machine *m, uint64_t reg, int64_t offset)
{
	m->state.cfa_expression = false;
	m->state.cfa_register = reg;
	m->state.cfa_offset = offset;
}

/* The rows up to here end; the next begins at address. */
static int move(struct machine *m, uint64_t address)
{
	if (!m->row || address < m->address)
		return -EBADMSG;
	if (address == m->address)
		return 0;
	int r = m->row(m->arg, m->address, &m->state);

	m->address = address;
	return r;
}

static int advance(struct machine *m, uint64_t n)
{
	uint64_t bytes;

	if (__builtin_mul_overflow(n, m->cie->code_align, &bytes) ||
	    __builtin_add_overflow(bytes, m->address, &bytes))
		return -EBADMSG;
	return move(m, bytes);
}

static int set_location(struct machine *m)
{
	uint64_t address, here = address_of(m->section, m->in.at);

	if (!cfi_pointer(&m->in, m->cie->fde_encoding, here, &address))
		return -EBADMSG;
	return move(m, address);
}

static int remember(struct machine *m)
{
	if (m->depth == MAX_REMEMBERED)
		return -EBADMSG;
	m->remembered[m->depth++] = m->state;
	return 0;
}

static int recall(struct machine *m)
{
	if (!m->depth)
		return -EBADMSG;
	m->state = m->remembered[--m->depth];
	return 0;
}

/* Instructions that say where the CFA is. Returns false for others. */
static bool step_cfa(struct machine *m, uint8_t op)
{
	struct cfi_state *s = &m->state;
	uint64_t reg;

	switch (op) {
	case CFA_DEF_CFA:
		reg = byte_uleb(&m->in);
		def_cfa(m, reg, (int64_t)byte_uleb(&m->in));
		return true;
	case CFA_DEF_CFA_SF:
		reg = byte_uleb(&m->in);
		def_cfa(m, reg, scaled(m, (uint64_t)byte_sleb(&m->in)));
		return true;
	case CFA_DEF_CFA_REGISTER:
		def_cfa(m, byte_uleb(&m->in), s->cfa_offset);
		return true;
	case CFA_DEF_CFA_OFFSET:
		def_cfa(m, s->cfa_register, (int64_t)byte_uleb(&m->in));
		return true;
	case CFA_DEF_CFA_OFFSET_SF:
		def_cfa(m, s->cfa_register, scaled(m, (uint64_t)byte_sleb(&m->in)));
		return true;
	case CFA_DEF_CFA_EXPRESSION:
		s->cfa_expression = true;
		s->expression = cfi_block(&m->in);
		return true;
	default:
		return false;
	}
}

/* Instructions that say where a register is. Returns false for others. */
static bool step_register(struct machine *m, uint8_t op)
{
	uint64_t reg;

	if (op == CFA_EXPRESSION || op == CFA_VAL_EXPRESSION) {
		put_expression(m, op == CFA_EXPRESSION ? CFI_EXPRESSION : CFI_IS_EXPRESSION);
		return true;
	}
	switch (op) {
	case CFA_OFFSET_EXTENDED:
		reg = byte_uleb(&m->in);
		put(m, reg, CFI_AT_CFA, scaled(m, byte_uleb(&m->in)));
		return true;
	case CFA_OFFSET_EXTENDED_SF:
		reg = byte_uleb(&m->in);
		put(m, reg, CFI_AT_CFA, scaled(m, (uint64_t)byte_sleb(&m->in)));
		return true;
	case CFA_GNU_NEGATIVE_OFFSET_EXTENDED:
		reg = byte_uleb(&m->in);
		put(m, reg, CFI_AT_CFA, scaled(m, -byte_uleb(&m->in)));
		return true;
	case CFA_VAL_OFFSET:
		reg = byte_uleb(&m->in);
		put(m, reg, CFI_IS_CFA, scaled(m, byte_uleb(&m->in)));
		return true;
	case CFA_VAL_OFFSET_SF:
		reg = byte_uleb(&m->in);
		put(m, reg, CFI_IS_CFA, scaled(m, (uint64_t)byte_sleb(&m->in)));
		return true;
	case CFA_RESTORE_EXTENDED:
		restore(m, byte_uleb(&m->in));
		return true;
	case CFA_UNDEFINED:
		put(m, byte_uleb(&m->in), CFI_UNDEFINED, 0);
		return true;
	case CFA_SAME_VALUE:
		put(m, byte_uleb(&m->in), CFI_SAME, 0);
		return true;
	case CFA_REGISTER:
		reg = byte_uleb(&m->in);
		put(m, reg, CFI_REGISTER, (int64_t)(byte_uleb(&m->in) & INT64_MAX));
		return true;
	default:
		return false;
	}
}

static int step_other(struct machine *m, uint8_t op)
{
	switch (op) {
	case CFA_NOP:
		return 0;
	case CFA_SET_LOC:
		return set_location(m);
	case CFA_ADVANCE_LOC1:
		return advance(m, byte_fixed(&m->in, 1));
	case CFA_ADVANCE_LOC2:
		return advance(m, byte_fixed(&m->in, 2));
	case CFA_ADVANCE_LOC4:
		return advance(m, byte_fixed(&m->in, 4));
	case CFA_REMEMBER_STATE:
		return remember(m);
	case CFA_RESTORE_STATE:
		return recall(m);
	case CFA_GNU_ARGS_SIZE:
		byte_uleb(&m->in);
		return 0;
	default:
		return -EBADMSG;
	}
}

static int step(struct machine *m)
{
	uint8_t op = (uint8_t)byte_fixed(&m->in, 1);

	switch (op & 0xc0) {
	case CFA_ADVANCE_LOC:
		return advance(m, op & 0x3f);
	case CFA_OFFSET:
		put(m, op & 0x3f, CFI_AT_CFA, scaled(m, byte_uleb(&m->in)));
		return 0;
	case CFA_RESTORE:
		restore(m, op & 0x3f);
		return 0;
	default:
		return step_cfa(m, op) || step_register(m, op) ? 0 : step_other(m, op);
	}
}

static int run(struct machine *m)
{
	int r = 0;

	while (!r && m->in.at < m->in.end) {
		r = step(m);
		if (!r && m->in.bad)
			r = -EBADMSG;
	}
	return r;
}

int cfi_run(const struct cfi_section *s, const struct cfi_fde *f, cfi_row_fn *row, void *arg)
{
	const struct cfi_cie *cie = &s->cies.data[f->cie];
	struct machine m;

	/* Not the remembered states: clearing them costs more than most programs do. */
	m.section = s;
	m.cie = cie;
	m.in = (struct byte_reader){f->program, f->program + f->program_size, false};
	m.address = f->start;
	m.state = cie->initial;
	m.depth = 0;
	m.row = row;
	m.arg = arg;
	int r = run(&m);

	return r ? r : row(arg, m.address, &m.state);
}

/* The letters of "zR..." in front of their data (LSB, "Exception frames"). */
static bool read_augmentation(struct cfi_cie *c, const char *letters, struct byte_reader *in)
{
	uint64_t ignored;
	uint8_t encoding;

	if (*letters != 'z')
		return !*letters;
	c->has_augmentation = true;
	struct cfi_bytes data = cfi_block(in);
	struct byte_reader r = {data.at, data.end, false};

	while (*++letters) {
		switch (*letters) {
		case 'R':
			c->fde_encoding = (uint8_t)byte_fixed(&r, 1);
			break;
		case 'L':
			byte_fixed(&r, 1);
			break;
		case 'P':
			encoding = (uint8_t)byte_fixed(&r, 1);
			/* What it counts from does not matter: only its length does. */
			if (!cfi_pointer(&r, encoding & PE_FORMAT, 0, &ignored))
				return false;
			break;
		case 'S':
			c->signal = true;
			break;
		case 'B':
			break;
		default: /* the data of unknown letters is skipped with the block */
			return true;
		}
	}
	return !r.bad;
}

static bool parse_cie(const struct cfi_section *s, struct byte_reader in, struct cfi_cie *c)
{
	uint8_t version = (uint8_t)byte_fixed(&in, 1);
	const char *letters = (const char *)in.at;

	if (version != 1 && version != 3 && version != 4)
		return false;
	while (byte_fixed(&in, 1))
		if (in.bad)
			return false;
	if (in.bad) /* no end of the letters */
		return false;
	if (version == 4 && (byte_fixed(&in, 1) != 8 || byte_fixed(&in, 1) != 0))
		return false; /* sizes of an address and of a segment */
	c->code_align = byte_uleb(&in);
	c->data_align = byte_sleb(&in);
	c->ra_register = version == 1 ? byte_fixed(&in, 1) : byte_uleb(&in);
	if (!read_augmentation(c, letters, &in) || in.bad)
		return false;
	struct machine m = {.section = s, .cie = c, .in = in};

	if (run(&m))
		return false;
	c->initial = m.state;
	return true;
}

/* A record: its bytes behind the length, and what tells CIEs from FDEs. */
struct record {
	struct byte_reader in;
	uint64_t id;	    /* CIE id, or where the CIE of an FDE is */
	uint64_t id_offset; /* of the id in the section */
	bool wide;	    /* 64-bit DWARF */
};

/* Returns 1, 0 for padding, negative at the end of what can be read. */
static int next_record(const struct cfi_section *s, struct byte_reader *all, struct record *ret)
{
	uint64_t length = byte_fixed(all, 4);
	bool wide = length == UINT32_MAX;

	if (wide)
		length = byte_fixed(all, 8);
	if (all->bad)
		return -EBADMSG;
	if (!length)
		return 0;
	const uint8_t *body = byte_take(all, length);

	if (!body)
		return -EBADMSG;
	ret->in = (struct byte_reader){body, body + length, false};
	ret->id_offset = (uint64_t)(body - s->data);
	/* In .eh_frame the id has 4 bytes always. */
	ret->wide = wide && s->debug_frame;
	ret->id = byte_fixed(&ret->in, ret->wide ? 8 : 4);
	return ret->in.bad ? -EBADMSG : 1;
}

static bool is_cie(const struct cfi_section *s, const struct record *r)
{
	if (!s->debug_frame)
		return !r->id;
	return r->id == (r->wide ? UINT64_MAX : UINT32_MAX);
}

/* Index of the CIE at an offset, or -1. */
static int64_t find_cie(struct cfi_section *s, uint64_t offset)
{
	uint64_t *known = map64_get(&s->cie_index, offset);
	struct byte_reader all = {s->data + MIN(offset, s->size), s->data + s->size, false};
	struct cfi_cie c = {.fde_encoding = 0, .code_align = 1};
	struct record r;

	if (known)
		return s->cies.data[*known].valid ? (int64_t)*known : -1;
	if (s->cies.len >= MAX_CIES || next_record(s, &all, &r) <= 0)
		return -1;
	c.valid = is_cie(s, &r) && parse_cie(s, r.in, &c);
	map64_set(&s->cie_index, offset, s->cies.len);
	vec_push(&s->cies, c);
	if (!c.valid)
		s->bad++;
	return c.valid ? (int64_t)s->cies.len - 1 : -1;
}

static bool read_fde(struct cfi_section *s, struct record *r)
{
	uint64_t start, length;
	/* .debug_frame counts from its own start, .eh_frame backwards from the field. */
	uint64_t at = s->debug_frame ? r->id : r->id_offset - r->id;
	int64_t cie = at <= s->size ? find_cie(s, at) : -1;

	if (cie < 0)
		return false;
	const struct cfi_cie *c = &s->cies.data[cie];

	if (!cfi_pointer(&r->in, c->fde_encoding, address_of(s, r->in.at), &start) ||
	    !cfi_pointer(&r->in, c->fde_encoding & PE_FORMAT, 0, &length))
		return false;
	if (c->has_augmentation)
		cfi_block(&r->in);
	if (r->in.bad || length > UINT64_MAX - start || r->in.end - r->in.at > UINT32_MAX)
		return false;
	if (length) /* functions that the linker dropped have none */
		vec_push(&s->fdes, (struct cfi_fde){start, start + length, (uint32_t)cie,
						    (uint32_t)(r->in.end - r->in.at), r->in.at});
	return true;
}

void cfi_read(struct cfi_section *s)
{
	struct byte_reader all = {s->data, s->data + s->size, false};
	struct record r;

	while (all.end - all.at >= 4 && s->fdes.len < MAX_FDES) {
		int got = next_record(s, &all, &r);

		if (got < 0) {
			s->bad++;
			return;
		}
		if (!got && s->terminated)
			return;
		if (got && !is_cie(s, &r) && !read_fde(s, &r))
			s->bad++;
	}
}

void cfi_fini(struct cfi_section *s)
{
	vec_fini(&s->cies);
	vec_fini(&s->fdes);
	map64_fini(&s->cie_index);
}

/* --- expressions -------------------------------------------------------------------------------*/

/* DWARF 5, table 7.9. */
enum {
	OP_DEREF = 0x06,
	OP_CONST1U = 0x08,
	OP_CONST1S = 0x09,
	OP_CONST2U = 0x0a,
	OP_CONST2S = 0x0b,
	OP_CONST4U = 0x0c,
	OP_CONST4S = 0x0d,
	OP_CONSTU = 0x10,
	OP_CONSTS = 0x11,
	OP_AND = 0x1a,
	OP_MINUS = 0x1c,
	OP_PLUS = 0x22,
	OP_PLUS_UCONST = 0x23,
	OP_SHL = 0x24,
	OP_GE = 0x2a,
	OP_LIT0 = 0x30,
	OP_LIT31 = 0x4f,
	OP_BREG0 = 0x70,
	OP_BREG16 = 0x80,
};
enum { MAX_OPERANDS = 8, MAX_OPERATIONS = 32 };

/* The steps of "(pc & 15) >= n) << 3" in a CFI_VALUE_PARTIAL, in its offset; n is in add. */
enum { PARTIAL_PC, PARTIAL_PC_AND_15, PARTIAL_GE, PARTIAL_SHIFTED };

struct operands {
	struct cfi_value v[MAX_OPERANDS];
	size_t n;
};

static bool is_partial(const struct cfi_value *v, int64_t which)
{
	return v->kind == CFI_VALUE_PARTIAL && v->offset == which;
}

/* v + n, for all that can be added to. */
static bool add_number(struct cfi_value *v, int64_t n)
{
	if (v->kind == CFI_VALUE_PARTIAL || v->kind == CFI_VALUE_PLT)
		return false;
	return !__builtin_add_overflow(v->kind == CFI_VALUE_MEMORY ? v->add : v->offset, n,
				       v->kind == CFI_VALUE_MEMORY ? &v->add : &v->offset);
}

static bool add(struct cfi_value *a, const struct cfi_value *b)
{
	struct cfi_value sum;

	if (b->kind == CFI_VALUE_NUMBER)
		return add_number(a, b->offset);
	sum = *b;
	if (a->kind == CFI_VALUE_NUMBER) {
		if (!add_number(&sum, a->offset))
			return false;
	} else if (a->kind == CFI_VALUE_REGISTER && is_partial(b, PARTIAL_SHIFTED)) {
		sum = (struct cfi_value){CFI_VALUE_PLT, a->reg, a->offset, b->add};
	} else {
		return false;
	}
	*a = sum;
	return true;
}

/* An operation on the two topmost operands, the result in a. */
static bool binary(uint8_t op, struct cfi_value *a, const struct cfi_value *b)
{
	bool number = b->kind == CFI_VALUE_NUMBER;

	if (op == OP_PLUS)
		return add(a, b);
	if (op == OP_MINUS)
		return number && b->offset != INT64_MIN && add_number(a, -b->offset);
	if (op == OP_AND && is_partial(a, PARTIAL_PC) && number && b->offset == 15)
		a->offset = PARTIAL_PC_AND_15;
	else if (op == OP_GE && is_partial(a, PARTIAL_PC_AND_15) && number)
		a->offset = PARTIAL_GE, a->add = b->offset;
	else if (op == OP_SHL && is_partial(a, PARTIAL_GE) && number && b->offset == 3)
		a->offset = PARTIAL_SHIFTED;
	else
		return false;
	return true;
}

static bool deref(struct cfi_value *v)
{
	if (v->kind != CFI_VALUE_REGISTER)
		return false;
	v->kind = CFI_VALUE_MEMORY;
	return true;
}

/* Operations that push a value. Returns false for others. */
static bool constant(uint8_t op, struct byte_reader *in, struct cfi_value *ret)
{
	static const uint8_t widths[] = {1, 1, 2, 2, 4, 4};
	struct cfi_value v = {.kind = CFI_VALUE_NUMBER};

	if (op >= OP_LIT0 && op <= OP_LIT31) {
		v.offset = op - OP_LIT0;
	} else if (op >= OP_CONST1U && op <= OP_CONST4S) {
		unsigned int width = widths[op - OP_CONST1U], unused = 64 - 8 * width;
		uint64_t n = byte_fixed(in, width);

		/* The odd ones are signed. */
		v.offset = op & 1 ? (int64_t)(n << unused) >> unused : (int64_t)n;
	} else if (op == OP_CONSTU) {
		v.offset = (int64_t)byte_uleb(in);
	} else if (op == OP_CONSTS) {
		v.offset = byte_sleb(in);
	} else if (op >= OP_BREG0 && op < OP_BREG16) {
		v = (struct cfi_value){CFI_VALUE_REGISTER, op - OP_BREG0, byte_sleb(in), 0};
	} else if (op == OP_BREG16) {
		if (byte_sleb(in))
			return false;
		v = (struct cfi_value){.kind = CFI_VALUE_PARTIAL, .offset = PARTIAL_PC};
	} else {
		return false;
	}
	*ret = v;
	return true;
}

static bool operate(uint8_t op, struct byte_reader *in, struct operands *s)
{
	struct cfi_value pushed;

	if (constant(op, in, &pushed)) {
		if (s->n == MAX_OPERANDS)
			return false;
		s->v[s->n++] = pushed;
		return true;
	}
	if (!s->n)
		return false;
	if (op == OP_DEREF)
		return deref(&s->v[s->n - 1]);
	if (op == OP_PLUS_UCONST)
		return add_number(&s->v[s->n - 1], (int64_t)byte_uleb(in));
	if (s->n < 2)
		return false;
	s->n--;
	return binary(op, &s->v[s->n - 1], &s->v[s->n]);
}

int cfi_evaluate(struct cfi_bytes expression, bool with_cfa, struct cfi_value *ret)
{
	struct byte_reader in = {expression.at, expression.end, false};
	struct operands s = {};

	if (with_cfa)
		s.v[s.n++] = (struct cfi_value){.kind = CFI_VALUE_CFA};
	for (int i = 0; in.at < in.end; i++)
		if (i == MAX_OPERATIONS || !operate((uint8_t)byte_fixed(&in, 1), &in, &s) || in.bad)
			return -ENOTSUP;
	if (!s.n || s.v[s.n - 1].kind == CFI_VALUE_PARTIAL)
		return -ENOTSUP;
	*ret = s.v[s.n - 1];
	return 0;
}
