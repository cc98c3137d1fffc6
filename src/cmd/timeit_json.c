#include "cmd/timeit.h"

#include "base/json.h"

enum { BINS = 32 };

static const char *const clock_names[TIMEIT_CLOCKS] = {"wall", "cpu"};

static void put_interval(struct json *j, bool known, const struct interval *v)
{
	json_key(j, "interval");
	if (!known) {
		json_none(j);
		return;
	}
	json_array_begin(j);
	json_double(j, v->low);
	json_double(j, v->high);
	json_array_end(j);
}

/* The members of a clock, which those of a result are, too, of the clock that was asked for. */
static void put_figures(struct json *j, const struct timeit_figures *f)
{
	json_member_double(j, "best", f->best);
	json_member_double(j, "median", f->laps.median);
	json_member_double(j, "mean", f->mean);
	put_interval(j, f->mean_known, &f->interval);
	json_member_double(j, "deviation", f->laps.deviation);
	json_member_double(j, "low_quartile", f->laps.low_quartile);
	json_member_double(j, "high_quartile", f->laps.high_quartile);
	json_member_double(j, "fastest_lap", f->laps.min);
	json_member_double(j, "slowest_lap", f->laps.max);
	json_member_double(j, "loop", f->loop);
	json_member_double(j, "best_with_loop", f->best_total);
}

static void put_histogram(struct json *j, const struct timeit_figures *f)
{
	uint64_t bins[BINS] = {};
	double width = f->laps.max - f->laps.min;

	for (size_t i = 0; i < f->laps.n; i++) {
		double at = width > 0 ? (f->laps.sorted[i] - f->laps.min) / width * BINS : 0;

		bins[MIN((size_t)at, BINS - 1)]++;
	}
	json_key(j, "histogram");
	json_object_begin(j);
	json_member_double(j, "from", f->laps.min);
	json_member_double(j, "to", f->laps.max);
	json_key(j, "laps");
	json_array_begin(j);
	for (size_t i = 0; i < BINS; i++)
		json_int(j, (int64_t)bins[i]);
	json_array_end(j);
	json_object_end(j);
}

static void put_repeats(struct json *j, const struct timeit_case *c, const struct timeit_figures *f)
{
	json_key(j, "raw");
	json_array_begin(j);
	for (size_t i = 0; i < c->repeats.len; i++)
		json_double(j, timeit_repeat_seconds(f, c, &c->repeats.data[i]));
	json_array_end(j);
}

static void put_memory(struct json *j, const struct timeit_memory *m)
{
	json_key(j, "memory");
	if (!m->known) {
		json_none(j);
		return;
	}
	json_object_begin(j);
	json_member_double(j, "peak", m->peak);
	json_member_double(j, "kept", m->kept);
	if (m->allocated >= 0) {
		json_member_double(j, "allocated", m->allocated);
	} else {
		json_key(j, "allocated");
		json_none(j);
	}
	json_object_end(j);
}

static void put_python(struct json *j, const struct timeit_case *c)
{
	json_key(j, "python");
	json_object_begin(j);
	json_member_text(j, "name", c->name);
	json_member_text(j, "version", c->version);
	json_member_text(j, "path", *c->executable ? c->executable : c->python);
	json_object_end(j);
}

static void put_result(struct json *j, const struct timeit *t, const struct timeit_case *c)
{
	struct timeit_figures figures[TIMEIT_CLOCKS];

	json_object_begin(j);
	json_member_text(j, "statement", c->statement);
	json_member_text(j, "setup", t->setup);
	put_python(j, c);
	json_member_text(j, "clock", clock_names[t->clock]);
	json_member_int(j, "loops", c->loops);
	json_member_int(j, "repeats", c->repeats.len);
	json_member_int(j, "processes", c->processes);
	json_member_double(j, "setup_time", c->setup);
	if (c->laps.len) {
		for (unsigned int k = 0; k < TIMEIT_CLOCKS; k++)
			timeit_figures_init(&figures[k], c, k);
		put_figures(j, &figures[t->clock]);
		put_repeats(j, c, &figures[t->clock]);
		put_histogram(j, &figures[t->clock]);
		json_member_double(j, "waited", figures[TIMEIT_WALL].waited);
		json_member_int(j, "laps", c->laps.len);
		json_member_int(j, "laps_left_out", figures[t->clock].left_out);
		for (unsigned int k = 0; k < TIMEIT_CLOCKS; k++) {
			json_key(j, clock_names[k]);
			json_object_begin(j);
			put_figures(j, &figures[k]);
			json_object_end(j);
			timeit_figures_fini(&figures[k]);
		}
	}
	put_memory(j, &c->memory);
	json_object_end(j);
}

static void put_comparison(struct json *j, const struct timeit *t, size_t i)
{
	const struct timeit_case *b = &t->cases.data[i], *a = &t->cases.data[b->against];
	struct timeit_figures of_a, of_b;
	struct timeit_comparison c;

	if (a == b || !a->laps.len || !b->laps.len)
		return;
	timeit_figures_init(&of_a, a, t->clock);
	timeit_figures_init(&of_b, b, t->clock);
	timeit_compare(&of_a, &of_b, &c);
	timeit_figures_fini(&of_a);
	timeit_figures_fini(&of_b);
	json_object_begin(j);
	json_member_int(j, "result", i);
	json_member_int(j, "against", b->against);
	json_member_double(j, "ratio", c.ratio);
	put_interval(j, c.known, &c.interval);
	json_member_double(j, "p", c.p);
	if (c.known) {
		json_member_bool(j, "different", c.different);
	} else {
		json_key(j, "different");
		json_none(j);
	}
	json_object_end(j);
}

void timeit_put_json(const struct timeit *t, const char *error, struct buf *out)
{
	struct json j = {.out = out};

	json_object_begin(&j);
	json_key(&j, "results");
	json_array_begin(&j);
	for (size_t i = 0; i < t->cases.len; i++)
		put_result(&j, t, &t->cases.data[i]);
	json_array_end(&j);
	json_key(&j, "comparisons");
	json_array_begin(&j);
	for (size_t i = 0; i < t->cases.len; i++)
		put_comparison(&j, t, i);
	json_array_end(&j);
	json_member_bool(&j, "interrupted", t->interrupted);
	json_member_text(&j, "error", error);
	json_object_end(&j);
	buf_putc(out, '\n');
}
