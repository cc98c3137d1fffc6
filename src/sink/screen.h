/* sink/screen.h - what a terminal shows: a grid of characters, and the bytes that make one grid of
 * another.
 *
 * Nothing here talks to a terminal: a screen is filled by screen_put, compared with what is shown,
 * and the difference is written as ECMA-48 sequences that every terminal of today knows. Text may
 * be from strangers: no byte of it reaches the terminal as a control. Memory: the cells belong to
 * the screen. Threads: one at a time. */
#ifndef GLIM_SCREEN_H
#define GLIM_SCREEN_H

#include "base/buf.h"

enum {
	SCREEN_MAX_COLUMNS = 1000,
	SCREEN_MAX_ROWS = 500,
	SCREEN_TEXT = 13, /* a character and a few that combine with it; more of those are left out
			   */
};

/* How text looks: one colour of the terminal's own eight, and any of the others. */
enum screen_style {
	STYLE_PLAIN = 0,
	STYLE_RED = 1,
	STYLE_GREEN = 2,
	STYLE_YELLOW = 3,
	STYLE_BLUE = 4,
	STYLE_MAGENTA = 5,
	STYLE_CYAN = 6,
	STYLE_COLOUR = 7, /* the bits above */
	STYLE_BOLD = 8,
	STYLE_DIM = 16,
	STYLE_REVERSE = 32,
};

struct screen_cell {
	char text[SCREEN_TEXT]; /* the rest is zero */
	uint8_t len;		/* 0: the right half of the wide character before it */
	uint8_t style;
};
struct screen {
	unsigned int columns, rows;
	bool ascii; /* the terminal shows no other characters: they become '?' */
	struct screen_cell *cells;
};

/* Make it this large (within the bounds above) and blank; zero bytes are a screen of no size. */
void screen_resize(struct screen *s, unsigned int columns, unsigned int rows);
void screen_fini(struct screen *s);
void screen_copy(struct screen *to, const struct screen *from);
void screen_clear(struct screen *s);
const struct screen_cell *screen_at(const struct screen *s, unsigned int row, unsigned int column);

/* Where text is cut when it is too long: a mark stands in place of what is missing. */
enum screen_cut { CUT_END, CUT_START };
/* Put text from this column on, at most width columns of it and within the row; controls and bytes
 * that are not UTF-8 become \xNN. Returns the columns that it took. */
unsigned int screen_put(struct screen *s, unsigned int row, unsigned int column, unsigned int width,
			unsigned int style, enum screen_cut cut, const char *text, size_t len);
/* Give a stretch of a row another style. */
void screen_style(struct screen *s, unsigned int row, unsigned int column, unsigned int width,
		  unsigned int style);
/* A row as text, without the blanks at its end. */
void screen_row_text(const struct screen *s, unsigned int row, struct buf *out);

/* Append what makes a terminal that shows `shown` show s: nothing when they are equal. Another size
 * of `shown` means that nothing is known of what the terminal shows: all is drawn. */
void screen_draw(const struct screen *shown, const struct screen *s, bool colours, struct buf *out);

#endif
