#include "sink/screen.h"

#include "base/utf8.h"

enum {
	NOWHERE = UINT32_MAX, /* the row of a cursor of which nothing is known */
	SHORT_GAP = 4,	      /* so many equal cells are sooner written than jumped over */
};

static const struct screen_cell blank = {.text = " ", .len = 1};

static struct screen_cell *cell(struct screen *s, unsigned int row, unsigned int column)
{
	return &s->cells[(size_t)row * s->columns + column];
}

const struct screen_cell *screen_at(const struct screen *s, unsigned int row, unsigned int column)
{
	return &s->cells[(size_t)row * s->columns + column];
}

void screen_clear(struct screen *s)
{
	for (size_t i = 0; i < (size_t)s->rows * s->columns; i++)
		s->cells[i] = blank;
}

void screen_resize(struct screen *s, unsigned int columns, unsigned int rows)
{
	columns = MIN(columns, SCREEN_MAX_COLUMNS);
	rows = MIN(rows, SCREEN_MAX_ROWS);
	if (columns != s->columns || rows != s->rows) {
		s->cells = mem_reallocarray(s->cells, (size_t)columns * rows + 1, sizeof(blank));
		s->columns = columns;
		s->rows = rows;
	}
	screen_clear(s);
}

void screen_fini(struct screen *s)
{
	free(s->cells);
	*s = (struct screen){};
}

void screen_copy(struct screen *to, const struct screen *from)
{
	screen_resize(to, from->columns, from->rows);
	to->ascii = from->ascii;
	memcpy(to->cells, from->cells, (size_t)from->columns * from->rows * sizeof(blank));
}

/* ---- text into cells ---- */

/* One character of printable text, and what is shown for it. */
struct piece {
	size_t taken; /* bytes of the text */
	const char *text;
	size_t len;
	unsigned int width;
};

/* Characters that change how those after them are ordered: names are not to do that. */
static bool reorders(uint32_t point)
{
	return (point >= 0x202a && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069) ||
	       point == 0x200e || point == 0x200f || point == 0x61c;
}

static struct piece piece_at(const char *text, size_t len, bool ascii)
{
	size_t n = utf8_len(text, len);
	uint32_t point = utf8_point(text, n);

	if (reorders(point) || (ascii && point >= 0x80 && utf8_width(point)))
		return (struct piece){n, "?", 1, 1};
	return (struct piece){n, text, ascii && point >= 0x80 ? 0 : n, utf8_width(point)};
}

static unsigned int text_width(const char *text, size_t len, bool ascii)
{
	unsigned int width = 0;

	for (size_t i = 0; i < len;) {
		struct piece p = piece_at(text + i, len - i, ascii);

		width += p.width;
		i += p.taken;
	}
	return width;
}

/* Bytes at the start that do not fit when `width` columns shall hold the rest. */
static size_t skip_for(const char *text, size_t len, unsigned int width, bool ascii)
{
	unsigned int left = text_width(text, len, ascii);
	size_t i = 0;

	while (i < len) {
		struct piece p = piece_at(text + i, len - i, ascii);

		/* What combines goes with the character before it. */
		if (left <= width && p.width)
			break;
		left -= p.width;
		i += p.taken;
	}
	return i;
}

/* A wide character that loses one half loses the other, too. */
static void split(struct screen *s, unsigned int row, unsigned int column)
{
	if (column < s->columns && !cell(s, row, column)->len) {
		*cell(s, row, column) = blank;
		*cell(s, row, column - 1) = blank;
	}
}

static void set_cell(struct screen *s, unsigned int row, unsigned int column, const struct piece *p,
		     unsigned int style)
{
	struct screen_cell *c = cell(s, row, column);

	split(s, row, column);
	split(s, row, column + p->width);
	*c = (struct screen_cell){.len = (uint8_t)p->len, .style = (uint8_t)style};
	memcpy(c->text, p->text, p->len);
	if (p->width == 2)
		*cell(s, row, column + 1) = (struct screen_cell){.style = (uint8_t)style};
}

static void combine(struct screen_cell *c, const struct piece *p)
{
	if (!c->len || c->len + p->len > SCREEN_TEXT)
		return;
	memcpy(c->text + c->len, p->text, p->len);
	c->len += (uint8_t)p->len;
}

/* Put printable text; returns the columns taken, at most width. */
static unsigned int put_pieces(struct screen *s, unsigned int row, unsigned int column,
			       unsigned int width, unsigned int style, const char *text, size_t len)
{
	unsigned int used = 0, last = 0;

	for (size_t i = 0; i < len;) {
		struct piece p = piece_at(text + i, len - i, s->ascii);

		i += p.taken;
		if (used + p.width > width)
			break;
		if (p.width) {
			set_cell(s, row, column + used, &p, style);
			last = used;
		} else if (used) {
			combine(cell(s, row, column + last), &p);
		}
		used += p.width;
	}
	return used;
}

unsigned int screen_put(struct screen *s, unsigned int row, unsigned int column, unsigned int width,
			unsigned int style, enum screen_cut cut, const char *text, size_t len)
{
	cleanup_buf struct buf b = {};
	const char *mark = s->ascii ? "~" : "\xe2\x80\xa6", *t;
	unsigned int used = 0;
	size_t skip;

	if (row >= s->rows || column >= s->columns || !width)
		return 0;
	width = MIN(width, s->columns - column);
	utf8_put_printable(&b, text, len);
	t = (const char *)b.data;
	if (text_width(t, b.len, s->ascii) <= width)
		return put_pieces(s, row, column, width, style, t, b.len);
	if (cut == CUT_START) {
		skip = skip_for(t, b.len, width - 1, s->ascii);
		used = put_pieces(s, row, column, 1, style, mark, strlen(mark));
		return used +
		       put_pieces(s, row, column + 1, width - 1, style, t + skip, b.len - skip);
	}
	used = put_pieces(s, row, column, width - 1, style, t, b.len);
	return used + put_pieces(s, row, column + used, 1, style, mark, strlen(mark));
}

void screen_style(struct screen *s, unsigned int row, unsigned int column, unsigned int width,
		  unsigned int style)
{
	if (row >= s->rows)
		return;
	for (; width && column < s->columns; width--, column++)
		cell(s, row, column)->style = (uint8_t)style;
}

/* The column behind the last cell that is not blank and plain. */
static unsigned int row_end(const struct screen *s, unsigned int row)
{
	unsigned int end = s->columns;

	while (end && !memcmp(screen_at(s, row, end - 1), &blank, sizeof(blank)))
		end--;
	return end;
}

void screen_row_text(const struct screen *s, unsigned int row, struct buf *out)
{
	size_t start = out->len;

	for (unsigned int i = 0; i < s->columns; i++)
		buf_append(out, screen_at(s, row, i)->text, screen_at(s, row, i)->len);
	while (out->len > start && out->data[out->len - 1] == ' ')
		out->len--;
}

/* ---- cells into bytes ---- */

struct pen {
	struct buf *out;
	unsigned int row, column; /* of the cursor */
	unsigned int style;
	bool colours;
};

static void pen_style(struct pen *p, unsigned int style)
{
	if (!p->colours)
		style &= ~(unsigned int)STYLE_COLOUR;
	if (style == p->style)
		return;
	p->style = style;
	buf_puts(p->out, "\x1b[0");
	if (style & STYLE_BOLD)
		buf_puts(p->out, ";1");
	if (style & STYLE_DIM)
		buf_puts(p->out, ";2");
	if (style & STYLE_REVERSE)
		buf_puts(p->out, ";7");
	if (style & STYLE_COLOUR)
		buf_printf(p->out, ";3%u", style & STYLE_COLOUR);
	buf_putc(p->out, 'm');
}

static void pen_move(struct pen *p, unsigned int row, unsigned int column)
{
	if (p->row == row && p->column == column)
		return;
	if (p->row == row && column > p->column)
		buf_printf(p->out, "\x1b[%uC", column - p->column);
	else
		buf_printf(p->out, "\x1b[%u;%uH", row + 1, column + 1);
	p->row = row;
	p->column = column;
}

static void pen_cell(struct pen *p, const struct screen *s, unsigned int row, unsigned int column)
{
	const struct screen_cell *c = screen_at(s, row, column);
	bool wide = column + 1 < s->columns && !screen_at(s, row, column + 1)->len;

	pen_move(p, row, column);
	pen_style(p, c->style);
	buf_append(p->out, c->text, c->len);
	p->column += wide ? 2 : 1;
	/* Terminals are of different minds about how wide some characters are, and about where the
	 * cursor is behind the last column. */
	if ((uint8_t)c->text[0] >= 0x80 || p->column >= s->columns)
		p->row = NOWHERE;
}

static bool equal(const struct screen *a, const struct screen *b, unsigned int row,
		  unsigned int column)
{
	return !memcmp(screen_at(a, row, column), screen_at(b, row, column), sizeof(blank));
}

/* Must this cell be written? Both halves of a wide character go together, and a short stretch that
 * is as it was costs less than a jump over it. */
static bool changed(const struct screen *shown, const struct screen *s, unsigned int row,
		    unsigned int column)
{
	bool wide = column + 1 < s->columns && !screen_at(s, row, column + 1)->len;

	return !equal(shown, s, row, column) || (wide && !equal(shown, s, row, column + 1));
}

static bool gap_ends(const struct screen *shown, const struct screen *s, unsigned int row,
		     unsigned int column, unsigned int end)
{
	for (unsigned int i = column; i < MIN(column + SHORT_GAP, end); i++)
		if (changed(shown, s, row, i))
			return true;
	return false;
}

static void draw_row(const struct screen *shown, const struct screen *s, unsigned int row,
		     struct pen *p)
{
	unsigned int end = row_end(s, row);
	bool clear = end < s->columns && row_end(shown, row) > end;

	for (unsigned int i = 0; i < end; i++) {
		if (!screen_at(s, row, i)->len)
			continue;
		if (changed(shown, s, row, i) ||
		    (p->row == row && p->column == i && p->style == screen_at(s, row, i)->style &&
		     gap_ends(shown, s, row, i, end)))
			pen_cell(p, s, row, i);
	}
	if (!clear)
		return;
	pen_move(p, row, end);
	pen_style(p, STYLE_PLAIN);
	buf_puts(p->out, "\x1b[K");
}

void screen_draw(const struct screen *shown, const struct screen *s, bool colours, struct buf *out)
{
	cleanup_buf struct buf body = {};
	struct screen nothing = {};
	struct pen p = {.out = &body, .row = NOWHERE, .colours = colours};
	bool all = shown->columns != s->columns || shown->rows != s->rows;

	if (all) {
		screen_resize(&nothing, s->columns, s->rows);
		buf_puts(&body, "\x1b[0m\x1b[2J");
	}
	for (unsigned int row = 0; row < s->rows; row++)
		draw_row(all ? &nothing : shown, s, row, &p);
	screen_fini(&nothing);
	if (!body.len)
		return;
	pen_style(&p, STYLE_PLAIN);
	/* A terminal that knows it shows the whole at once; others ignore it. */
	buf_puts(out, "\x1b[?2026h");
	buf_append(out, body.data, body.len);
	buf_puts(out, "\x1b[?2026l");
}
