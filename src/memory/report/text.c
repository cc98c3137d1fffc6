/* The tables that people know: a row a line of source. */
#include "base/utf8.h"
#include "memory/report/report_priv.h"
#include "process/sources.h"

enum { MAX_PRECISION = 9 };
enum column { LINE, USAGE, INCREMENT, OWN, PEAK, OCCURRENCES, COLUMNS };

/* Their titles, least widths, and blanks before them. */
static const struct {
	const char *title;
	int width, gap;
} columns[COLUMNS] = {
	[LINE] = {"Line #", 6, 0},	    [USAGE] = {"Mem usage", 12, 1},
	[INCREMENT] = {"Increment", 12, 1}, [OWN] = {"Own", 12, 1},
	[PEAK] = {"Peak in line", 12, 1},   [OCCURRENCES] = {"Occurrences", 11, 2},
};

struct text {
	const struct memory_report *how;
	const struct memory_process *process;
	struct sources *sources;
	bool marked;
	struct buf *out;
};

static bool has_column(const struct memory_report *how, enum column c)
{
	return c == OWN ? how->own : c == PEAK ? how->peak : true;
}

/* What stands in a column of a line; empty in front of the first text. */
static void put_cell(const struct memory_report *how, enum column c, const struct memory_line *l,
		     char *ret, size_t n)
{
	int64_t bytes = c == USAGE	 ? l->usage
			: c == INCREMENT ? l->increment
			: c == OWN	 ? l->own
					 : l->peak;
	int precision = (int)MIN(how->precision, (unsigned int)MAX_PRECISION);

	if (c == LINE)
		snprintf(ret, n, "%u", l->line);
	else if (c == OCCURRENCES)
		snprintf(ret, n, "%llu", (unsigned long long)l->occurrences);
	else
		snprintf(ret, n, "%.*f MiB", precision, (double)bytes / MIB);
}

/* The row of a function's first line stands for its calls, as long as it is no line that ran. */
static struct memory_line head_of(const struct memory_function *f)
{
	return (struct memory_line){
		.line = f->first_line, .occurrences = f->calls, .usage = f->entered};
}

static void widths_of(const struct memory_report *how, const struct memory_function *f,
		      int widths[COLUMNS])
{
	const struct memory_line head = head_of(f);
	char cell[64];

	for (enum column c = 0; c < COLUMNS; c++) {
		widths[c] = columns[c].width;
		for (size_t i = 0; i <= f->nlines; i++) {
			put_cell(how, c, i < f->nlines ? &f->lines[i] : &head, cell, sizeof(cell));
			widths[c] = MAX(widths[c], (int)strlen(cell));
		}
	}
}

/* Source as it is: only a tab is no danger to a terminal. */
static void put_source(struct buf *out, const char *s, size_t len)
{
	const char *end = s + len;

	while (s < end) {
		const char *tab = memchr(s, '\t', (size_t)(end - s));
		const char *stop = tab ? tab : end;

		utf8_put_printable(out, s, (size_t)(stop - s));
		if (tab)
			buf_putc(out, '\t');
		s = stop + !!tab;
	}
}

/* line: the number alone counts where it did not run (occurrences 0). */
static void put_row(const struct text *t, const int widths[COLUMNS], const struct memory_line *line,
		    const struct source *source)
{
	size_t begin = t->out->len, len = 0;
	const char *text = source_line(source, line->line, &len);
	char cell[64];

	for (enum column c = 0; c < COLUMNS; c++) {
		if (!has_column(t->how, c))
			continue;
		*cell = 0;
		if (c == LINE || line->occurrences)
			put_cell(t->how, c, line, cell, sizeof(cell));
		buf_printf(t->out, "%*s", columns[c].gap + widths[c], cell);
	}
	buf_puts(t->out, "   ");
	if (text)
		put_source(t->out, text, len);
	while (t->out->len > begin && strchr(" \t", t->out->data[t->out->len - 1]))
		t->out->len--;
	buf_putc(t->out, '\n');
}

static void put_head(const struct text *t, const struct memory_function *f, const int widths[],
		     const struct source *source)
{
	size_t begin;

	buf_puts(t->out, "Filename: ");
	utf8_put_printable(t->out, f->file, strlen(f->file));
	buf_puts(t->out, "\n");
	if (source->missing) {
		buf_printf(t->out, "(%s; function ", source->missing);
		utf8_put_printable(t->out, f->name, strlen(f->name));
		buf_puts(t->out, ")\n");
	} else if (source->changed) {
		buf_puts(t->out, "(the file has changed since: these may be other lines)\n");
	}
	buf_puts(t->out, "\n");
	begin = t->out->len;
	for (enum column c = 0; c < COLUMNS; c++)
		if (has_column(t->how, c))
			buf_printf(t->out, "%*s", columns[c].gap + widths[c], columns[c].title);
	buf_puts(t->out, "   Line Contents");
	size_t width = t->out->len - begin;

	buf_putc(t->out, '\n');
	for (size_t i = 0; i < width; i++)
		buf_putc(t->out, '=');
	buf_putc(t->out, '\n');
}

/* Lines of functions within f that have tables of their own, met one after the other. Functions are
 * sorted by file and first line: those within f follow it. */
struct inner {
	const struct memory_function *next;
	uint32_t last; /* line of those that began already */
};

static bool inside_another(const struct text *t, const struct memory_function *f, uint32_t line,
			   struct inner *in)
{
	const struct memory_function *end = t->process->functions + t->process->nfunctions;

	for (; in->next < end && in->next->first_line <= line; in->next++) {
		const struct memory_function *g = in->next;

		if (strcmp(g->file, f->file))
			break;
		if (report_shows(t->marked, g) && g->last_line <= f->last_line &&
		    g->first_line > f->first_line)
			in->last = MAX(in->last, g->last_line);
	}
	return line <= in->last;
}

static void put_lines(const struct text *t, const struct memory_function *f,
		      const struct source *source, const int widths[])
{
	uint32_t last = MIN(f->last_line, source_lines(source)), line = MAX(f->first_line, 1U);
	const struct memory_line *ran = f->lines, *end = ran + f->nlines;
	struct inner inner = {.next = f + 1};

	for (; line <= last; line++) {
		struct memory_line row = {.line = line};

		if (ran < end && ran->line <= line)
			row = *ran++;
		else if (line == f->first_line)
			row = head_of(f);
		else if (inside_another(t, f, line, &inner))
			continue;
		put_row(t, widths, &row, source);
	}
	/* Where there is no source, or it became shorter, only what ran is shown. */
	for (; ran < end; ran++)
		put_row(t, widths, ran, source);
}

static void put_function(const struct text *t, const struct memory_function *f)
{
	const struct source *source = sources_get(t->sources, f->file, f->path);
	int widths[COLUMNS];

	widths_of(t->how, f, widths);
	put_head(t, f, widths, source);
	put_lines(t, f, source, widths);
	buf_puts(t->out, "\n\n");
}

static void put_process(const struct memory_process *p, struct buf *out)
{
	buf_printf(out, "Process %d", (int)p->pid);
	if (p->command && *p->command) {
		buf_puts(out, " (");
		utf8_put_printable(out, p->command, strlen(p->command));
		buf_puts(out, ")");
	}
	if (p->parent > 0)
		buf_printf(out, ", started by %d", (int)p->parent);
	buf_puts(out, "\n\n");
}

static bool shows_any(const struct memory_process *p, bool marked)
{
	for (size_t i = 0; i < p->nfunctions; i++)
		if (report_shows(marked, &p->functions[i]))
			return true;
	return false;
}

void memory_report_text(const struct memory_run *run, const struct memory_report *how,
			struct buf *out)
{
	cleanup(sources_fini) struct sources sources = {.start_ns = run->start_ns};
	bool marked = report_marked(run);
	size_t shown = 0;

	for (size_t i = 0; i < run->processes.len; i++)
		shown += shows_any(&run->processes.data[i], marked);
	for (size_t i = 0; i < run->processes.len; i++) {
		const struct memory_process *p = &run->processes.data[i];
		struct text t = {how, p, &sources, marked, out};

		if (p->watched || !shows_any(p, marked))
			continue;
		if (shown > 1)
			put_process(p, out);
		for (size_t k = 0; k < p->nfunctions; k++)
			if (report_shows(marked, &p->functions[k]))
				put_function(&t, &p->functions[k]);
	}
}
