#include "cmd/timeit.h"

#include <math.h>

#include "base/utf8.h"

enum { BARS = 32 };
#define MOST	     0.98 /* of the laps are in the histogram; the others may be far off */
#define UNSTEADY     1.25 /* times the least */
#define WORTH_SAYING 0.01 /* a share */

static const char *const clock_names[TIMEIT_CLOCKS] = {"wall", "CPU"};

static const struct {
	const char *name;
	double seconds;
} units[] = {{"sec", 1}, {"msec", 1e-3}, {"usec", 1e-6}, {"nsec", 1e-9}};

bool timeit_unit(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (!strcmp(units[i].name, name))
			return true;
	return false;
}

/* The largest unit of which it is one at least. */
static const char *fitting_unit(double seconds)
{
	size_t i = 0;

	while (i + 1 < ARRAY_SIZE(units) && fabs(seconds) < units[i].seconds)
		i++;
	return units[i].name;
}

void timeit_put_time(struct buf *b, double seconds, const char *unit)
{
	size_t i = 0;

	unit = unit ? unit : fitting_unit(seconds);
	while (i + 1 < ARRAY_SIZE(units) && strcmp(units[i].name, unit))
		i++;
	double v = seconds / units[i].seconds;

	buf_printf(b, fabs(v) < 999.5 ? "%.3g %s" : "%.0f %s", v, units[i].name);
}

static void put_time_cell(struct table *table, double seconds, const char *unit)
{
	cleanup_buf struct buf b = {};

	timeit_put_time(&b, seconds, unit);
	table_put(table, buf_cstr(&b));
}

static void put_bytes(struct buf *b, double bytes)
{
	if (bytes < 0)
		buf_putc(b, '-');
	if (fabs(bytes) < 10000)
		buf_printf(b, "%.*f B", bytes == round(bytes) ? 0 : 1, fabs(bytes));
	else
		amount_put(b, (int64_t)fabs(bytes), "bytes");
}

/* ---- one case ---- */

/* The laps by their time, least to most: how often each happened. */
static void put_histogram(const struct timeit_figures *f, const struct timeit_view *v,
			  struct buf *out)
{
	double high = statistics_quantile(&f->laps, MOST), low = f->laps.min;
	unsigned int bars[BARS] = {}, most = 1, above = 0;

	if (f->laps.n < 10 || high <= low)
		return;
	for (size_t i = 0; i < f->laps.n; i++) {
		double at = (f->laps.sorted[i] - low) / (high - low) * BARS;

		if (f->laps.sorted[i] > high) {
			above++;
			continue;
		}
		unsigned int *bar = &bars[MIN((size_t)at, BARS - 1)];

		most = MAX(most, ++*bar);
	}
	timeit_put_time(out, low, v->unit);
	buf_putc(out, ' ');
	for (size_t i = 0; i < BARS; i++) {
		/* U+2581 to U+2588, an eighth of a line each. */
		unsigned int height = (bars[i] * 8 + most - 1) / most;

		if (height)
			buf_printf(out, "\xe2\x96%c", (char)(0x80 + height));
		else
			buf_putc(out, ' ');
	}
	buf_putc(out, ' ');
	timeit_put_time(out, high, v->unit);
	buf_printf(out, "  (%zu laps", f->laps.n);
	if (above)
		buf_printf(out, ", %u above", above);
	buf_puts(out, ")\n");
}

static void put_clocks(const struct timeit *t, const struct timeit_figures *figures,
		       const struct timeit_view *v, struct buf *out)
{
	static const char *const titles[] = {"best", "median", "mean", "95 %", "clock"};
	cleanup(table_fini) struct table table = {.titles = titles, .columns = ARRAY_SIZE(titles)};

	for (unsigned int k = 0; k < TIMEIT_CLOCKS; k++) {
		/* The clock that was asked for stands first. */
		unsigned int clock = t->clock == TIMEIT_CPU ? TIMEIT_CPU - k : k;
		const struct timeit_figures *f = &figures[clock];
		cleanup_buf struct buf reach = {};

		put_time_cell(&table, f->best, v->unit);
		put_time_cell(&table, f->laps.median, v->unit);
		put_time_cell(&table, f->mean, v->unit);
		if (f->mean_known) {
			buf_puts(&reach, "\xc2\xb1 ");
			timeit_put_time(&reach, (f->interval.high - f->interval.low) / 2,
					v->unit ? v->unit : fitting_unit(f->mean));
		} else {
			buf_puts(&reach, "unknown");
		}
		table_put(&table, buf_cstr(&reach));
		table_put_name(&table, clock_names[clock], NULL, TABLE_PLAIN);
	}
	table_print(&table, v->look, out);
}

/* What the measurement met. */
static void put_remarks(const struct timeit_case *c, const struct timeit_figures *f,
			const struct timeit_view *v, struct buf *out)
{
	double best = INFINITY, worst = 0;

	if (f->left_out)
		buf_printf(out, "%zu of %zu laps are left out: the CPU was taken away in them\n",
			   f->left_out, c->laps.len);
	if (f->clock == TIMEIT_WALL && f->waited > WORTH_SAYING * fabs(f->laps.median)) {
		timeit_put_time(out, f->waited, v->unit);
		buf_puts(out,
			 " of each loop went by while others had the CPU, and are not counted\n");
	}
	for (size_t i = 0; i < TIMEIT_PARTS; i++) {
		best = fmin(best, f->medians[i]); /* which leave out what is not a number */
		worst = fmax(worst, f->medians[i]);
	}
	if (worst > UNSTEADY * best && best > 0)
		buf_printf(
			out,
			"the medians of its parts differ by %.0f %%: the machine was unsteady, or "
			"the statement is\n",
			100 * (worst / best - 1));
}

static void put_memory(const struct timeit *t, const struct timeit_case *c, struct buf *out)
{
	if (!t->memory || (t->interrupted && !c->memory.known))
		return;
	buf_puts(out, "memory: ");
	if (c->memory.known) {
		if (c->memory.allocated >= 0) {
			put_bytes(out, c->memory.allocated);
			buf_puts(out, " allocated by a loop, ");
		}
		put_bytes(out, c->memory.peak);
		buf_puts(out, " at its peak, ");
		put_bytes(out, c->memory.kept);
		buf_puts(out, " kept after it\n");
	} else {
		buf_printf(out, "unknown, %s %s cannot tell\n", c->name, c->version);
	}
}

/* As the timeit module says it: with the loop, by one clock, the best of whole repeats. */
static void put_known_form(const struct timeit *t, const struct timeit_case *c,
			   const struct timeit_figures *f, const struct timeit_view *v,
			   struct buf *out)
{
	if (v->verbose) {
		buf_puts(out, "raw times: ");
		for (size_t i = 0; i < c->repeats.len; i++) {
			buf_puts(out, i ? ", " : "");
			timeit_put_time(out, timeit_repeat_seconds(f, c, &c->repeats.data[i]),
					v->unit);
		}
		buf_putc(out, '\n');
	}
	buf_printf(out, "%llu loop%s, best of %zu: ", (unsigned long long)c->loops,
		   c->loops == 1 ? "" : "s", c->repeats.len);
	timeit_put_time(out, f->best_total, v->unit);
	buf_puts(out, " per loop, with ");
	timeit_put_time(out, f->loop, v->unit);
	buf_puts(out, " of the loop itself, as python -m timeit counts\n");
}

/* "[2] 50 in d", and who ran it. */
static void put_heading(const struct timeit *t, size_t i, const struct timeit_view *v,
			struct buf *out)
{
	const struct timeit_case *c = &t->cases.data[i];
	cleanup_buf struct buf who = {};

	if (t->cases.len > 1)
		buf_printf(out, "[%zu] ", i + 1);
	buf_puts(out, v->look.colours ? "\033[1m" : "");
	utf8_put_printable(out, c->statement, strcspn(c->statement, "\n"));
	buf_puts(out, strchr(c->statement, '\n') ? " ..." : "");
	buf_puts(out, v->look.colours ? "\033[0m\n" : "\n");
	buf_printf(&who, "%s %s, %s", c->name, c->version,
		   *c->executable ? c->executable : c->python);
	utf8_put_printable(out, buf_cstr(&who), who.len);
	if (c->processes > 1)
		buf_printf(out, ", started %u times", c->processes);
	buf_putc(out, '\n');
}

static void put_case(const struct timeit *t, size_t i, const struct timeit_figures *figures,
		     const struct timeit_view *v, struct buf *out)
{
	const struct timeit_case *c = &t->cases.data[i];
	const struct timeit_figures *f = &figures[t->clock];

	put_heading(t, i, v, out);
	put_clocks(t, figures, v, out);
	put_histogram(f, v, out);
	put_memory(t, c, out);
	put_remarks(c, f, v, out);
	put_known_form(t, c, f, v, out);
}

/* ---- comparisons ---- */

static void put_comparison(size_t a, size_t b, const struct timeit_comparison *c, struct buf *out)
{
	if (isnan(c->ratio)) {
		buf_printf(out, "[%zu] and [%zu] cannot be compared: one takes no time\n", b + 1,
			   a + 1);
		return;
	}
	if (!c->known)
		buf_printf(
			out,
			"[%zu] took %.3g times as long as [%zu]; whether that is chance cannot be "
			"said of so few repeats\n",
			b + 1, c->ratio, a + 1);
	else if (c->different)
		buf_printf(out,
			   "[%zu] takes %.3g times as long as [%zu] (%.3g to %.3g with 95 %% "
			   "confidence, p = %.2g)\n",
			   b + 1, c->ratio, a + 1, c->interval.low, c->interval.high, c->p);
	else
		buf_printf(out,
			   "no difference of [%zu] from [%zu] can be shown: %.3g times as long "
			   "(%.3g to %.3g with 95 %% confidence)\n",
			   b + 1, a + 1, c->ratio, c->interval.low, c->interval.high);
}

void timeit_put_text(const struct timeit *t, const struct timeit_view *view, struct buf *out)
{
	size_t n = t->cases.len;
	struct timeit_figures(*figures)[TIMEIT_CLOCKS] = mem_calloc(n, sizeof(*figures));

	for (size_t i = 0; i < n; i++) {
		if (!t->cases.data[i].laps.len)
			continue;
		for (unsigned int k = 0; k < TIMEIT_CLOCKS; k++)
			timeit_figures_init(&figures[i][k], &t->cases.data[i], k);
		if (out->len)
			buf_putc(out, '\n');
		put_case(t, i, figures[i], view, out);
	}
	for (size_t i = 0, said = 0; i < n; i++) {
		size_t against = t->cases.data[i].against;
		struct timeit_comparison c;

		if (against == i || !t->cases.data[i].laps.len || !t->cases.data[against].laps.len)
			continue;
		timeit_compare(&figures[against][t->clock], &figures[i][t->clock], &c);
		buf_puts(out, said++ ? "" : "\n");
		put_comparison(against, i, &c, out);
	}
	for (size_t i = 0; i < n; i++)
		for (unsigned int k = 0; k < TIMEIT_CLOCKS; k++)
			timeit_figures_fini(&figures[i][k]);
	free(figures);
}
