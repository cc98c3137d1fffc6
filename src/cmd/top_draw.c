#include "cmd/top_draw.h"

#include <stdarg.h>

enum {
	NARROW = 60,	/* columns */
	TABS_ROWS = 14, /* smaller screens go without the line of tabs */
	NUMBER = 5,	/* columns of "100.0" */
	TIME = 7,	/* of "123.45s" */
	RUNTIME = 7,	/* of its heading */
	PID = 7,
	GAP = 2,
	NAME_LEAST = 16, /* columns that a name has before other columns have any */
	PLAIN_COLUMNS = 120,
	ACTIVE_NS = 1000000, /* a second, in the mean: less was some seconds ago */
};

/* ---- putting text ---- */

static unsigned int put(struct screen *s, unsigned int row, unsigned int column, unsigned int width,
			unsigned int style, const char *text)
{
	return screen_put(s, row, column, width, style, CUT_END, text, strlen(text));
}

/* Right-aligned. */
static void put_right(struct screen *s, unsigned int row, unsigned int column, unsigned int width,
		      unsigned int style, const char *text)
{
	unsigned int n = (unsigned int)strlen(text);

	n = MIN(n, width);
	put(s, row, column + width - n, n, style, text);
}

static void put_share(struct screen *s, unsigned int row, unsigned int column, unsigned int style,
		      double share)
{
	char text[16];

	snprintf(text, sizeof(text), "%.1f", MIN(share * 100, 99999));
	put_right(s, row, column, NUMBER, style, text);
}

/* Seconds in seven columns. */
static void time_text(double seconds, char *buf, size_t size)
{
	unsigned long long n = (unsigned long long)MIN(seconds, 1e12);

	if (seconds < 1000)
		snprintf(buf, size, "%.2fs", seconds);
	else if (n < 36000)
		snprintf(buf, size, "%llum%02llus", n / 60, n % 60);
	else if (n < 3600 * 1000)
		snprintf(buf, size, "%lluh%02llum", n / 3600, n / 60 % 60);
	else
		snprintf(buf, size, "%llud%02lluh", n / 86400, n / 3600 % 24);
}

static void put_time(struct screen *s, unsigned int row, unsigned int column, unsigned int style,
		     int64_t ns)
{
	char text[32];

	time_text((double)ns / NSEC_PER_SEC, text, sizeof(text));
	put_right(s, row, column, TIME, style, text);
}

/* ---- above the table ---- */

/* "cpu 99 Hz  1:02:03"; on narrow screens only the time. */
static void put_run(const struct top_facts *f, bool narrow, struct buf *out)
{
	unsigned int seconds = (unsigned int)MIN(f->seconds, 1e9), minutes = seconds / 60;

	if (!narrow)
		buf_printf(out, "%s %u Hz  ", f->clock, f->hz);
	if (minutes >= 60)
		buf_printf(out, "%u:%02u:%02u", minutes / 60, minutes % 60, seconds % 60);
	else
		buf_printf(out, "%u:%02u", minutes, seconds % 60);
}

static void draw_title(const struct top_facts *f, struct screen *s)
{
	cleanup_buf struct buf run = {};
	unsigned int n, used = put(s, 0, 0, s->columns, STYLE_BOLD, "glim top  ");

	put_run(f, s->columns < NARROW, &run);
	n = (unsigned int)run.len;
	if (s->columns > n + used + NAME_LEAST / 2)
		put(s, 0, s->columns - n, n, STYLE_PLAIN, buf_cstr(&run));
	else
		n = 0;
	if (s->columns > used + n + GAP)
		put(s, 0, used, s->columns - used - (n ? n + GAP : 0), STYLE_BOLD | STYLE_CYAN,
		    f->target);
}

/* A fact after the others, when it has room. */
struct facts_line {
	struct screen *s;
	unsigned int column;
};

static PRINTF_LIKE(3, 4) void fact(struct facts_line *l, unsigned int style, const char *fmt, ...)
{
	char text[96];
	unsigned int n, gap = l->column ? GAP : 0;
	va_list ap;

	va_start(ap, fmt);
	n = (unsigned int)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (l->column + gap + n > l->s->columns)
		return;
	l->column += gap + put(l->s, 1, l->column + gap, n, style, text);
}

/* How many used anything in the last seconds. */
static void fact_active(struct facts_line *l, const struct live_table *t, enum live_kind kind,
			const char *one, const char *many)
{
	const struct live_rows *rows = &t->rows[kind];
	size_t n = 0;

	for (size_t i = 0; i < rows->list.len; i++)
		n += rows->list.data[i].total > ACTIVE_NS;
	fact(l, STYLE_PLAIN, "%zu %s", n, n == 1 ? one : many);
}

double top_cpu(const struct top_view *v, const struct top_facts *f)
{
	const struct live_table *t = top_view_table(v);

	return f->cpu >= 0 && !v->focus_pid ? f->cpu : live_rate(t, t->all.running) / NSEC_PER_SEC;
}

/* The most important first: those at the end are left out on narrow screens. */
static void draw_facts(const struct top_view *v, const struct top_facts *f, struct screen *s)
{
	const struct live_table *t = top_view_table(v);
	struct facts_line l = {s, 0};

	/* Threads that wait use none. */
	if (f->cpu >= 0 || strcmp(f->clock, "wall"))
		fact(&l, STYLE_BOLD, "CPU %.1f%%", top_cpu(v, f) * 100);
	fact(&l, f->lost ? STYLE_RED | STYLE_BOLD : STYLE_PLAIN, "%llu lost",
	     (unsigned long long)f->lost);
	if (f->missed_cpu > 0)
		fact(&l, STYLE_RED | STYLE_BOLD, "%.2fs unsampled", f->missed_cpu);
	if (f->lost_children)
		fact(&l, STYLE_RED | STYLE_BOLD, "%llu children left out",
		     (unsigned long long)f->lost_children);
	if (f->complete >= 0)
		fact(&l, f->complete < 0.99 ? STYLE_YELLOW : STYLE_PLAIN, "%.1f%% complete",
		     f->complete * 100);
	if (f->stopped)
		fact(&l, STYLE_PLAIN, "stops %lld us", (long long)(f->stopped_ns / 1000));
	if (v->missed)
		fact(&l, STYLE_RED | STYLE_BOLD, "%llu tables missed",
		     (unsigned long long)v->missed);
	if (t->rows[v->kind].dropped)
		fact(&l, STYLE_YELLOW, "%llu rows dropped",
		     (unsigned long long)t->rows[v->kind].dropped);
	if (t->knows_gil) {
		fact(&l, STYLE_PLAIN, "GIL held %.0f%%",
		     live_rate(t, t->all.gil) / NSEC_PER_SEC * 100);
		if (live_rate(t, t->all.gil_wait) > 0.005 * NSEC_PER_SEC)
			fact(&l, STYLE_PLAIN, "wanted %.0f%%",
			     live_rate(t, t->all.gil_wait) / NSEC_PER_SEC * 100);
	}
	fact(&l, STYLE_PLAIN, "%.0f samples/s", f->samples_rate);
	fact_active(&l, t, LIVE_THREADS, "thread", "threads");
	if (t->rows[LIVE_PROCESSES].list.len > 1)
		fact_active(&l, t, LIVE_PROCESSES, "process", "processes");
	fact(&l, STYLE_PLAIN, "%llu samples", (unsigned long long)f->samples);
}

static void draw_tabs(const struct top_view *v, struct screen *s, unsigned int row)
{
	static const char *const names[LIVE_KINDS] = {" functions ", " lines ", " processes ",
						      " threads "};
	unsigned int at = 0;

	for (unsigned int i = 0; i < LIVE_KINDS; i++)
		at += put(s, row, at, s->columns, i == v->kind ? STYLE_REVERSE : STYLE_PLAIN,
			  names[i]);
	if (v->focus_name) {
		at += put(s, row, at + 1, s->columns, STYLE_PLAIN, "of ") + 1;
		at += put(s, row, at, s->columns, STYLE_BOLD | STYLE_CYAN, v->focus_name);
		at += put(s, row, at + 1, s->columns, STYLE_PLAIN, v->focus_pid) + 1;
	}
	if (v->filter[0]) {
		at += put(s, row, at + 1, s->columns, STYLE_PLAIN, "with ") + 1;
		at += put(s, row, at, s->columns, STYLE_BOLD | STYLE_YELLOW, v->filter);
	}
	if (v->running)
		at += put(s, row, at + 1, s->columns, STYLE_BOLD | STYLE_YELLOW, "not idle") + 1;
	if (v->frozen)
		put(s, row, at + 1, s->columns, STYLE_BOLD | STYLE_RED, "frozen");
}

/* ---- the table ---- */

/* Where each column starts; width 0: it is not there. */
struct span {
	unsigned int at, width;
};
struct columns {
	struct span first, second, running, time, total_time, gil, name, place, last;
};

static void take_span(struct span *ret, unsigned int width, unsigned int *left, unsigned int least)
{
	if (*left < width + GAP + least)
		return;
	ret->width = width;
	*left -= width + GAP;
}

static void place_span(struct span *c, unsigned int *at)
{
	c->at = *at;
	*at += c->width ? c->width + GAP : 0;
}

/* Columns are given room in the order of their importance. */
static struct columns lay_out(const struct top_view *v, bool wall, unsigned int width)
{
	struct columns c = {};
	unsigned int left = width, at = 0;
	bool code = v->kind <= LIVE_LINES;

	take_span(&c.first, NUMBER, &left, 0);
	take_span(&c.second, NUMBER, &left, NAME_LEAST);
	if (code && wall)
		take_span(&c.running, NUMBER, &left, NAME_LEAST);
	if (!code)
		take_span(&c.last, PID, &left, NAME_LEAST);
	if (!code && top_view_table(v)->knows_gil)
		take_span(&c.gil, NUMBER, &left, NAME_LEAST);
	take_span(&c.time, TIME, &left, NAME_LEAST + 12);
	if (code)
		take_span(&c.last, RUNTIME, &left, NAME_LEAST + 20);
	if (code)
		take_span(&c.total_time, TIME, &left, NAME_LEAST + 44);
	if (v->kind != LIVE_PROCESSES)
		take_span(&c.place, left * 2 / 5, &left, NAME_LEAST + 4);
	c.name.width = left;
	place_span(&c.first, &at);
	place_span(&c.second, &at);
	place_span(&c.running, &at);
	place_span(&c.time, &at);
	place_span(&c.total_time, &at);
	place_span(&c.gil, &at);
	place_span(&c.name, &at);
	place_span(&c.place, &at);
	place_span(&c.last, &at);
	return c;
}

static void draw_headings(const struct top_view *v, const struct columns *c, bool wall,
			  struct screen *s, unsigned int row)
{
	static const char *const names[LIVE_KINDS] = {"FUNCTION", "LINE OF", "PROCESS", "THREAD"};
	bool code = v->kind <= LIVE_LINES;
	const struct {
		const struct span *span;
		const char *text;
		bool sorted, right;
	} heads[] = {
		{&c->first,
		 code	? "SELF%"
		 : wall ? "WALL%"
			: "CPU%",
		 v->sort == TOP_SORT_SELF, true},
		{&c->second,
		 code	? "TOT%"
		 : wall ? "RUN%"
			: "CORE%",
		 v->sort == TOP_SORT_TOTAL, true},
		{&c->running, "RUN%", false, true},
		{&c->time, code ? "SELF" : "TIME", v->sort == TOP_SORT_TIME, true},
		{&c->total_time, "TOTAL", false, true},
		{&c->gil, "GIL%", false, true},
		{&c->name, names[v->kind], v->sort == TOP_SORT_NAME, false},
		{&c->place, code ? "FILE:LINE" : "PROCESS", false, false},
		{&c->last, code ? "RUNTIME" : "PID", false, false},
	};

	screen_style(s, row, 0, s->columns, STYLE_REVERSE);
	for (size_t i = 0; i < ARRAY_SIZE(heads); i++) {
		unsigned int style = heads[i].sorted ? STYLE_BOLD : STYLE_REVERSE;
		const struct span *span = heads[i].span;

		if (heads[i].right)
			put_right(s, row, span->at, span->width, style, heads[i].text);
		else
			put(s, row, span->at, span->width, style, heads[i].text);
	}
}

static const char *runtime_text(uint32_t kind)
{
	switch (kind) {
	case FRAME_NATIVE:
		return "native";
	case FRAME_KERNEL:
		return "kernel";
	case FRAME_PYTHON:
		return "Python";
	default:
		return "";
	}
}

static unsigned int runtime_style(uint32_t kind)
{
	switch (kind) {
	case FRAME_KERNEL:
		return STYLE_CYAN;
	case FRAME_PYTHON:
		return STYLE_GREEN;
	case FRAME_MARK:
		return STYLE_DIM;
	default:
		return STYLE_PLAIN;
	}
}

/* The end of a path says most. */
static void put_place(struct screen *s, unsigned int row, const struct span *span,
		      unsigned int style, const char *file, uint32_t line)
{
	cleanup_free char *text =
		line ? mem_asprintf("%s:%u", file, line) : mem_asprintf("%s", file);

	if (span->width)
		screen_put(s, row, span->at, span->width, style, CUT_START, text, strlen(text));
}

static double share_of(double part, double whole)
{
	return whole > 0 ? part / whole : 0;
}

static void draw_row(const struct top_view *v, const struct columns *c, const struct live_row *r,
		     bool selected, struct screen *s, unsigned int row)
{
	const struct live_table *t = top_view_table(v);
	const struct live_key *k = &r->key;
	bool code = v->kind <= LIVE_LINES;
	unsigned int plain = selected ? STYLE_REVERSE : STYLE_PLAIN;
	unsigned int colour = selected ? STYLE_REVERSE : runtime_style(k->kind);
	double self = share_of(r->self, t->all.total);

	if (selected)
		screen_style(s, row, 0, s->columns, STYLE_REVERSE);
	put_share(s, row, c->first.at, plain | (self >= 0.05 ? STYLE_BOLD : 0), self);
	if (c->second.width)
		put_share(s, row, c->second.at, plain,
			  code ? share_of(r->total, t->all.total)
			       : live_rate(t, r->running) / NSEC_PER_SEC);
	if (c->running.width)
		put_share(s, row, c->running.at, plain, share_of(r->running, r->total));
	if (c->time.width)
		put_time(s, row, c->time.at, plain, r->self_sum);
	if (c->total_time.width)
		put_time(s, row, c->total_time.at, plain, r->total_sum);
	if (c->gil.width)
		put_share(s, row, c->gil.at, plain, live_rate(t, r->gil) / NSEC_PER_SEC);
	put(s, row, c->name.at, c->name.width, colour, live_text(t, k->name));
	if (code)
		put_place(s, row, &c->place, plain, live_text(t, k->file ? k->file : k->module),
			  k->file ? k->line : 0);
	else
		put_place(s, row, &c->place, plain, live_text(t, k->module), 0);
	put(s, row, c->last.at, c->last.width, colour,
	    code ? runtime_text(k->kind) : live_text(t, k->pid));
}

/* A caller or a callee of the row above. */
static void draw_relative(const struct columns *c, const struct top_relative *r, bool caller,
			  struct screen *s, unsigned int row)
{
	if (c->second.width)
		put_share(s, row, c->second.at, STYLE_DIM, r->share);
	put(s, row, c->name.at, c->name.width, STYLE_DIM, caller ? "  from " : "  to   ");
	if (c->name.width > 7)
		put(s, row, c->name.at + 7, c->name.width - 7, runtime_style(r->kind), r->name);
	put_place(s, row, &c->place, STYLE_DIM, r->file, r->line);
	put(s, row, c->last.at, c->last.width, STYLE_DIM, runtime_text(r->kind));
}

static void draw_empty(const struct top_view *v, const struct top_facts *f, struct screen *s,
		       unsigned int row)
{
	const struct live_table *t = top_view_table(v);
	const char *why;

	if (v->filter[0] && t->rows[v->kind].list.len)
		why = "nothing matches the filter";
	else if (f->empty)
		why = f->empty;
	else if (!strcmp(f->clock, "cpu"))
		why = "no CPU was used yet";
	else
		why = "no sample yet";
	put(s, row, 0, s->columns, STYLE_DIM, why);
}

static void draw_table(struct top_view *v, const struct top_facts *f, struct screen *s,
		       unsigned int row, unsigned int rows, bool select)
{
	bool wall = !strcmp(f->clock, "wall");
	const struct columns c = lay_out(v, wall, s->columns);

	if (!rows)
		return;
	draw_headings(v, &c, wall, s, row++);
	top_view_page(v, rows - 1);
	if (rows > 1 && !v->lines.len)
		draw_empty(v, f, s, row);
	for (size_t i = v->first; i < v->lines.len && i < v->first + rows - 1; i++, row++) {
		const struct top_line *l = &v->lines.data[i];

		if (l->kind == TOP_ROW)
			draw_row(v, &c, top_view_row(v, l), select && i == v->selected, s, row);
		else if (l->kind == TOP_CALLER)
			draw_relative(&c, &v->callers.list[l->at], true, s, row);
		else
			draw_relative(&c, &v->callees.list[l->at], false, s, row);
	}
}

/* ---- below the table, and in its place ---- */

static void draw_footer(const struct top_view *v, const struct top_facts *f, struct screen *s)
{
	static const char *const hints[] = {
		"?:help", "q:quit",   "/:filter",	"space:freeze", "enter:open",
		"r:turn", "1-4:sort", "tab:next table", "z:start over",
	};
	unsigned int row = s->rows - 1, at = 0;

	if (v->editing) {
		at = put(s, row, 0, s->columns, STYLE_BOLD, "/");
		at += screen_put(s, row, at, s->columns - MIN(s->columns, at + 1), STYLE_PLAIN,
				 CUT_START, v->filter, strlen(v->filter));
		put(s, row, at, 1, STYLE_REVERSE, " ");
		return;
	}
	if (f->message) {
		put(s, row, 0, s->columns, STYLE_BOLD | STYLE_YELLOW, f->message);
		return;
	}
	if (s->rows < TABS_ROWS && v->frozen)
		at = put(s, row, 0, s->columns, STYLE_BOLD | STYLE_RED, "frozen") + GAP;
	if (s->rows < TABS_ROWS && v->filter[0])
		at += put(s, row, at, s->columns, STYLE_YELLOW, v->filter) + GAP;
	for (size_t i = 0; i < ARRAY_SIZE(hints); i++)
		if (at + strlen(hints[i]) <= s->columns)
			at += put(s, row, at, s->columns, STYLE_DIM, hints[i]) + GAP;
}

/* A paragraph in lines that break at blanks; returns the line behind it. */
static unsigned int put_words(struct screen *s, unsigned int row, const char *text)
{
	unsigned int column = 0;

	while (*text) {
		size_t n = strcspn(text, " ");

		if (column && column + n > s->columns) {
			row++;
			column = 0;
		}
		column += screen_put(s, row, column, s->columns, STYLE_PLAIN, CUT_END, text, n) + 1;
		text += n + (text[n] == ' ');
	}
	return row + 1;
}

static void draw_help(struct screen *s)
{
	static const char *const paragraphs[] = {
		"f functions, l lines, p processes, t threads, tab the next of them",
		"1 self, 2 total, 3 time since the start, 4 name: sort by; r turns it round",
		"arrows, page, home, end, j, k, g, G: move",
		"enter: callers and callees of a row; only this process or thread. esc: back",
		"/ filter, i hide idle threads, space freeze, z start over, q quit",
	};
	unsigned int row = 0, roomy = s->rows >= 16;

	for (size_t i = 0; i < ARRAY_SIZE(paragraphs); i++)
		row = put_words(s, row, paragraphs[i]) + roomy;
	if (roomy)
		put_words(
			s, row,
			"SELF% and TOT% are shares of what is used now, a mean of the last "
			"seconds; SELF and TOTAL are seconds since the start. Any key goes back.");
}

void top_draw(struct top_view *v, const struct top_facts *f, struct screen *s)
{
	bool tabs = s->rows >= TABS_ROWS;
	unsigned int top = 2 + tabs, footer = s->rows > 3;

	screen_clear(s);
	if (!s->rows || !s->columns)
		return;
	if (v->help) {
		draw_help(s);
		return;
	}
	draw_title(f, s);
	draw_facts(v, f, s);
	if (tabs)
		draw_tabs(v, s, 2);
	if (s->rows > top + footer)
		draw_table(v, f, s, top, s->rows - top - footer, true);
	if (footer)
		draw_footer(v, f, s);
}

void top_draw_plain(struct top_view *v, const struct top_facts *f, unsigned int rows,
		    struct screen *s)
{
	unsigned int lines = (unsigned int)MIN(v->lines.len, rows);

	v->first = 0;
	screen_resize(s, PLAIN_COLUMNS, 3 + MAX(lines, 1));
	draw_title(f, s);
	draw_facts(v, f, s);
	draw_table(v, f, s, 2, 1 + MAX(lines, 1), false);
}
