/* Reading: which rows of which day files make up a range of time.
 *
 * A window belongs to the range when its start does. A block that lies inside the range is summed
 * as it is; one at an edge is taken apart by its detail. Where the detail knows stretches of 5
 * minutes only, such a stretch belongs to the range when its start does. So ranges that touch count
 * everything once. */
#include "store/sqlite/read.h"

#include "store/sqlite/column.h"
#include "store/sqlite/points.h"

/* --- walking over blocks ---------------------------------------------------------------------- */

struct walk {
	struct sqlite_store *store;
	const struct store_query *q;
	struct view view;
	struct filters filters;
	struct cover cover;
	struct entries entries; /* of the block at hand */
	/* What to do with the entries of one block. */
	int (*visit)(struct walk *w, struct reading *g, int64_t period, struct err *e);
	int (*day_done)(struct walk *w, struct reading *g, struct err *e);
	/* Of store_profile. */
	const char *const *by;
	size_t nby;
	struct profile *profile;
	double period_sum, period_count;
	/* Of the weights. */
	void (*each)(void *ctx, const char *pairs, size_t len, double weight);
	void *ctx;
	VEC(double) weights;
};

static void walk_fini(struct walk *w)
{
	view_fini(&w->view);
	filters_fini(&w->filters);
	cover_fini(&w->cover);
	vec_fini(&w->entries);
	profile_free(w->profile);
	vec_fini(&w->weights);
}

static int walk_init(struct walk *w, struct store *s, const struct store_query *q, struct err *e)
{
	w->store = sqlite_store(s);
	w->q = q;
	int r = filters_init(q, &w->filters, e);

	return r < 0 ? r : view_init(w->store, q, &w->view, e);
}

/* Columns of block_range. */
enum { COL_LEVEL, COL_START, COL_UNTIL, COL_PERIOD, COL_SPANS, COL_DATA, COL_DETAIL };

/* When data was taken in the windows of d that are inside the range: a window of 5 minutes may have
 * gaps, of which the spans know. */
static void cover_windows(struct walk *w, const struct detail *d, struct cover *spans)
{
	cover_join(spans);
	for (size_t i = 0; i < d->windows.len; i++) {
		const struct window *x = &d->windows.data[i];
		int64_t end = x->start + x->duration;

		if (x->start < w->q->from || x->start >= w->q->until)
			continue;
		for (size_t k = 0; k < spans->spans.len; k++)
			cover_add(&w->cover, MAX(x->start, spans->spans.data[k].from),
				  MIN(end, spans->spans.data[k].until));
	}
}

/* Leave of the entries of a block what its windows inside the range hold. */
static int take_apart(struct walk *w, sqlite3_stmt *row, int64_t start, int64_t period,
		      struct err *e)
{
	cleanup_detail struct detail d = {};
	cleanup_cover struct cover spans = {};
	size_t n, kept = 0;
	const void *p = db_blob(row, COL_DETAIL, &n);
	int r = detail_decode(p, n, &w->entries, start, period, &d, e);

	if (r < 0)
		return r;
	p = db_blob(row, COL_SPANS, &n);
	r = spans_decode(p, n, start, &spans, e);
	if (r < 0)
		return r;
	cover_windows(w, &d, &spans);
	/* Parts are sorted by entry, so that sums can take the place of entries that were read. */
	for (size_t i = 0, end; i < d.parts.len; i = end) {
		struct entry sum = w->entries.data[d.parts.data[i].entry];
		bool any = false;

		sum.count = sum.value = 0;
		for (end = i; end < d.parts.len; end++) {
			const struct part *x = &d.parts.data[end];
			int64_t at = d.windows.data[x->window].start;

			if (x->entry != d.parts.data[i].entry)
				break;
			if (at < w->q->from || at >= w->q->until)
				continue;
			sum.count = wrap_add(sum.count, x->count);
			sum.value = wrap_add(sum.value, x->value);
			any = true;
		}
		if (any)
			w->entries.data[kept++] = sum;
	}
	w->entries.len = kept;
	return 0;
}

static int read_block(struct walk *w, struct reading *g, sqlite3_stmt *row, struct err *e)
{
	int64_t level = sqlite3_column_int64(row, COL_LEVEL);
	int64_t start = sqlite3_column_int64(row, COL_START);
	int64_t until = sqlite3_column_int64(row, COL_UNTIL);
	int64_t period = sqlite3_column_int64(row, COL_PERIOD);
	size_t n;

	w->entries.len = 0;
	const void *p = db_blob(row, COL_DATA, &n);
	int r = block_decode(p, n, period, &w->entries, e);

	if (r < 0)
		return r;
	if (level == 0) {
		cover_add(&w->cover, start, until);
	} else if (start < w->q->from || until > w->q->until) {
		r = take_apart(w, row, start, period, e);
	} else {
		p = db_blob(row, COL_SPANS, &n);
		r = spans_decode(p, n, start, &w->cover, e);
	}
	return r < 0 ? r : w->visit(w, g, period, e);
}

static int walk_series(struct walk *w, struct reading *g, int64_t series, struct err *e)
{
	cleanup_query sqlite3_stmt *row = NULL;
	const struct store_query *q = w->q;
	struct db *db = g->rd.db;
	int r = db_query(db, SQL_block_range, &row, e, "iiiiiii", series, q->from, q->until,
			 q->from / HOUR_NS * HOUR_NS, q->from / PERIOD_NS * PERIOD_NS,
			 w->view.batch, view_standing(&w->view, g->rd.day));

	while (r >= 0 && (r = db_step(db, row, e)) > 0) {
		r = read_block(w, g, row, e);
		if (r == -EBADMSG && e)
			err_prefix(e, "%s is damaged", db->name);
	}
	return r;
}

static int set_unit(struct walk *w, sqlite3_stmt *series, struct err *e)
{
	struct profile *p = w->profile;

	if (!p)
		return 0;
	if (!p->unit[0])
		snprintf(p->unit, sizeof(p->unit), "%s", db_text(series, 1));
	if (strcmp(p->unit, db_text(series, 1)))
		return err_set(e, -EINVAL, "profiles of type %s changed from %s to %s in the range",
			       p->type, p->unit, db_text(series, 1));
	return 0;
}

static int walk_day(struct walk *w, struct day_file *f, struct err *e)
{
	cleanup_reading struct reading g = {};
	cleanup_query sqlite3_stmt *series = NULL;
	int r = reader_get(w->store, f, &g.rd, e);

	if (r == -ENOENT)
		return 0;
	if (r >= 0)
		r = db_query(g.rd.db, SQL_series_list, &series, e, "it", w->view.service,
			     w->q->type);
	while (r >= 0 && (r = db_step(g.rd.db, series, e)) > 0) {
		r = set_unit(w, series, e);
		if (r >= 0)
			r = walk_series(w, &g, sqlite3_column_int64(series, 0), e);
	}
	return r < 0 || !w->day_done ? r : w->day_done(w, &g, e);
}

static int walk(struct walk *w, struct err *e)
{
	cleanup_day_list struct day_list days = {};
	const struct store_query *q = w->q;
	int r = 0;

	if (q->until == q->from)
		return 0;
	day_list_init(&days, w->store, q->tenant, q->from / DAY_NS, (q->until - 1) / DAY_NS);
	for (size_t i = 0; r >= 0 && i < days.files.len; i++)
		r = walk_day(w, days.files.data[i], e);
	return r;
}

/* --- store_profile ---------------------------------------------------------------------------- */

enum { LEFT_OUT = 0 }; /* in reading.labels; others are the profile's number + 1 */

static int keep_labels(struct walk *w, struct reading *g, uint32_t id, uint64_t *ret_kept,
		       struct err *e)
{
	cleanup_buf struct buf pairs = {};
	uint64_t *known = map64_get(&g->labels, id);

	if (known) {
		*ret_kept = *known;
		return 0;
	}
	int r = reading_labels(g, id, &pairs, e);

	if (r < 0)
		return r;
	const char *text = (const char *)pairs.data;

	*ret_kept = LEFT_OUT;
	if (filters_match(&w->filters, text, pairs.len))
		*ret_kept =
			1 + (uint64_t)labels_to_profile(w->profile, text, pairs.len, w->by, w->nby);
	map64_set(&g->labels, id, *ret_kept);
	return 0;
}

static int visit_profile(struct walk *w, struct reading *g, int64_t period, struct err *e)
{
	uint64_t kept = LEFT_OUT;
	uint32_t stack;
	int r = 0;

	for (size_t i = 0; i < w->entries.len; i++) {
		const struct entry *x = &w->entries.data[i];

		/* Entries are sorted by label set. */
		if (!i || x[-1].labels != x->labels)
			r = keep_labels(w, g, x->labels, &kept, e);
		if (r >= 0 && kept != LEFT_OUT)
			r = reading_stack(g, w->profile, x->stack, &stack, e);
		if (r < 0)
			return r;
		if (kept == LEFT_OUT)
			continue;
		profile_add(w->profile, stack, (uint32_t)(kept - 1), x->count, x->value);
		if (period) {
			w->period_sum += (double)period * (double)x->count;
			w->period_count += (double)x->count;
		}
	}
	return 0;
}

int sqlite_profile(struct store *s, const struct store_query *q, const char *const *by, size_t nby,
		   struct profile **ret_profile, double *ret_covered, struct err *e)
{
	cleanup(walk_fini) struct walk w = {
		.visit = visit_profile,
		.by = by,
		.nby = nby,
		.profile = profile_new(q->type, "", 0),
	};
	int r = walk_init(&w, s, q, e);

	if (r >= 0)
		r = walk(&w, e);
	if (r < 0)
		return r;
	if (w.period_count > 0)
		w.profile->period = (int64_t)(w.period_sum / w.period_count + 0.5);
	*ret_covered = profile_set_range(w.profile, &w.cover, q);
	*ret_profile = take_ptr(w.profile);
	return 0;
}

/* --- weights ---------------------------------------------------------------------------------- */

static int visit_weights(struct walk *w, struct reading *g, int64_t period, struct err *e)
{
	for (size_t i = 0; i < w->entries.len; i++) {
		const struct entry *x = &w->entries.data[i];
		uint64_t *at = map64_get(&g->labels, x->labels);

		if (at) {
			w->weights.data[*at] += (double)x->value;
			continue;
		}
		map64_set(&g->labels, x->labels, w->weights.len);
		vec_push(&w->weights, (double)x->value);
	}
	return 0;
}

static int tell_weights(struct walk *w, struct reading *g, struct err *e)
{
	cleanup_buf struct buf pairs = {};
	struct map64_slot *slot;
	int r = 0;

	for (size_t i = 0; r >= 0 && (slot = map64_each(&g->labels, &i));) {
		r = reading_labels(g, (uint32_t)slot->key, &pairs, e);
		if (r >= 0 && filters_match(&w->filters, (const char *)pairs.data, pairs.len))
			w->each(w->ctx, (const char *)pairs.data, pairs.len,
				w->weights.data[slot->value]);
	}
	w->weights.len = 0;
	return r;
}

int sqlite_weights(struct store *s, const struct store_query *q,
		   void (*each)(void *ctx, const char *pairs, size_t len, double weight), void *ctx,
		   struct err *e)
{
	cleanup(walk_fini) struct walk w = {
		.visit = visit_weights,
		.day_done = tell_weights,
		.each = each,
		.ctx = ctx,
	};
	int r = walk_init(&w, s, q, e);

	return r < 0 ? r : walk(&w, e);
}

/* --- store_metric ----------------------------------------------------------------------------- */

/* Points of one period, of which there may be several rows. */
static int add_period(struct series *series, struct reading *g, struct points *ps, struct err *e)
{
	cleanup_buf struct buf pairs = {};
	int64_t group = SERIES_NONE;

	points_join(ps);
	for (size_t i = 0; i < ps->len; i++) {
		const struct point *x = &ps->data[i];

		if (!i || x[-1].labels != x->labels) {
			uint64_t *known = map64_get(&g->labels, x->labels);

			if (!known) {
				int r = reading_labels(g, x->labels, &pairs, e);

				if (r < 0)
					return r;
				group = series_group(series, (const char *)pairs.data, pairs.len);
				map64_set(&g->labels, x->labels, (uint64_t)group);
			} else {
				group = (int64_t)*known;
			}
		}
		series_add(series, group, x->time, x->interval, x->value);
	}
	ps->len = 0;
	return 0;
}

static int read_points(struct reading *g, const struct view *v, const struct store_query *q,
		       int64_t metric, struct points *ps, struct series *series, struct err *e)
{
	cleanup_query sqlite3_stmt *row = NULL;
	struct db *db = g->rd.db;
	int64_t period = -1;
	uint32_t order = 0;
	int r = db_query(db, SQL_points_range, &row, e, "iiiiii", metric, q->from, q->until,
			 q->from / PERIOD_NS * PERIOD_NS, v->batch, view_standing(v, g->rd.day));

	while (r >= 0 && (r = db_step(db, row, e)) > 0) {
		size_t n;
		const void *p = db_blob(row, 2, &n);

		if (sqlite3_column_int64(row, 1) != period)
			r = add_period(series, g, ps, e);
		period = sqlite3_column_int64(row, 1);
		if (r >= 0)
			r = points_decode(p, n, order++, ps, e);
		if (r == -EBADMSG && e)
			err_prefix(e, "%s is damaged", db->name);
	}
	return r < 0 ? r : add_period(series, g, ps, e);
}

static int metric_day(struct sqlite_store *s, struct day_file *f, const struct view *v,
		      const struct store_query *q, const char *metric, struct series *series,
		      struct err *e)
{
	cleanup_reading struct reading g = {};
	struct points ps = {};
	int64_t id;
	int r = reader_get(s, f, &g.rd, e);

	if (r >= 0)
		r = db_number(g.rd.db, SQL_metric_find, &id, e, "it", v->service, metric);
	if (r >= 0)
		r = read_points(&g, v, q, id, &ps, series, e);
	vec_fini(&ps);
	/* No file, or no such metric on this day. */
	return r == -ENOENT ? 0 : r;
}

int sqlite_metric(struct store *base, const struct store_query *q, const char *metric,
		  const char *by, int64_t step, struct arena *a, struct store_series_set *ret,
		  struct err *e)
{
	struct sqlite_store *s = sqlite_store(base);
	cleanup_series struct series *series = NULL;
	cleanup(view_fini) struct view v = {};
	cleanup_day_list struct day_list days = {};
	int r = series_new(q, metric, by, step, &series, e);

	if (r >= 0)
		r = view_init(s, q, &v, e);
	if (r >= 0 && q->until > q->from)
		day_list_init(&days, s, q->tenant, q->from / DAY_NS, (q->until - 1) / DAY_NS);
	for (size_t i = 0; r >= 0 && i < days.files.len; i++)
		r = metric_day(s, days.files.data[i], &v, q, metric, series, e);
	if (r >= 0)
		series_finish(series, a, ret);
	return r;
}
