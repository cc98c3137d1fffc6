#include "profile/diff.h"

#include <math.h>

#include "base/utf8.h"
#include "profile/periods.h"
#include "profile/top.h"

static int join(struct diff *d, const struct profile *before, const struct profile *after,
		struct err *e)
{
	static const char *const keep[] = {"process"};
	int64_t sum;
	int r = profile_check_values(before, e);

	if (r >= 0)
		r = profile_check_values(after, e);
	if (r < 0)
		return r;
	d->before = profile_total_value(before);
	d->after = profile_total_value(after);
	/* Samples of both are added up: what would stop at the end of its range cannot be parted.
	 */
	if (__builtin_add_overflow(d->before, d->after, &sum))
		return err_set(e, -EINVAL, "the totals are too large");
	r = profile_merge(d->joined, before, keep, 1, e);
	if (r < 0)
		return r;
	size_t n = d->joined->samples.len, room = n + after->samples.len;

	d->before_values = mem_calloc(room, sizeof(int64_t));
	d->before_counts = mem_calloc(room, sizeof(int64_t));
	for (size_t i = 0; i < n; i++) {
		d->before_values[i] = d->joined->samples.data[i].value;
		d->before_counts[i] = d->joined->samples.data[i].count;
	}
	return profile_merge(d->joined, after, keep, 1, e);
}

int diff_init(struct diff *ret_d, const struct profile *before, const struct profile *after,
	      struct err *e)
{
	struct diff d = {.joined = profile_new(before->type, before->unit, before->period)};
	int r = join(&d, before, after, e);

	if (r < 0) {
		diff_fini(&d);
		return r;
	}
	functions_init(&d.functions, d.joined);
	*ret_d = d;
	return 0;
}

void diff_fini(struct diff *d)
{
	profile_free(d->joined);
	functions_fini(&d->functions);
	free(d->before_values);
	free(d->before_counts);
	*d = (struct diff){};
}

/* Turn what every sample holds from what was before into what is after, or back. */
static void turn(struct diff *d, const int64_t *all, bool after)
{
	for (size_t i = 0; i < d->joined->samples.len; i++)
		d->joined->samples.data[i].value =
			after ? all[i] - d->before_values[i] : d->before_values[i];
}

int diff_functions(struct diff *d, diff_rows *ret_rows, struct err *e)
{
	size_t n = d->joined->samples.len, functions = d->functions.list.len;
	cleanup_free int64_t *all = mem_calloc(n, sizeof(*all));
	cleanup_free struct diff_row *of = mem_calloc(functions, sizeof(*of));
	int r = 0;

	for (size_t i = 0; i < n; i++)
		all[i] = d->joined->samples.data[i].value;
	for (int after = 0; after < 2 && r >= 0; after++) {
		top_rows rows = {};

		turn(d, all, after);
		r = top_functions(&d->functions, NULL, &rows, e);
		for (size_t i = 0; i < rows.len; i++) {
			const struct top_row *row = &rows.data[i];
			struct diff_side side = {row->self, row->total};

			*(after ? &of[row->function].after : &of[row->function].before) = side;
		}
		vec_fini(&rows);
	}
	for (size_t i = 0; i < n; i++)
		d->joined->samples.data[i].value = all[i];
	for (uint32_t i = 0; i < functions && r >= 0; i++) {
		of[i].function = i;
		if (of[i].before.total || of[i].after.total)
			vec_push(ret_rows, of[i]);
	}
	return r;
}

double diff_change(const struct diff *d, const struct diff_row *row, bool total, bool absolute)
{
	double before = (double)(total ? row->before.total : row->before.self);
	double after = (double)(total ? row->after.total : row->after.self);

	if (absolute)
		return after - before;
	return (d->after ? after / (double)d->after : 0) -
	       (d->before ? before / (double)d->before : 0);
}

struct sorting {
	const struct diff *d;
	bool total, absolute;
};

static int compare_rows(const void *pa, const void *pb, void *ctx)
{
	const struct sorting *s = ctx;
	const struct diff_row *x = pa, *y = pb;

	/* By what was asked for, then by the other measure, then by name. */
	for (int other = 0; other < 2; other++) {
		double a = fabs(diff_change(s->d, x, s->total ^ other, s->absolute));
		double b = fabs(diff_change(s->d, y, s->total ^ other, s->absolute));

		if (a != b)
			return a < b ? 1 : -1;
	}
	return functions_compare(&s->d->functions, x->function, y->function);
}

void diff_sort(const struct diff *d, bool total, bool absolute, diff_rows *rows)
{
	struct sorting s = {d, total, absolute};

	if (rows->len)
		qsort_r(rows->data, rows->len, sizeof(*rows->data), compare_rows, &s);
}

/* --- folded ------------------------------------------------------------------------------------
 */

struct weights {
	int64_t before, after;
};

static void put_text(struct buf *b, const char *s)
{
	size_t start = b->len;

	utf8_put_printable(b, s, strlen(s));
	for (size_t i = start; i < b->len; i++)
		if (b->data[i] == ';')
			b->data[i] = ':';
}

static void put_stack(const struct diff *d, const struct profile_sample *s, struct buf *line)
{
	const char *process = profile_label_value(d->joined, s->labels, "process");
	VEC(uint32_t) functions = {};

	put_text(line, process && *process ? process : "unknown");
	for (uint32_t id = s->stack; id; id = d->joined->stacks.data[id].parent)
		vec_push(&functions, d->functions.of_frame[d->joined->stacks.data[id].frame]);
	for (size_t i = functions.len; i-- > 0;) {
		buf_putc(line, ';');
		put_text(line, functions_name(&d->functions, functions.data[i]));
	}
	vec_fini(&functions);
}

int64_t diff_count_before(const struct diff *d)
{
	int64_t sum = 0;

	for (size_t i = 0; i < d->joined->samples.len; i++)
		sum = add_saturated(sum, MAX(d->before_counts[i], (int64_t)0));
	return sum;
}

/* What sample i was before and is after, in one and the same period. */
static struct weights weights_of(const struct diff *d, size_t i)
{
	const struct profile_sample *s = &d->joined->samples.data[i];
	int64_t period = d->joined->period;

	return (struct weights){
		periods_weight(period, d->before_counts[i], d->before_values[i]),
		periods_weight(period, s->count - d->before_counts[i],
			       s->value - d->before_values[i]),
	};
}

static void put_lines(const struct strtab *lines, const struct weights *weights, size_t n,
		      int64_t period, struct buf *out)
{
	struct periods before, after;
	struct weights all = {};

	for (size_t i = 0; i < n; i++) {
		all.before = add_saturated(all.before, weights[i].before);
		all.after = add_saturated(all.after, weights[i].after);
	}
	periods_init(&before, period, all.before);
	periods_init(&after, period, all.after);
	for (size_t i = 0; i < n; i++) {
		int64_t was = periods_next(&before, weights[i].before);
		int64_t is = periods_next(&after, weights[i].after);

		if (was || is)
			buf_printf(out, "%s %lld %lld\n", strtab_get(lines, (uint32_t)i + 1),
				   (long long)was, (long long)is);
	}
}

void diff_put_folded(const struct diff *d, struct buf *out)
{
	struct strtab lines = {}; /* stacks that read the same are one line */
	VEC(struct weights) weights = {};

	for (size_t i = 0; i < d->joined->samples.len; i++) {
		const struct profile_sample *s = &d->joined->samples.data[i];
		cleanup_buf struct buf line = {};

		put_stack(d, s, &line);
		uint32_t id = strtab_put(&lines, (const char *)line.data, line.len);

		if (id > weights.len)
			vec_push(&weights, (struct weights){});
		struct weights *sum = &weights.data[id - 1], w = weights_of(d, i);

		sum->before = add_saturated(sum->before, w.before);
		sum->after = add_saturated(sum->after, w.after);
	}
	put_lines(&lines, weights.data, weights.len, d->joined->period, out);
	vec_fini(&weights);
	strtab_fini(&lines);
}
