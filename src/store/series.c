#include "store/store_ops.h"

#include <math.h>

/* Sums are kept sparse, by (group, step): a label may have very many values, each seen for a
 * moment only. */
struct series_sum {
	uint32_t group;
	uint32_t step;
	double value;
};
struct series {
	int64_t from, until, first, step;
	size_t nsteps;
	bool is_count; /* samples, remarks and lost add up, everything else is a rate or a moment */
	char *by;
	struct filters filters;
	struct strtab groups; /* values of the label `by` */
	VEC(struct series_sum) sums;
	struct map64 index;   /* group << 32 | step: into sums */
	struct cover covered; /* by any point of the metric, whatever the filters say */
};

int series_new(const struct store_query *q, const char *metric, const char *by, int64_t step,
	       struct series **ret_series, struct err *e)
{
	if (step <= 0 || q->until < q->from)
		return err_set(e, -EINVAL, "the step or the range is empty");
	int64_t first = q->from / step * step;
	int64_t n = (q->until - first + step - 1) / step;

	if (n > SERIES_STEPS_MAX)
		return err_set(e, -EINVAL, "more than %d steps in the range", SERIES_STEPS_MAX);
	cleanup_series struct series *s = mem_calloc(1, sizeof(*s));

	s->from = q->from;
	s->until = q->until;
	s->first = first;
	s->step = step;
	s->nsteps = (size_t)n;
	s->is_count =
		!strcmp(metric, "samples") || !strcmp(metric, "remarks") || !strcmp(metric, "lost");
	s->by = by ? mem_strdup(by) : NULL;
	int r = filters_init(q, &s->filters, e);

	if (r < 0)
		return r;
	*ret_series = take_ptr(s);
	return 0;
}

void series_free(struct series *s)
{
	if (!s)
		return;
	free(s->by);
	filters_fini(&s->filters);
	strtab_fini(&s->groups);
	vec_fini(&s->sums);
	map64_fini(&s->index);
	cover_fini(&s->covered);
	free(s);
}

void series_cleanup(struct series **s)
{
	series_free(*s);
}

int64_t series_group(struct series *s, const char *pairs, size_t len)
{
	if (!filters_match(&s->filters, pairs, len))
		return SERIES_NONE;
	return strtab_puts(&s->groups, s->by ? labels_get(pairs, len, s->by) : "");
}

static void add_to(struct series *s, int64_t group, int64_t step, double value)
{
	uint64_t key = (uint64_t)group << 32 | (uint64_t)step;
	uint64_t *at = map64_get(&s->index, key);

	if (at) {
		s->sums.data[*at].value += value;
		return;
	}
	map64_set(&s->index, key, s->sums.len);
	vec_push(&s->sums, (struct series_sum){(uint32_t)group, (uint32_t)step, value});
}

void series_add(struct series *s, int64_t group, int64_t time, int64_t interval, double value)
{
	if (time < s->from || time >= s->until)
		return;
	if (interval <= 0)
		interval = SERIES_NO_INTERVAL * NSEC_PER_SEC;
	int64_t step = (time - s->first) / s->step;

	if (s->is_count) {
		if (group != SERIES_NONE)
			add_to(s, group, step, value);
		return;
	}
	int64_t end = MIN(interval, s->until - time) + time;

	cover_add(&s->covered, time, end);
	/* A point lasts for its interval, which may reach into the next steps. */
	for (; group != SERIES_NONE && time < end; step++) {
		int64_t next = MIN(s->first + (step + 1) * s->step, end);

		add_to(s, group, step, value * (double)(next - time));
		time = next;
	}
}

/* Turn sums over time into means: divide by the part of each step that any point covers. */
static void divide_by_time(struct series *s)
{
	cleanup_free double *covered = mem_calloc(s->nsteps + 1, sizeof(*covered));

	cover_join(&s->covered);
	for (size_t i = 0; i < s->covered.spans.len; i++) {
		struct span sp = s->covered.spans.data[i];

		for (int64_t k = (sp.from - s->first) / s->step; sp.from < sp.until; k++) {
			int64_t next = MIN(s->first + (k + 1) * s->step, sp.until);

			covered[k] += (double)(next - sp.from);
			sp.from = next;
		}
	}
	for (size_t i = 0; i < s->sums.len; i++)
		s->sums.data[i].value /= covered[s->sums.data[i].step];
}

struct rank {
	double sum;
	uint32_t group;
};

static int compare_ranks(const void *a, const void *b)
{
	const struct rank *x = a, *y = b;

	if (x->sum != y->sum)
		return x->sum < y->sum ? 1 : -1;
	return (x->group > y->group) - (x->group < y->group);
}

/* The place of each group in the answer: the largest in front, SERIES_MAX for all the others. */
static size_t rank_groups(const struct series *s, size_t *place, uint32_t *order)
{
	size_t n = strtab_count(&s->groups);
	cleanup_free struct rank *ranks = mem_calloc(n, sizeof(*ranks));
	cleanup_free bool *has = mem_calloc(n, sizeof(*has));
	size_t used = 0;

	for (size_t i = 0; i < n; i++)
		ranks[i] = (struct rank){-INFINITY, (uint32_t)i};
	for (size_t i = 0; i < s->sums.len; i++) {
		struct rank *r = &ranks[s->sums.data[i].group];

		used += !has[r->group];
		r->sum = has[r->group] ? r->sum + s->sums.data[i].value : s->sums.data[i].value;
		has[r->group] = true;
	}
	qsort(ranks, n, sizeof(*ranks), compare_ranks);
	for (size_t i = 0; i < used; i++) {
		place[ranks[i].group] = MIN(i, (size_t)SERIES_MAX);
		if (i < SERIES_MAX)
			order[i] = ranks[i].group;
	}
	return MIN(used, (size_t)SERIES_MAX + 1);
}

void series_finish(struct series *s, struct arena *a, struct store_series_set *ret)
{
	cleanup_free size_t *place = mem_calloc(strtab_count(&s->groups), sizeof(*place));
	uint32_t order[SERIES_MAX] = {0};

	if (!s->is_count)
		divide_by_time(s);
	size_t n = rank_groups(s, place, order);

	/* Without `by` there is one series, even when it is empty. */
	if (!n && !s->by)
		n = 1;
	*ret = (struct store_series_set){s->first, s->step, s->nsteps,
					 arena_array(a, struct store_series, n), n};
	for (size_t i = 0; i < n; i++) {
		ret->series[i].value = i < SERIES_MAX
					       ? arena_strdup(a, strtab_get(&s->groups, order[i]))
					       : "(rest)";
		ret->series[i].values = arena_array(a, double, s->nsteps);
		for (size_t k = 0; k < s->nsteps; k++)
			ret->series[i].values[k] = NAN;
	}
	for (size_t i = 0; i < s->sums.len; i++) {
		const struct series_sum *sum = &s->sums.data[i];
		double *v = &ret->series[place[sum->group]].values[sum->step];

		*v = isnan(*v) ? sum->value : *v + sum->value;
	}
}
