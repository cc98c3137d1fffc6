#include "symbol/dwarf_unit.h"

#include "symbol/dwarf_format.h"

enum {
	HEAD_BYTES = 40,  /* the longest header there is */
	ROOT_BYTES = 200, /* of most first entries, where text is elsewhere */
	MAX_ROOT_BYTES = 16 << 10,
	LIST_AHEAD = 4 << 10,
	LONGEST_ENTRY = 32,
	MAX_LIST = 1 << 20, /* bytes of one list of ranges */
};

static bool head_types(struct byte_reader *r, struct dwarf_head *h)
{
	h->type = (uint8_t)byte_fixed(r, 1);
	h->encoding.address_size = (uint8_t)byte_fixed(r, 1);
	h->abbrevs = byte_fixed(r, h->encoding.offset_size);
	switch (h->type) {
	case DW_UT_skeleton:
	case DW_UT_split_compile:
		h->dwo_id = byte_fixed(r, 8);
		return true;
	case DW_UT_type:
	case DW_UT_split_type:
		byte_take(r, 8 + h->encoding.offset_size);
		return true;
	default:
		return true;
	}
}

int dwarf_head_read(const struct dwarf_file *f, uint64_t offset, struct dwarf_head *ret)
{
	struct byte_reader r;
	int got = dwarf_window_read(&f->pool->entries, f, DWARF_INFO, offset, UINT64_MAX,
				    HEAD_BYTES, HEAD_BYTES + ROOT_BYTES, &r);

	if (got < 0)
		return got;
	const uint8_t *bytes = r.at;
	struct dwarf_head h = {.offset = offset, .encoding.offset_size = 4};
	uint64_t length = byte_fixed(&r, 4);

	if (length == 0xffffffff) {
		h.encoding.offset_size = 8;
		length = byte_fixed(&r, 8);
	}
	uint64_t start = offset + (uint64_t)(r.at - bytes);

	if (r.bad || !length || length > f->sections[DWARF_INFO].size - start)
		return -EBADMSG;
	h.end = start + length;
	uint16_t version = (uint16_t)byte_fixed(&r, 2);

	h.encoding.version = (uint8_t)MIN(version, UINT8_MAX);
	h.type = DW_UT_compile;
	if (h.encoding.version >= 5) {
		head_types(&r, &h);
	} else {
		h.abbrevs = byte_fixed(&r, h.encoding.offset_size);
		h.encoding.address_size = (uint8_t)byte_fixed(&r, 1);
	}
	h.entries = offset + (uint64_t)(r.at - bytes);
	if (r.bad || h.entries > h.end)
		return -EBADMSG;
	*ret = h;
	return 0;
}

static void root_value(struct dwarf_unit *u, uint16_t name, const struct dwarf_value *v)
{
	switch (name) {
	case DW_AT_low_pc:
		u->low_pc = *v;
		break;
	case DW_AT_high_pc:
		u->high_pc = *v;
		break;
	case DW_AT_ranges:
		u->range_list = *v;
		break;
	case DW_AT_stmt_list:
		u->line = *v;
		break;
	case DW_AT_comp_dir:
		u->folder = *v;
		break;
	case DW_AT_dwo_name:
	case DW_AT_GNU_dwo_name:
		u->dwo_name = *v;
		break;
	case DW_AT_GNU_dwo_id:
		u->head.dwo_id = v->number;
		break;
	case DW_AT_str_offsets_base:
		u->str_offsets = v->number;
		break;
	case DW_AT_addr_base:
	case DW_AT_GNU_addr_base:
		u->addr = v->number;
		break;
	case DW_AT_rnglists_base:
		u->rnglists = v->number;
		break;
	case DW_AT_GNU_ranges_base:
		u->ranges = v->number;
		break;
	}
}

/* The first entry, whose bytes are these. */
static int read_root(struct dwarf_unit *u, struct byte_reader *r, uint64_t abbrevs, bool all)
{
	const struct dwarf_encoding e = u->head.encoding;
	uint64_t code = byte_uleb(r);

	/* A second time, with more bytes? Then the table is there already. */
	if (!u->abbrevs.abbrevs.len) {
		int got = dwarf_abbrevs_read(u->file, abbrevs, e, all ? 0 : code, &u->abbrevs);

		if (got < 0)
			return got;
	}
	const struct dwarf_abbrev *a = dwarf_abbrevs_find(&u->abbrevs, code);

	if (!a)
		return -EBADMSG;
	for (int i = 0; i < a->count; i++) {
		const struct dwarf_attr *t = &u->abbrevs.attrs.data[a->attrs + (uint32_t)i];
		struct dwarf_value v;

		dwarf_attr_read(r, e, t, &v);
		if (r->bad)
			return -ENOBUFS;
		root_value(u, t->name, &v);
	}
	return 0;
}

/* Text inside the entry goes with its bytes: it is copied now. Other text is read when the bases
 * are known. */
static void take_texts(struct dwarf_unit *u)
{
	if (u->folder.form && dwarf_text(u, &u->folder, &u->folder_text) < 0)
		u->folder_text = NULL;
	if (u->dwo_name.form && dwarf_text(u, &u->dwo_name, &u->dwo_text) < 0)
		u->dwo_text = NULL;
}

static int read_unit(struct dwarf_unit *u, uint64_t abbrevs, bool all)
{
	for (size_t want = ROOT_BYTES;; want = MAX_ROOT_BYTES) {
		struct byte_reader r;
		int got = dwarf_window_read(&u->file->pool->entries, u->file, DWARF_INFO,
					    u->head.entries, u->head.end, want, want, &r);

		if (!got)
			got = read_root(u, &r, abbrevs, all);
		if (got == -ENOBUFS && want < MAX_ROOT_BYTES)
			continue;
		if (got < 0)
			return got == -ENOBUFS ? -EBADMSG : got;
		if (all)
			take_texts(u);
		u->folder.text = u->dwo_name.text = NULL;
		return 0;
	}
}

int dwarf_unit_read(const struct dwarf_file *f, const struct dwarf_file *alt,
		    const struct dwarf_head *head, const struct dwarf_part *part, bool all,
		    struct dwarf_unit *ret)
{
	struct dwarf_unit u = {.file = f, .main = f, .alt = alt, .head = *head, .split = part};
	const struct dwarf_encoding e = head->encoding;

	if (e.version < 2 || e.version > 5 || e.address_size != 8)
		return -ENOTSUP;
	if (e.version >= 5) {
		/* Without attributes that say so, behind the headers (DWARF 5, 7.26 and 7.28). */
		u.str_offsets = e.offset_size == 8 ? 16 : 8;
		u.rnglists = e.offset_size == 8 ? 20 : 12;
	}
	if (part) {
		u.str_offsets += part->str_offsets;
		u.rnglists += part->rnglists;
		u.lists = part->rnglists;
	}
	int r = read_unit(&u, head->abbrevs + (part ? part->abbrev : 0), all);

	if (r < 0) {
		dwarf_unit_fini(&u);
		return r;
	}
	struct dwarf_value start = u.low_pc;
	uint64_t low = 0;

	if (start.form && !dwarf_address(&u, &start, &low))
		u.low = low;
	*ret = u;
	return 0;
}

void dwarf_unit_fini(struct dwarf_unit *u)
{
	dwarf_abbrevs_fini(&u->abbrevs);
	free(u->folder_text);
	free(u->dwo_text);
	u->folder_text = u->dwo_text = NULL;
}

/* --- addresses
 * ----------------------------------------------------------------------------------*/

static int indexed_address(const struct dwarf_unit *u, uint64_t i, uint64_t *ret)
{
	if (i > UINT32_MAX)
		return -EBADMSG;
	/* Lists of ranges name many that lie together. */
	const struct dwarf_file *f = u->main;
	struct byte_reader r;
	int got = dwarf_window_read(&f->pool->tables, f, DWARF_ADDR, u->addr + i * 8, UINT64_MAX, 8,
				    LIST_AHEAD, &r);

	if (got < 0)
		return got;
	*ret = byte_fixed(&r, 8);
	return r.bad ? -EBADMSG : 0;
}

static bool is_index(uint16_t form)
{
	return form == DW_FORM_addrx || form == DW_FORM_GNU_addr_index ||
	       (form >= DW_FORM_addrx1 && form <= DW_FORM_addrx4);
}

int dwarf_address(const struct dwarf_unit *u, const struct dwarf_value *v, uint64_t *ret)
{
	if (is_index(v->form))
		return indexed_address(u, v->number, ret);
	*ret = v->number;
	return 0;
}

struct list {
	const struct dwarf_unit *unit;
	dwarf_range_fn *cb;
	void *arg;
	uint64_t base;
};

static int give(const struct list *l, uint64_t start, uint64_t end)
{
	return start < end ? l->cb(l->arg, start, end) : 0;
}

/* One entry of .debug_rnglists. 1 at the end of the list. */
static int rnglists_entry(struct list *l, struct byte_reader *r)
{
	uint8_t kind = (uint8_t)byte_fixed(r, 1);
	uint64_t a = 0, b = 0;
	int got = 0;

	switch (kind) {
	case DW_RLE_end_of_list:
		return 1;
	case DW_RLE_base_address:
		a = byte_fixed(r, 8);
		break;
	case DW_RLE_base_addressx:
		a = byte_uleb(r);
		break;
	case DW_RLE_start_end:
		a = byte_fixed(r, 8);
		b = byte_fixed(r, 8);
		break;
	case DW_RLE_start_length:
		a = byte_fixed(r, 8);
		b = byte_uleb(r);
		break;
	case DW_RLE_offset_pair:
	case DW_RLE_startx_endx:
	case DW_RLE_startx_length:
		a = byte_uleb(r);
		b = byte_uleb(r);
		break;
	default:
		return -EBADMSG;
	}
	if (r->bad)
		return -ENOBUFS;
	if (kind == DW_RLE_base_addressx || kind == DW_RLE_startx_endx ||
	    kind == DW_RLE_startx_length)
		got = indexed_address(l->unit, a, &a);
	if (!got && kind == DW_RLE_startx_endx)
		got = indexed_address(l->unit, b, &b);
	if (got < 0)
		return got;
	switch (kind) {
	case DW_RLE_base_address:
	case DW_RLE_base_addressx:
		l->base = a;
		return 0;
	case DW_RLE_offset_pair:
		return give(l, l->base + a, l->base + b);
	case DW_RLE_start_end:
	case DW_RLE_startx_endx:
		return give(l, a, b);
	default:
		return give(l, a, a + b);
	}
}

/* One entry of .debug_ranges. */
static int ranges_entry(struct list *l, struct byte_reader *r)
{
	uint64_t a = byte_fixed(r, 8), b = byte_fixed(r, 8);

	if (r->bad)
		return -ENOBUFS;
	if (!a && !b)
		return 1;
	if (a == UINT64_MAX) {
		l->base = b;
		return 0;
	}
	return give(l, l->base + a, l->base + b);
}

/* Where a list begins, and in which section of which file. */
static int find_list(const struct dwarf_unit *u, const struct dwarf_value *v,
		     const struct dwarf_file **file, enum dwarf_section_id *id, uint64_t *at)
{
	unsigned int size = u->head.encoding.offset_size;
	uint64_t offset;

	*file = u->file;
	*id = u->head.encoding.version >= 5 ? DWARF_RNGLISTS : DWARF_RANGES;
	*at = v->number;
	if (v->form == DW_FORM_rnglistx) {
		if (v->number > UINT32_MAX)
			return -EBADMSG;
		int r = dwarf_file_number(u->file, *id, u->rnglists + v->number * size, size,
					  &offset);

		if (r < 0)
			return r;
		*at = u->rnglists + offset;
	} else if (u->split && *id == DWARF_RANGES) {
		*file = u->main;
		*at += u->ranges;
	} else {
		*at += u->lists;
	}
	return 0;
}

static int each_of_list(struct list *l, const struct dwarf_value *v)
{
	const struct dwarf_file *file;
	enum dwarf_section_id id;
	uint64_t at, first;
	struct byte_reader r = {};
	int got = find_list(l->unit, v, &file, &id, &at);

	first = at;
	while (!got && at - first < MAX_LIST) {
		got = dwarf_window_read(&file->pool->lists, file, id, at, UINT64_MAX, LONGEST_ENTRY,
					LIST_AHEAD, &r);
		const uint8_t *start = r.at;

		while (!got) {
			at += (uint64_t)(r.at - start);
			start = r.at;
			got = id == DWARF_RNGLISTS ? rnglists_entry(l, &r) : ranges_entry(l, &r);
		}
		if (got == -ENOBUFS) /* is it the window that cuts the entry? */
			got = (uint64_t)(r.end - start) < MIN((uint64_t)LONGEST_ENTRY,
							      file->sections[id].size - at)
				      ? 0
				      : -EBADMSG;
	}
	return got;
}

int dwarf_ranges_each(const struct dwarf_unit *u, const struct dwarf_value *low,
		      const struct dwarf_value *high, const struct dwarf_value *list,
		      dwarf_range_fn *cb, void *arg)
{
	struct list l = {u, cb, arg, u->low};
	uint64_t start, end;

	if (list->form) {
		int r = each_of_list(&l, list);

		return r == 1 ? 0 : r;
	}
	if (!low->form || !high->form)
		return 0;
	int r = dwarf_address(u, low, &start);

	if (r < 0)
		return r;
	end = start + high->number;
	if (high->form == DW_FORM_addr || is_index(high->form))
		r = dwarf_address(u, high, &end);
	return r < 0 ? r : give(&l, start, end);
}

/* --- text
 * ---------------------------------------------------------------------------------------*/

int dwarf_text(const struct dwarf_unit *u, const struct dwarf_value *v, char **ret)
{
	unsigned int size = u->head.encoding.offset_size;
	uint64_t offset;

	switch (v->form) {
	case DW_FORM_string:
		if (!v->text)
			return -ENOENT;
		*ret = mem_strdup(v->text);
		return 0;
	case DW_FORM_strp:
		return dwarf_file_text(u->file, DWARF_STR, v->number, ret);
	case DW_FORM_line_strp:
		return dwarf_file_text(u->file, DWARF_LINE_STR, v->number, ret);
	case DW_FORM_strp_sup:
	case DW_FORM_GNU_strp_alt:
		return u->alt ? dwarf_file_text(u->alt, DWARF_STR, v->number, ret) : -ENOENT;
	case DW_FORM_strx:
	case DW_FORM_strx1:
	case DW_FORM_strx2:
	case DW_FORM_strx3:
	case DW_FORM_strx4:
	case DW_FORM_GNU_str_index:
		break;
	default:
		return -ENOENT;
	}
	if (v->number > UINT32_MAX)
		return -EBADMSG;
	int r = dwarf_file_number(u->file, DWARF_STR_OFFSETS, u->str_offsets + v->number * size,
				  size, &offset);

	return r < 0 ? r : dwarf_file_text(u->file, DWARF_STR, offset, ret);
}
