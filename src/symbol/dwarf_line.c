#include "symbol/dwarf_line.h"

#include "symbol/dwarf_format.h"

enum {
	HEAD_BYTES = 300, /* of a header without its tables, at most */
	MARK_EVERY = 128, /* bytes of program */
	RUN_BYTES = 2 * MARK_EVERY,
	OPERATION_BYTES = 32, /* all but what define_file has */
	MAX_RUN = 64 << 10,   /* bytes between two rows of one sequence, for a find */
	MAX_FORMATS = 16,
	MAX_TABLES = 4 << 20,
	TABLES_AHEAD = 16 << 10,
	ENTRY_BYTES = 4 << 10,
	MAX_BACK = 16,
};

/* --- the header
 * ---------------------------------------------------------------------------------*/

static int read_header(struct dwarf_lines *l, const struct dwarf_unit *u)
{
	struct byte_reader r;
	uint64_t offset = u->line.number;
	int got = dwarf_window_read(&u->main->pool->lines, u->main, DWARF_LINE, offset, UINT64_MAX,
				    HEAD_BYTES, DWARF_WINDOW / 4, &r);

	if (got < 0)
		return got;
	const uint8_t *start = r.at;
	uint64_t size = u->main->sections[DWARF_LINE].size;
	uint64_t length = byte_fixed(&r, 4);

	l->encoding = (struct dwarf_encoding){.offset_size = 4, .address_size = 8};
	if (length == 0xffffffff) {
		l->encoding.offset_size = 8;
		length = byte_fixed(&r, 8);
	}
	offset += (uint64_t)(r.at - start);
	if (r.bad || length > size - offset)
		return -EBADMSG;
	l->end = offset + length;
	start = r.at;
	uint16_t version = (uint16_t)byte_fixed(&r, 2);

	l->encoding.version = (uint8_t)MIN(version, UINT8_MAX);
	if (l->encoding.version >= 5)
		byte_take(&r, 2); /* sizes of addresses and selectors */
	uint64_t header = byte_fixed(&r, l->encoding.offset_size);

	offset += (uint64_t)(r.at - start);
	start = r.at;
	l->step = (uint8_t)byte_fixed(&r, 1);
	if (l->encoding.version >= 4)
		byte_take(&r, 1); /* operations an instruction: 1, where no machine is VLIW */
	byte_take(&r, 1);
	l->line_base = (int8_t)byte_fixed(&r, 1);
	l->line_range = (uint8_t)byte_fixed(&r, 1);
	l->opcode_base = (uint8_t)byte_fixed(&r, 1);
	for (unsigned int i = 1; i < l->opcode_base; i++)
		l->operands[i] = (uint8_t)byte_fixed(&r, 1);
	l->tables = offset + (uint64_t)(r.at - start);
	l->program = offset + header;
	if (r.bad || l->encoding.version < 2 || l->encoding.version > 5 || offset > l->end ||
	    header > l->end - offset || l->tables > l->program || !l->opcode_base ||
	    l->end - l->program > UINT32_MAX)
		return -EBADMSG;
	return 0;
}

/* --- the machine
 * --------------------------------------------------------------------------------*/

enum outcome { NO_ROW, ROW, END_OF_SEQUENCE };

static void reset(struct dwarf_line_state *s)
{
	*s = (struct dwarf_line_state){.file = 1, .line = 1};
}

static enum outcome extended(struct byte_reader *r, struct dwarf_line_state *s)
{
	uint64_t n = byte_uleb(r);
	const uint8_t *p = byte_take(r, n);

	if (!p || !n)
		return NO_ROW;
	if (p[0] == DW_LNE_end_sequence)
		return END_OF_SEQUENCE;
	if (p[0] == DW_LNE_set_address && n == 9)
		memcpy(&s->address, p + 1, 8);
	return NO_ROW;
}

static enum outcome standard(const struct dwarf_lines *l, struct byte_reader *r, uint8_t op,
			     struct dwarf_line_state *s)
{
	switch (op) {
	case DW_LNS_copy:
		return ROW;
	case DW_LNS_advance_pc:
		s->address += byte_uleb(r) * l->step;
		return NO_ROW;
	case DW_LNS_advance_line:
		s->line += (uint32_t)byte_sleb(r);
		return NO_ROW;
	case DW_LNS_set_file:
		s->file = (uint32_t)byte_uleb(r);
		return NO_ROW;
	case DW_LNS_const_add_pc:
		if (l->line_range)
			s->address += (uint64_t)((255 - l->opcode_base) / l->line_range) * l->step;
		return NO_ROW;
	case DW_LNS_fixed_advance_pc:
		s->address += byte_fixed(r, 2);
		return NO_ROW;
	default:
		for (int i = 0; i < l->operands[op]; i++)
			byte_uleb(r);
		return NO_ROW;
	}
}

static inline enum outcome operate(const struct dwarf_lines *l, struct byte_reader *r,
				   struct dwarf_line_state *s)
{
	uint8_t op = *r->at++;

	if (op >= l->opcode_base) {
		unsigned int k = op - l->opcode_base, range = l->line_range ? l->line_range : 1;

		s->address += (uint64_t)(k / range) * l->step;
		s->line += (uint32_t)(l->line_base + (int)(k % range));
		return ROW;
	}
	return op ? standard(l, r, op, s) : extended(r, s);
}

/* --- running it once
 * ----------------------------------------------------------------------------*/

static void drop_sequence(struct dwarf_lines *l)
{
	if (l->in_sequence)
		l->marks.len = l->sequences.data[--l->sequences.len].first;
	l->in_sequence = false;
}

/* at: the next operation. False where there is no room. */
static bool add_row(struct dwarf_lines *l, const struct dwarf_code *code, uint32_t at, size_t max)
{
	const struct dwarf_line_state *s = &l->state;
	struct dwarf_line_mark *last = l->marks.len ? &l->marks.data[l->marks.len - 1] : NULL;
	uint64_t address = s->address - code->base;

	if (s->address < code->base || s->address >= code->end || address > UINT32_MAX)
		l->dropped |= !l->in_sequence;
	if (l->dropped || address > UINT32_MAX || s->address < code->base)
		return true;
	if (l->in_sequence && (at - last->at < MARK_EVERY || address < last->address))
		return true;
	if (dwarf_lines_bytes(l) > max)
		return false;
	if (!l->in_sequence)
		vec_push(&l->sequences, (struct dwarf_sequence){.start = (uint32_t)address,
								.first = (uint32_t)l->marks.len});
	l->in_sequence = true;
	vec_push(&l->marks, (struct dwarf_line_mark){(uint32_t)address, at, s->file, s->line});
	return true;
}

static void end_sequence(struct dwarf_lines *l, const struct dwarf_code *code)
{
	if (l->in_sequence) {
		struct dwarf_sequence *q = &l->sequences.data[l->sequences.len - 1];
		uint64_t end = MIN(l->state.address, code->end) - code->base;

		q->end = (uint32_t)MIN(end, (uint64_t)UINT32_MAX);
		q->count = (uint32_t)l->marks.len - q->first;
		if (l->state.address > code->base && q->end > q->start)
			l->in_sequence = false;
		else
			drop_sequence(l);
	}
	l->dropped = false;
	reset(&l->state);
}

/* The operations in a window, up to the last that is whole. False where there is no room. */
static bool run_window(struct dwarf_lines *l, struct byte_reader *r, const struct dwarf_code *code,
		       size_t max)
{
	while (r->at < r->end) {
		const uint8_t *start = r->at;
		struct dwarf_line_state before = l->state;
		enum outcome o = operate(l, r, &l->state);

		if (r->bad) {
			l->state = before;
			return true;
		}
		l->next += (uint64_t)(r->at - start);
		if (o == ROW && !add_row(l, code, (uint32_t)(l->next - l->program), max))
			return false;
		if (o == END_OF_SEQUENCE)
			end_sequence(l, code);
	}
	return true;
}

static int by_start(const void *x, const void *y)
{
	const struct dwarf_sequence *a = x, *b = y;

	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	if (a->end != b->end)
		return a->end > b->end ? -1 : 1;
	return a->first < b->first ? -1 : a->first > b->first;
}

static void finish(struct dwarf_lines *l)
{
	drop_sequence(l);
	dwarf_fit(&l->marks);
	dwarf_fit(&l->sequences);
	if (l->sequences.len)
		qsort(l->sequences.data, l->sequences.len, sizeof(*l->sequences.data), by_start);
	l->done = true;
}

int dwarf_lines_scan(struct dwarf_lines *l, const struct dwarf_unit *u,
		     const struct dwarf_code *code, size_t max_bytes)
{
	struct dwarf_window *w = &u->main->pool->lines;

	if (l->done)
		return 0;
	if (!l->next) {
		if (!u->line.form || read_header(l, u) < 0) {
			finish(l);
			return 0;
		}
		l->next = l->program;
		reset(&l->state);
	}
	for (size_t want = OPERATION_BYTES; l->next < l->end;) {
		uint64_t before = l->next;
		struct byte_reader r;

		if (u->main->pool->work <= 0)
			return -EAGAIN;
		if (dwarf_window_read(w, u->main, DWARF_LINE, l->next, l->end, want, DWARF_WINDOW,
				      &r) < 0 ||
		    !run_window(l, &r, code, max_bytes))
			break;
		/* An operation that is longer than others, or damaged? */
		if (l->next == before && want == DWARF_WINDOW)
			break;
		want = l->next == before ? (size_t)DWARF_WINDOW : (size_t)OPERATION_BYTES;
	}
	finish(l);
	return 0;
}

void dwarf_lines_fini(struct dwarf_lines *l)
{
	vec_fini(&l->sequences);
	vec_fini(&l->marks);
}

size_t dwarf_lines_bytes(const struct dwarf_lines *l)
{
	return l->sequences.cap * sizeof(*l->sequences.data) +
	       l->marks.cap * sizeof(*l->marks.data);
}

/* --- looking up
 * ---------------------------------------------------------------------------------*/

static const struct dwarf_sequence *find_sequence(const struct dwarf_lines *l, uint32_t at)
{
	size_t low = 0, high = l->sequences.len;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (l->sequences.data[mid].start <= at)
			low = mid + 1;
		else
			high = mid;
	}
	for (size_t back = 0; low-- > 0 && back < MAX_BACK; back++)
		if (l->sequences.data[low].end > at)
			return &l->sequences.data[low];
	return NULL;
}

static const struct dwarf_line_mark *find_mark(const struct dwarf_lines *l,
					       const struct dwarf_sequence *q, uint32_t at)
{
	const struct dwarf_line_mark *marks = &l->marks.data[q->first];
	size_t low = 0, high = q->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (marks[mid].address <= at)
			low = mid + 1;
		else
			high = mid;
	}
	return &marks[low ? low - 1 : 0];
}

int dwarf_lines_find(const struct dwarf_lines *l, const struct dwarf_unit *u,
		     const struct dwarf_code *code, uint32_t at, uint32_t *ret_file,
		     uint32_t *ret_line)
{
	const struct dwarf_sequence *q = find_sequence(l, at);

	if (!q)
		return -ENOENT;
	const struct dwarf_line_mark *m = find_mark(l, q, at);
	struct dwarf_line_state row = {m->address + code->base, m->file, m->line}, s = row;
	uint64_t offset = l->program + m->at;
	enum outcome o = NO_ROW;

	for (uint64_t first = offset; offset < l->end && offset - first < MAX_RUN;) {
		struct byte_reader r = {};
		int got = dwarf_window_read(&u->main->pool->lines, u->main, DWARF_LINE, offset,
					    l->end, OPERATION_BYTES, RUN_BYTES, &r);
		uint64_t before_window = offset;

		if (got < 0)
			return got;
		while (r.at < r.end && !r.bad && o != END_OF_SEQUENCE) {
			struct dwarf_line_state before = s;
			const uint8_t *start = r.at;

			o = operate(l, &r, &s);
			if (r.bad) {
				s = before;
				break;
			}
			offset += (uint64_t)(r.at - start);
			if (o == ROW && s.address - code->base > at)
				o = END_OF_SEQUENCE;
			else if (o == ROW)
				row = s;
		}
		if (o == END_OF_SEQUENCE || offset == before_window)
			break;
	}
	*ret_file = row.file;
	*ret_line = row.line;
	return 0;
}

/* --- files
 * --------------------------------------------------------------------------------------*/

/* A walk through the tables of the header. */
struct tables {
	const struct dwarf_lines *lines;
	const struct dwarf_unit *unit;
	uint64_t offset;
	struct byte_reader r;
	const uint8_t *start;
};

static bool tables_at(struct tables *t)
{
	if (t->start)
		t->offset += (uint64_t)(t->r.at - t->start);
	if (t->offset - t->lines->tables > MAX_TABLES ||
	    dwarf_window_read(&t->unit->main->pool->lines, t->unit->main, DWARF_LINE, t->offset,
			      t->lines->program, ENTRY_BYTES, TABLES_AHEAD, &t->r) < 0)
		return false;
	t->start = t->r.at;
	return t->r.at < t->r.end;
}

/* Before version 5: text, and for files three numbers, up to empty text. Takes entry `want`,
 * counted from 1. */
static int old_table(struct tables *t, bool files, uint64_t want, char **ret, uint64_t *ret_folder)
{
	for (uint64_t i = 1; tables_at(t); i++) {
		const char *text = byte_text(&t->r);
		uint64_t folder = 0;

		if (*text && files) {
			folder = byte_uleb(&t->r);
			byte_uleb(&t->r);
			byte_uleb(&t->r);
		}
		if (t->r.bad)
			return -EBADMSG;
		if (!*text)
			return -ENOENT;
		if (i == want) {
			*ret = mem_strdup(text);
			*ret_folder = folder;
			return 0;
		}
	}
	return -EBADMSG;
}

/* From version 5 on: the table says itself how it is written. Takes entry `want`, counted from 0;
 * UINT64_MAX steps over all. */
static int new_table(struct tables *t, uint64_t want, char **ret, uint64_t *ret_folder)
{
	struct {
		uint64_t content, form;
	} formats[MAX_FORMATS];

	if (!tables_at(t))
		return -EBADMSG;
	uint64_t n = byte_fixed(&t->r, 1);

	if (n > MAX_FORMATS)
		return -EBADMSG;
	for (uint64_t i = 0; i < n; i++) {
		formats[i].content = byte_uleb(&t->r);
		formats[i].form = byte_uleb(&t->r);
	}
	uint64_t count = byte_uleb(&t->r);

	if (t->r.bad || (!n && count))
		return -EBADMSG;
	for (uint64_t i = 0; i < count; i++) {
		struct dwarf_value path = {}, folder = {}, v;

		if (!tables_at(t))
			return -EBADMSG;
		for (uint64_t k = 0; k < n; k++) {
			dwarf_value_read(&t->r, t->lines->encoding, (uint16_t)formats[k].form, 0,
					 &v);
			if (formats[k].content == DW_LNCT_path)
				path = v;
			else if (formats[k].content == DW_LNCT_directory_index)
				folder = v;
		}
		if (t->r.bad || t->r.at == t->start)
			return -EBADMSG;
		if (i == want) {
			*ret_folder = folder.number;
			return dwarf_text(t->unit, &path, ret);
		}
	}
	return want == UINT64_MAX ? 0 : -ENOENT;
}

static int find_folder(const struct tables *from, uint64_t folder, char **ret)
{
	struct tables t = *from;
	uint64_t unused;

	t.start = NULL;
	t.offset = t.lines->tables;
	return t.lines->encoding.version >= 5 ? new_table(&t, folder, ret, &unused)
					      : old_table(&t, false, folder, ret, &unused);
}

/* Put the folder in front, and the unit's before that. */
static char *join_path(const struct tables *t, uint64_t folder, char *name)
{
	cleanup_free char *text = name, *folder_text = NULL;
	const char *base = t->unit->folder_text;
	bool is_base = !folder; /* number 0 is the unit's own in all versions */

	if (name[0] == '/')
		return take_ptr(text);
	if (find_folder(t, folder, &folder_text) < 0)
		folder_text = NULL;
	if (!folder_text || !folder_text[0])
		return base && base[0] ? mem_asprintf("%s/%s", base, name) : take_ptr(text);
	if (folder_text[0] == '/' || is_base || !base || !base[0])
		return mem_asprintf("%s/%s", folder_text, name);
	return mem_asprintf("%s/%s/%s", base, folder_text, name);
}

int dwarf_lines_file(const struct dwarf_lines *l, const struct dwarf_unit *u, uint32_t file,
		     char **ret)
{
	struct tables t = {.lines = l, .unit = u, .offset = l->tables};
	uint64_t folder = 0, unused;
	char *text = NULL;
	int r;

	if (!l->program)
		return -ENOENT;
	if (l->encoding.version >= 5) {
		r = new_table(&t, UINT64_MAX, &text, &unused);
		if (!r)
			r = new_table(&t, file, &text, &folder);
	} else {
		r = old_table(&t, false, UINT64_MAX, &text, &unused);
		r = r == -ENOENT ? old_table(&t, true, file, &text, &folder) : r;
	}
	if (r < 0)
		return r;
	*ret = join_path(&t, folder, text);
	return 0;
}
