#include "symbol/dwarf_abbrev.h"

#include "symbol/dwarf_format.h"

enum {
	MAX_ABBREVS = 1 << 15, /* some ten times what the largest programs have */
	MAX_ATTRS = 1 << 17,
	MAX_ATTRS_EACH = 1 << 10,
	TABLE_AHEAD = 4 << 10,
	MAX_INDIRECT = 4,
};

/* Operations that step over values: a number of bytes below SKIP_ULEB, or one of these. */
enum skip {
	SKIP_ULEB = 0xf0,
	SKIP_BLOCK1,
	SKIP_BLOCK2,
	SKIP_BLOCK4,
	SKIP_BLOCK,
	SKIP_STRING,
	SKIP_INDIRECT,
	SKIP_BAD,
	SKIP_END,
};

/* The size of a form's value, or an enum skip. */
static unsigned int form_skip(uint16_t form, struct dwarf_encoding e)
{
	switch (form) {
	case DW_FORM_flag_present:
	case DW_FORM_implicit_const:
		return 0;
	case DW_FORM_data1:
	case DW_FORM_flag:
	case DW_FORM_ref1:
	case DW_FORM_strx1:
	case DW_FORM_addrx1:
		return 1;
	case DW_FORM_data2:
	case DW_FORM_ref2:
	case DW_FORM_strx2:
	case DW_FORM_addrx2:
		return 2;
	case DW_FORM_strx3:
	case DW_FORM_addrx3:
		return 3;
	case DW_FORM_data4:
	case DW_FORM_ref4:
	case DW_FORM_ref_sup4:
	case DW_FORM_strx4:
	case DW_FORM_addrx4:
		return 4;
	case DW_FORM_data8:
	case DW_FORM_ref8:
	case DW_FORM_ref_sig8:
	case DW_FORM_ref_sup8:
		return 8;
	case DW_FORM_data16:
		return 16;
	case DW_FORM_addr:
		return e.address_size;
	case DW_FORM_ref_addr: /* in DWARF 2 as large as an address */
		return e.version <= 2 ? e.address_size : e.offset_size;
	case DW_FORM_strp:
	case DW_FORM_line_strp:
	case DW_FORM_sec_offset:
	case DW_FORM_strp_sup:
	case DW_FORM_GNU_ref_alt:
	case DW_FORM_GNU_strp_alt:
		return e.offset_size;
	case DW_FORM_udata:
	case DW_FORM_sdata:
	case DW_FORM_ref_udata:
	case DW_FORM_strx:
	case DW_FORM_addrx:
	case DW_FORM_loclistx:
	case DW_FORM_rnglistx:
	case DW_FORM_GNU_addr_index:
	case DW_FORM_GNU_str_index:
		return SKIP_ULEB;
	case DW_FORM_block1:
		return SKIP_BLOCK1;
	case DW_FORM_block2:
		return SKIP_BLOCK2;
	case DW_FORM_block4:
		return SKIP_BLOCK4;
	case DW_FORM_block:
	case DW_FORM_exprloc:
		return SKIP_BLOCK;
	case DW_FORM_string:
		return SKIP_STRING;
	case DW_FORM_indirect:
		return SKIP_INDIRECT;
	default:
		return SKIP_BAD;
	}
}

static void skip_uleb(struct byte_reader *r)
{
	while (r->at < r->end)
		if (*r->at++ < 0x80)
			return;
	r->bad = true;
}

static void skip_one(struct byte_reader *r, struct dwarf_encoding e, unsigned int op)
{
	for (int hops = 0; op == SKIP_INDIRECT; hops++)
		op = hops < MAX_INDIRECT ? form_skip((uint16_t)byte_uleb(r), e) : SKIP_BAD;
	switch (op) {
	case SKIP_ULEB:
		skip_uleb(r);
		break;
	case SKIP_BLOCK1:
		byte_take(r, byte_fixed(r, 1));
		break;
	case SKIP_BLOCK2:
		byte_take(r, byte_fixed(r, 2));
		break;
	case SKIP_BLOCK4:
		byte_take(r, byte_fixed(r, 4));
		break;
	case SKIP_BLOCK:
		byte_take(r, byte_uleb(r));
		break;
	case SKIP_STRING:
		byte_text(r);
		break;
	case SKIP_BAD:
		r->bad = true;
		break;
	default:
		byte_take(r, op);
	}
}

void dwarf_skip(struct byte_reader *r, struct dwarf_encoding e, const struct dwarf_abbrevs *a,
		const struct dwarf_abbrev *abbrev)
{
	if (abbrev->fixed >= 0) {
		byte_take(r, (uint64_t)abbrev->fixed);
		return;
	}
	for (const uint8_t *op = &a->skips.data[abbrev->skip]; *op != SKIP_END; op++)
		skip_one(r, e, *op);
}

void dwarf_value_read(struct byte_reader *r, struct dwarf_encoding e, uint16_t form, int32_t value,
		      struct dwarf_value *ret)
{
	for (int hops = 0; form == DW_FORM_indirect; hops++)
		form = hops < MAX_INDIRECT ? (uint16_t)byte_uleb(r) : 0xffff;
	unsigned int n = form_skip(form, e);

	*ret = (struct dwarf_value){.form = form};
	if (form == DW_FORM_string)
		ret->text = byte_text(r);
	else if (form == DW_FORM_implicit_const)
		ret->number = (uint64_t)(int64_t)value;
	else if (form == DW_FORM_flag_present)
		ret->number = 1;
	else if (form == DW_FORM_sdata)
		ret->number = (uint64_t)byte_sleb(r);
	else if (n == SKIP_ULEB)
		ret->number = byte_uleb(r);
	else if (n <= 8)
		ret->number = byte_fixed(r, n);
	else
		skip_one(r, e, n);
}

/* --- reading the table
 * --------------------------------------------------------------------------*/

static enum dwarf_kind kind_of(uint64_t tag)
{
	switch (tag) {
	case DW_TAG_compile_unit:
	case DW_TAG_partial_unit:
	case DW_TAG_skeleton_unit:
	case DW_TAG_namespace:
	case DW_TAG_module:
		return DWARF_SCOPE;
	case DW_TAG_lexical_block:
	case DW_TAG_try_block:
	case DW_TAG_catch_block:
		return DWARF_BLOCK;
	case DW_TAG_inlined_subroutine:
		return DWARF_INLINED;
	case DW_TAG_subprogram:
		return DWARF_FUNCTION;
	default:
		return DWARF_OTHER;
	}
}

static void add_skip(struct dwarf_abbrevs *a, struct dwarf_abbrev *b, unsigned int op)
{
	uint8_t *last = a->skips.len > b->skip ? &a->skips.data[a->skips.len - 1] : NULL;

	if (op == 0)
		return;
	if (op < SKIP_ULEB && last && *last < SKIP_ULEB && *last + op < SKIP_ULEB)
		*last = (uint8_t)(*last + op);
	else
		vec_push(&a->skips, (uint8_t)op);
	b->fixed = op < SKIP_ULEB && b->fixed >= 0 ? b->fixed + (int32_t)op : -1;
}

/* Called before what the attribute adds to the size is known. */
static void note_attr(struct dwarf_abbrev *b, uint64_t name, uint64_t form)
{
	b->code_range |= name == DW_AT_low_pc || name == DW_AT_ranges;
	if (name == DW_AT_sibling) {
		b->sibling = true;
		if (form == DW_FORM_ref4 && b->fixed >= 0 && b->fixed <= INT16_MAX)
			b->sibling_at = (int16_t)b->fixed;
	}
}

/* The size of a form that is a plain number. */
static uint8_t fixed_number(uint16_t form, struct dwarf_encoding e)
{
	unsigned int n = form_skip(form, e);

	return n <= 8 ? (uint8_t)n : 0;
}

/* Read one abbreviation; false at the end of the table or of the bytes. */
static bool read_one(struct byte_reader *r, struct dwarf_encoding e, struct dwarf_abbrevs *a)
{
	struct dwarf_abbrev b = {
		.attrs = (uint32_t)a->attrs.len, .skip = (uint32_t)a->skips.len, .sibling_at = -1};
	uint64_t code = byte_uleb(r);

	if (!code || r->bad)
		return false;
	b.code = (uint32_t)MIN(code, (uint64_t)UINT32_MAX);
	b.kind = kind_of(byte_uleb(r));
	b.children = byte_fixed(r, 1);
	while (!r->bad) {
		uint64_t name = byte_uleb(r), form = byte_uleb(r);
		int64_t value = form == DW_FORM_implicit_const ? byte_sleb(r) : 0;

		if (!name && !form)
			break;
		if (b.count == MAX_ATTRS_EACH || form > UINT16_MAX)
			r->bad = true;
		b.count++;
		vec_push(&a->attrs, (struct dwarf_attr){
					    name <= UINT16_MAX ? (uint16_t)name : 0, (uint16_t)form,
					    value == (int32_t)value ? (int32_t)value : 0,
					    fixed_number((uint16_t)form, e)});
		note_attr(&b, name, form);
		add_skip(a, &b, form_skip((uint16_t)form, e));
	}
	vec_push(&a->skips, SKIP_END);
	/* Of most entries nothing is ever read but where the next one is. */
	if ((b.kind == DWARF_OTHER || b.kind == DWARF_BLOCK) && (!b.sibling || b.sibling_at >= 0)) {
		a->attrs.len = b.attrs;
		b.count = 0;
	}
	if (r->bad) /* the caller drops what was added */
		return false;
	vec_push(&a->abbrevs, b);
	return true;
}

static int by_code(const void *x, const void *y)
{
	const struct dwarf_abbrev *a = x, *b = y;

	return a->code < b->code ? -1 : a->code > b->code;
}

static int read_table(const struct dwarf_file *f, uint64_t offset, struct dwarf_encoding e,
		      uint64_t until, struct dwarf_abbrevs *a)
{
	size_t want = TABLE_AHEAD;
	uint64_t size = f->sections[DWARF_ABBREV].size;
	struct byte_reader r;

	for (;;) {
		size_t attrs = a->attrs.len, skips = a->skips.len;
		int got = dwarf_window_read(&f->pool->tables, f, DWARF_ABBREV, offset, size, want,
					    TABLE_AHEAD, &r);

		if (got < 0)
			return got;
		const uint8_t *start = r.at;

		while (read_one(&r, e, a)) {
			offset += (uint64_t)(r.at - start);
			start = r.at;
			attrs = a->attrs.len;
			skips = a->skips.len;
			if (a->abbrevs.len > MAX_ABBREVS || attrs > MAX_ATTRS)
				return -EFBIG;
			if (until && a->abbrevs.data[a->abbrevs.len - 1].code == until)
				return 0;
		}
		if (!r.bad)
			return 0;
		/* It may be what was read that ends too early. */
		a->attrs.len = attrs;
		a->skips.len = skips;
		if ((uint64_t)(r.end - start) >= size - offset ||
		    (size_t)(r.end - start) >= DWARF_WINDOW)
			return -EBADMSG;
		want = MIN(MAX((size_t)(r.end - start) * 4, (size_t)TABLE_AHEAD),
			   (size_t)DWARF_WINDOW);
	}
}

int dwarf_abbrevs_read(const struct dwarf_file *f, uint64_t offset, struct dwarf_encoding e,
		       uint64_t until, struct dwarf_abbrevs *ret)
{
	struct dwarf_abbrevs a = {};
	int r = read_table(f, offset, e, until, &a);

	if (r < 0) {
		dwarf_abbrevs_fini(&a);
		return r;
	}
	for (size_t i = 1; i < a.abbrevs.len; i++)
		if (a.abbrevs.data[i].code < a.abbrevs.data[i - 1].code) {
			qsort(a.abbrevs.data, a.abbrevs.len, sizeof(*a.abbrevs.data), by_code);
			break;
		}
	dwarf_fit(&a.abbrevs);
	dwarf_fit(&a.attrs);
	dwarf_fit(&a.skips);
	*ret = a;
	return 0;
}

void dwarf_abbrevs_fini(struct dwarf_abbrevs *a)
{
	vec_fini(&a->abbrevs);
	vec_fini(&a->attrs);
	vec_fini(&a->skips);
}

size_t dwarf_abbrevs_bytes(const struct dwarf_abbrevs *a)
{
	return a->abbrevs.cap * sizeof(*a->abbrevs.data) + a->attrs.cap * sizeof(*a->attrs.data) +
	       a->skips.cap;
}

const struct dwarf_abbrev *dwarf_abbrevs_search(const struct dwarf_abbrevs *a, uint64_t code)
{
	size_t low = 0, high = a->abbrevs.len;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (a->abbrevs.data[mid].code < code)
			low = mid + 1;
		else
			high = mid;
	}
	return low < a->abbrevs.len && a->abbrevs.data[low].code == code ? &a->abbrevs.data[low]
									 : NULL;
}
