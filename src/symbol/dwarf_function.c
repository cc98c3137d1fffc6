#include "symbol/dwarf_function.h"

#include "symbol/dwarf_format.h"

enum {
	ENTRY_BYTES = 1 << 10, /* most entries are shorter */
	MAX_DEPTH = 512,       /* of entries in entries of a function */
	MAX_BODY = 4 << 20,    /* bytes of a function's entries */
	MAX_PIECES = 1 << 18,  /* of all that was inlined into a function */
	MAX_BACK = 16,
	BODY_AHEAD = 8 << 10,
};

/* --- reading entries one by one
 * -----------------------------------------------------------------*/

struct walk {
	const struct dwarf_unit *unit;
	struct byte_reader r;
	const uint8_t *start; /* of the entry, in the window */
	uint64_t offset;      /* of the entry */
	size_t ahead;
};

static uint64_t walk_offset(const struct walk *w)
{
	return w->offset + (uint64_t)(w->r.at - w->start);
}

/* Put the reader at an offset of the unit. */
static int walk_to(struct walk *w, uint64_t offset, size_t want)
{
	const struct dwarf_unit *u = w->unit;
	int r = dwarf_window_read(&u->file->pool->entries, u->file, DWARF_INFO, offset, u->head.end,
				  want, w->ahead, &w->r);

	w->start = w->r.at;
	w->offset = offset;
	return r;
}

/* The next entry; ret is NULL at the end of a list of children. Its values follow in w->r. */
static int walk_next(struct walk *w, uint64_t offset, const struct dwarf_abbrev **ret)
{
	uint64_t left = w->unit->head.end - offset;

	if (offset >= w->unit->head.end)
		return -EBADMSG;
	if (offset - w->offset > (uint64_t)(w->r.end - w->start) ||
	    (uint64_t)(w->r.end - w->start) - (offset - w->offset) <
		    MIN(left, (uint64_t)ENTRY_BYTES)) {
		int r = walk_to(w, offset, ENTRY_BYTES);

		if (r < 0)
			return r;
	} else {
		w->start += offset - w->offset;
		w->offset = offset;
		w->r.at = w->start;
	}
	uint64_t code = byte_uleb(&w->r);

	*ret = code ? dwarf_abbrevs_find(&w->unit->abbrevs, code) : NULL;
	return w->r.bad || (code && !*ret) ? -EBADMSG : 0;
}

/* After values ran over the end of what was read: all of a long entry. False when that was all. */
static bool walk_more(struct walk *w)
{
	uint64_t all = MIN(w->unit->head.end - w->offset, (uint64_t)DWARF_WINDOW);

	if ((uint64_t)(w->r.end - w->start) >= all || walk_to(w, w->offset, all) < 0)
		return false;
	byte_uleb(&w->r);
	return !w->r.bad;
}

struct entry {
	struct dwarf_value low, high, ranges, origin, call_file, call_line;
	uint64_t sibling; /* 0: none */
};

static bool local_reference(uint16_t form)
{
	return (form >= DW_FORM_ref1 && form <= DW_FORM_ref8) || form == DW_FORM_ref_udata;
}

static void entry_value(const struct walk *w, uint16_t name, const struct dwarf_value *v,
			struct entry *e)
{
	switch (name) {
	case DW_AT_low_pc:
		e->low = *v;
		break;
	case DW_AT_high_pc:
		e->high = *v;
		break;
	case DW_AT_ranges:
		e->ranges = *v;
		break;
	case DW_AT_abstract_origin:
		e->origin = *v;
		break;
	case DW_AT_call_file:
		e->call_file = *v;
		break;
	case DW_AT_call_line:
		e->call_line = *v;
		break;
	case DW_AT_sibling:
		if (local_reference(v->form))
			e->sibling = w->unit->head.offset + v->number;
		break;
	}
}

static bool try_values(struct walk *w, const struct dwarf_abbrev *a, struct entry *ret)
{
	const struct dwarf_unit *u = w->unit;
	const struct dwarf_attr *t = &u->abbrevs.attrs.data[a->attrs];

	*ret = (struct entry){};
	for (int i = 0; i < a->count && !w->r.bad; i++) {
		struct dwarf_value v;

		dwarf_attr_read(&w->r, u->head.encoding, &t[i], &v);
		entry_value(w, t[i].name, &v, ret);
	}
	return !w->r.bad;
}

static bool walk_values(struct walk *w, const struct dwarf_abbrev *a, struct entry *ret)
{
	return try_values(w, a, ret) || (walk_more(w) && try_values(w, a, ret));
}

static bool walk_skip(struct walk *w, const struct dwarf_abbrev *a)
{
	const struct dwarf_unit *u = w->unit;

	dwarf_skip(&w->r, u->head.encoding, &u->abbrevs, a);
	/* A block may be longer than any window: what matters is only that it ends in the unit. */
	if (w->r.bad && walk_more(w))
		dwarf_skip(&w->r, u->head.encoding, &u->abbrevs, a);
	return !w->r.bad;
}

/* Where the entry's children end, when that is quickly seen; else 0. */
static uint64_t walk_sibling(const struct walk *w, const struct dwarf_abbrev *a)
{
	uint32_t v;

	if (a->sibling_at < 0 || w->r.end - w->r.at < a->sibling_at + (ptrdiff_t)sizeof(v))
		return 0;
	memcpy(&v, w->r.at + a->sibling_at, sizeof(v));
	uint64_t next = w->unit->head.offset + v;

	return next > walk_offset(w) + (uint64_t)a->sibling_at && next <= w->unit->head.end ? next
											    : 0;
}

/* --- the functions of a unit
 * --------------------------------------------------------------------*/

struct finder {
	struct dwarf_functions *fs;
	const struct dwarf_code *code;
	uint32_t entry;
	size_t max;
};

static int add_function(void *arg, uint64_t start, uint64_t end)
{
	struct finder *f = arg;
	struct dwarf_function x = {.entry = f->entry};

	if (!dwarf_code_clip(f->code, start, end, &x.start, &x.end))
		return 0;
	if (f->fs->functions.cap * sizeof(x) > f->max)
		return -EFBIG;
	vec_push(&f->fs->functions, x);
	return 0;
}

/* One entry, at fs->next. */
static int scan_entry(struct walk *w, struct finder *f)
{
	struct dwarf_functions *fs = f->fs;
	const struct dwarf_abbrev *a;
	struct entry e = {};
	int r = walk_next(w, fs->next, &a);

	if (r < 0)
		return r;
	if (!a) {
		fs->next = walk_offset(w);
		return 0;
	}
	bool function = a->kind == DWARF_FUNCTION && a->code_range;
	/* Types and declarations hold no code; what functions hold is looked at later. */
	bool leap = a->sibling && a->kind != DWARF_SCOPE && !fs->thorough;

	uint64_t sibling = leap && !function ? walk_sibling(w, a) : 0;

	if (sibling) {
		fs->next = sibling;
		return 0;
	}
	leap &= a->sibling_at < 0 || a->count;
	if (!function && !leap) {
		if (!walk_skip(w, a))
			return -EBADMSG;
		fs->next = walk_offset(w);
		return 0;
	}
	if (!walk_values(w, a, &e))
		return -EBADMSG;
	uint64_t next = walk_offset(w);

	if (function && w->offset - w->unit->head.offset <= UINT32_MAX) {
		f->entry = (uint32_t)(w->offset - w->unit->head.offset);
		r = dwarf_ranges_each(w->unit, &e.low, &e.high, &e.ranges, add_function, f);
		if (r == -EFBIG)
			return r;
	}
	fs->next = leap && e.sibling > next && e.sibling <= w->unit->head.end ? e.sibling : next;
	return 0;
}

static int by_start(const void *x, const void *y)
{
	const struct dwarf_function *a = x, *b = y;

	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	/* The shortest is found first, from behind. */
	if (a->end != b->end)
		return a->end > b->end ? -1 : 1;
	return a->entry > b->entry ? -1 : a->entry < b->entry;
}

int dwarf_functions_scan(struct dwarf_functions *fs, const struct dwarf_unit *u,
			 const struct dwarf_code *code, size_t max_bytes)
{
	uint64_t size = u->head.end - u->head.entries;
	struct walk w = {.unit = u, .ahead = (size_t)MIN(size, (uint64_t)DWARF_WINDOW)};
	struct finder f = {.fs = fs, .code = code, .max = max_bytes};

	if (!fs->next)
		fs->next = u->head.entries;
	while (!fs->done && !fs->bad && fs->next < u->head.end) {
		if (u->file->pool->work <= 0)
			return -EAGAIN;
		fs->bad = scan_entry(&w, &f) < 0;
	}
	if (!fs->done && fs->functions.len) {
		dwarf_fit(&fs->functions);
		qsort(fs->functions.data, fs->functions.len, sizeof(*fs->functions.data), by_start);
	}
	fs->done = true;
	return 0;
}

void dwarf_functions_drop_bodies(struct dwarf_functions *fs)
{
	for (size_t i = 0; i < fs->bodies.len; i++) {
		vec_fini(&fs->bodies.data[i].inlined);
		vec_fini(&fs->bodies.data[i].pieces);
	}
	vec_fini(&fs->bodies);
	fs->body_bytes = 0;
	for (size_t i = 0; i < fs->functions.len; i++)
		fs->functions.data[i].body = 0;
}

void dwarf_functions_again(struct dwarf_functions *fs)
{
	dwarf_functions_drop_bodies(fs);
	fs->functions.len = 0;
	fs->next = 0;
	fs->done = fs->bad = false;
	fs->thorough = true;
}

void dwarf_functions_fini(struct dwarf_functions *fs)
{
	dwarf_functions_drop_bodies(fs);
	vec_fini(&fs->functions);
}

size_t dwarf_functions_bytes(const struct dwarf_functions *fs)
{
	return fs->functions.cap * sizeof(*fs->functions.data) +
	       fs->bodies.cap * sizeof(*fs->bodies.data) + fs->body_bytes;
}

struct dwarf_function *dwarf_functions_find(const struct dwarf_functions *fs, uint32_t at)
{
	size_t low = 0, high = fs->functions.len;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (fs->functions.data[mid].start <= at)
			low = mid + 1;
		else
			high = mid;
	}
	for (size_t back = 0; low-- > 0 && back < MAX_BACK; back++)
		if (fs->functions.data[low].end > at)
			return &fs->functions.data[low];
	return NULL;
}

/* --- what was inlined into one
 * ------------------------------------------------------------------*/

struct body_walk {
	struct walk w;
	const struct dwarf_code *code;
	struct dwarf_body body;
	uint32_t depth;
	uint32_t open[MAX_DEPTH]; /* the inlined one that each depth belongs to, plus 1 */
};

static int add_piece(void *arg, uint64_t start, uint64_t end)
{
	struct body_walk *b = arg;
	struct dwarf_piece p;

	if (!dwarf_code_clip(b->code, start, end, &p.start, &p.end))
		return 0;
	if (b->body.pieces.len == MAX_PIECES)
		return -EFBIG;
	vec_push(&b->body.pieces, p);
	return 0;
}

static int add_inlined(struct body_walk *b, const struct entry *e)
{
	struct dwarf_inlined x = {
		.call_file = (uint32_t)e->call_file.number,
		.call_line = (uint32_t)e->call_line.number,
		.ranges = (uint32_t)b->body.pieces.len,
		.origin = e->origin.number,
	};

	switch (e->origin.form) {
	case 0:
		x.origin = UINT64_MAX;
		break;
	case DW_FORM_ref_addr:
		break;
	case DW_FORM_GNU_ref_alt:
	case DW_FORM_ref_sup4:
	case DW_FORM_ref_sup8:
		x.alt = true;
		break;
	default:
		x.origin = local_reference(e->origin.form)
				   ? b->w.unit->head.offset + e->origin.number
				   : UINT64_MAX;
	}
	if (b->body.inlined.len == MAX_PIECES)
		return -EFBIG;
	vec_push(&b->body.inlined, x);
	int r = dwarf_ranges_each(b->w.unit, &e->low, &e->high, &e->ranges, add_piece, b);

	return r == -EFBIG ? r : 0;
}

/* One entry below the function. Returns where the next one is, or a negative errno. */
static int64_t body_entry(struct body_walk *b, uint64_t offset)
{
	const struct dwarf_abbrev *a;
	struct entry e = {};
	uint32_t owner = b->open[b->depth];
	int r = walk_next(&b->w, offset, &a);

	if (r < 0)
		return r;
	if (!a) {
		/* What was opened one level up is closed now. */
		b->depth--;
		uint32_t closed = b->open[b->depth];

		if (owner && owner != closed)
			b->body.inlined.data[owner - 1].end = (uint32_t)b->body.inlined.len;
		return (int64_t)walk_offset(&b->w);
	}
	bool leap = a->sibling && a->kind != DWARF_BLOCK && a->kind != DWARF_INLINED;

	uint64_t sibling = leap ? walk_sibling(&b->w, a) : 0;

	if (sibling)
		return (int64_t)sibling;
	leap &= a->sibling_at < 0 || a->count;
	if (leap || a->kind == DWARF_INLINED) {
		if (!walk_values(&b->w, a, &e))
			return -EBADMSG;
	} else if (!walk_skip(&b->w, a)) {
		return -EBADMSG;
	}
	uint64_t next = walk_offset(&b->w);

	if (a->kind == DWARF_INLINED) {
		r = add_inlined(b, &e);
		if (r < 0)
			return r;
		owner = (uint32_t)b->body.inlined.len;
		b->body.inlined.data[owner - 1].end = owner;
	}
	if (!a->children)
		return (int64_t)next;
	if (leap && e.sibling > next && e.sibling <= b->w.unit->head.end)
		return (int64_t)e.sibling;
	if (b->depth + 1 == MAX_DEPTH)
		return -ELOOP;
	b->open[++b->depth] = owner;
	return (int64_t)next;
}

static int read_body(struct body_walk *b, uint64_t entry)
{
	const struct dwarf_abbrev *a;
	int r = walk_next(&b->w, entry, &a);
	int64_t next;

	if (r < 0 || !a)
		return r < 0 ? r : -EBADMSG;
	if (!walk_skip(&b->w, a))
		return -EBADMSG;
	if (!a->children)
		return 0;
	b->depth = 1;
	for (next = (int64_t)walk_offset(&b->w); b->depth && next >= 0;) {
		if ((uint64_t)next - entry > MAX_BODY)
			return -EFBIG;
		next = body_entry(b, (uint64_t)next);
	}
	return next < 0 ? (int)next : 0;
}

int dwarf_functions_body(struct dwarf_functions *fs, const struct dwarf_unit *u,
			 const struct dwarf_code *code, struct dwarf_function *f,
			 const struct dwarf_body **ret)
{
	if (!f->body) {
		cleanup_free struct body_walk *b = mem_calloc(1, sizeof(*b));

		b->w = (struct walk){.unit = u, .ahead = BODY_AHEAD};
		b->code = code;
		/* A body that cannot be read to its end has nothing inlined. */
		if (read_body(b, u->head.offset + f->entry) < 0) {
			b->body.inlined.len = 0;
			b->body.pieces.len = 0;
		}
		dwarf_fit(&b->body.inlined);
		dwarf_fit(&b->body.pieces);
		fs->body_bytes += b->body.inlined.cap * sizeof(*b->body.inlined.data) +
				  b->body.pieces.cap * sizeof(*b->body.pieces.data);
		vec_push(&fs->bodies, b->body);
		f->body = (uint32_t)fs->bodies.len;
	}
	*ret = &fs->bodies.data[f->body - 1];
	return 0;
}

static bool covers(const struct dwarf_body *b, size_t i, uint32_t at)
{
	size_t end = i + 1 < b->inlined.len ? b->inlined.data[i + 1].ranges : b->pieces.len;

	for (size_t k = b->inlined.data[i].ranges; k < end; k++)
		if (at >= b->pieces.data[k].start && at < b->pieces.data[k].end)
			return true;
	return false;
}

size_t dwarf_body_find(const struct dwarf_body *b, uint32_t at, uint32_t *ret, size_t max)
{
	size_t n = 0;

	for (uint32_t i = 0, end = (uint32_t)b->inlined.len; i < end;) {
		if (covers(b, i, at)) {
			if (n < max)
				ret[n++] = i;
			end = b->inlined.data[i].end;
			i++;
		} else {
			i = b->inlined.data[i].end;
		}
	}
	return n;
}
