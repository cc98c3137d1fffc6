/* cmd/top_view.h - what a person looks at in `glim top`: which table, sorted how, of whom, which
 * row.
 *
 * Windows of samples come in (top_view_add), keys change what is seen (top_view_key), and lines
 * come out, for whoever draws or prints them. No terminal here, no clock.
 *
 * The last seconds are kept as profiles, bounded in number and bytes: for callers and callees of a
 * row, and for a look at one process or thread, which starts with them. A frozen view takes no
 * window in; they wait, added up, until it goes on.
 *
 * Memory: all belongs to the view. Threads: one at a time. */
#ifndef GLIM_TOP_VIEW_H
#define GLIM_TOP_VIEW_H

#include "cmd/live_table.h"

enum {
	TOP_HISTORY = 10,	      /* windows */
	TOP_HISTORY_BYTES = 32 << 20, /* and as much of what waits in a frozen view */
	TOP_RELATIVES = 5,	      /* callers, and callees, of a row */
	TOP_FILTER = 60,	      /* bytes */
};
enum top_sort { TOP_SORT_SELF, TOP_SORT_TOTAL, TOP_SORT_TIME, TOP_SORT_NAME, TOP_SORTS };

/* A line below the headings. */
enum top_line_kind { TOP_ROW, TOP_CALLER, TOP_CALLEE };
struct top_line {
	enum top_line_kind kind;
	uint32_t at; /* into the rows of the table, or into callers or callees */
};
/* A caller or a callee of the row that is opened. */
struct top_relative {
	char *name, *file; /* file: module where there is none */
	uint32_t line;
	uint32_t kind; /* enum frame_kind */
	double share;  /* of all samples of the last windows */
};
struct top_relatives {
	struct top_relative list[TOP_RELATIVES];
	size_t len;
};

struct top_view {
	struct live_table all, focused;
	struct profile *history[TOP_HISTORY]; /* the oldest first */
	size_t windows;
	struct profile *held; /* what came since it was frozen */
	uint64_t missed;      /* windows that had no room there */
	bool frozen;

	enum live_kind kind, came_from;
	enum top_sort sort;
	bool reverse;
	bool running;				     /* only samples of threads that run */
	char *focus_pid, *focus_thread, *focus_name; /* NULL: everything */
	char filter[TOP_FILTER + 1];
	bool editing; /* the filter */
	bool help;

	VEC(struct top_line) lines; /* as they are to be shown */
	size_t selected;	    /* into lines, always a TOP_ROW where there is one */
	struct live_key selected_key;
	bool chosen;  /* by a person: the selection follows its row */
	size_t first; /* line that is shown first */
	size_t page;  /* lines that fit */
	bool open;
	struct live_key open_key;
	struct top_relatives callers, callees;
};

void top_view_init(struct top_view *v);
void top_view_fini(struct top_view *v);
/* Take a window in; it belongs to the view from here on. */
int top_view_add(struct top_view *v, struct profile *window, struct err *e);
/* So many lines fit: scrolls to where the selected one is seen. */
void top_view_page(struct top_view *v, size_t lines);

enum top_key { TOP_KEY_NOTHING, TOP_KEY_CHANGED, TOP_KEY_REPAINT, TOP_KEY_QUIT };
enum top_key top_view_key(struct top_view *v, uint32_t key);

/* The table that is looked at. */
const struct live_table *top_view_table(const struct top_view *v);
const struct live_row *top_view_row(const struct top_view *v, const struct top_line *line);

#endif
