/* What happens in the background.
 *
 * Windows are gathered into blocks of 5 minutes when these are over, and blocks of 5 minutes into
 * blocks of an hour. The block has the sum over its time, and a detail from which each window can
 * be had again; that costs less than the windows alone, because each stack is named once. A window
 * moves from row to row and is in one row at any time, so that nothing is counted twice. Windows
 * that come late make further blocks of the same time. When single windows are older than
 * store_keep_raw says, the detail of their hour is written anew, by 5 minutes.
 *
 * Every step is one transaction and keeps the write lock for a moment only. */
#include "store/sqlite/sqlite_priv.h"

#include <unistd.h>

#include "base/clock.h"
#include "store/sqlite/column.h"
#include "store/sqlite/points.h"

enum {
	ROLL_LEVEL = 9,	       /* of zstd: these bytes stay */
	ROLL_PIECES = 1 << 20, /* gathered at a time, unless one block alone has more */
};
/* For windows that are on their way. */
static const int64_t GRACE = 60 * NSEC_PER_SEC;
/* Most questions are about the last hour: it is read faster from blocks of 5 minutes. */
static const int64_t HOUR_GRACE = HOUR_NS;
/* A transaction takes no new work when it is this old. */
static const int64_t STEP_NS = NSEC_PER_SEC / 20;

/* --- blocks ----------------------------------------------------------------------------------- */

/* What an entry got in one window, before entries have places. */
struct piece {
	struct entry entry;
	uint32_t window;
};
struct gathered {
	VEC(struct piece) pieces;
	struct entries entries;
	struct detail detail;
	struct cover cover;
	int64_t last_id;
	/* One period for all where they agree, else the mean. */
	int64_t period;
	bool has_period, is_mixed;
	double period_sum, period_count;
};

static void gathered_fini(struct gathered *g)
{
	vec_fini(&g->pieces);
	vec_fini(&g->entries);
	detail_fini(&g->detail);
	cover_fini(&g->cover);
}

static void note_period(struct gathered *g, int64_t period)
{
	g->is_mixed |= g->has_period && g->period != period;
	g->has_period = true;
	g->period = period;
	for (size_t i = 0; i < g->entries.len && period; i++) {
		g->period_sum += (double)period * (double)g->entries.data[i].count;
		g->period_count += (double)g->entries.data[i].count;
	}
}

static int64_t common_period(const struct gathered *g)
{
	if (!g->is_mixed)
		return g->period;
	return g->period_count > 0 ? (int64_t)(g->period_sum / g->period_count + 0.5) : 0;
}

/* Columns of block_gather. */
enum { COL_ID, COL_START, COL_UNTIL, COL_PERIOD, COL_DATA, COL_DETAIL, COL_SPANS };

/* A row to entries, windows and parts; that of a single window has no detail. */
static int read_row(sqlite3_stmt *row, struct entries *es, struct detail *d, struct cover *cover,
		    struct err *e)
{
	int64_t start = sqlite3_column_int64(row, COL_START);
	int64_t until = sqlite3_column_int64(row, COL_UNTIL);
	int64_t period = sqlite3_column_int64(row, COL_PERIOD);
	size_t n;
	const void *p = db_blob(row, COL_DATA, &n);
	int r = block_decode(p, n, period, es, e);

	if (r < 0)
		return r;
	p = db_blob(row, COL_DETAIL, &n);
	if (p) {
		r = detail_decode(p, n, es, start, period, d, e);
		p = db_blob(row, COL_SPANS, &n);
		return r < 0 ? r : spans_decode(p, n, start, cover, e);
	}
	vec_push(&d->windows, (struct window){start, until - start});
	for (uint32_t i = 0; i < es->len; i++)
		vec_push(&d->parts, (struct part){i, 0, es->data[i].count, es->data[i].value});
	cover_add(cover, start, until);
	return 0;
}

/* 1: taken, 0: no room left. */
static int gather_row(struct gathered *g, sqlite3_stmt *row, struct err *e)
{
	cleanup_detail struct detail d = {};
	size_t before = g->detail.windows.len;

	g->entries.len = 0;
	int r = read_row(row, &g->entries, &d, &g->cover, e);

	if (r < 0)
		return r;
	if (before && (g->pieces.len + d.parts.len > ROLL_PIECES ||
		       before + d.windows.len > BLOCK_WINDOWS_MAX))
		return 0;
	for (size_t i = 0; i < d.windows.len; i++)
		vec_push(&g->detail.windows, d.windows.data[i]);
	for (size_t i = 0; i < d.parts.len; i++) {
		const struct part *x = &d.parts.data[i];
		struct piece y = {g->entries.data[x->entry], x->window + (uint32_t)before};

		y.entry.count = x->count;
		y.entry.value = x->value;
		vec_push(&g->pieces, y);
	}
	note_period(g, sqlite3_column_int64(row, COL_PERIOD));
	g->last_id = sqlite3_column_int64(row, COL_ID);
	return 1;
}

static int compare_pieces(const void *a, const void *b)
{
	const struct piece *x = a, *y = b;

	if (x->entry.labels != y->entry.labels)
		return x->entry.labels < y->entry.labels ? -1 : 1;
	if (x->entry.stack != y->entry.stack)
		return x->entry.stack < y->entry.stack ? -1 : 1;
	return (x->window > y->window) - (x->window < y->window);
}

static void add_part(struct gathered *g, const struct piece *x)
{
	uint32_t entry = (uint32_t)g->entries.len - 1;
	struct part *last =
		g->detail.parts.len ? &g->detail.parts.data[g->detail.parts.len - 1] : NULL;

	if (!last || last->entry != entry || last->window != x->window) {
		vec_push(&g->detail.parts,
			 (struct part){entry, x->window, x->entry.count, x->entry.value});
		return;
	}
	last->count = wrap_add(last->count, x->entry.count);
	last->value = wrap_add(last->value, x->entry.value);
}

/* Pieces to entries and their parts. */
static void arrange(struct gathered *g)
{
	g->entries.len = 0;
	if (g->pieces.len)
		qsort(g->pieces.data, g->pieces.len, sizeof(*g->pieces.data), compare_pieces);
	for (size_t i = 0; i < g->pieces.len; i++) {
		const struct piece *x = &g->pieces.data[i];
		struct entry *last = g->entries.len ? &g->entries.data[g->entries.len - 1] : NULL;

		if (last && last->labels == x->entry.labels && last->stack == x->entry.stack) {
			last->count = wrap_add(last->count, x->entry.count);
			last->value = wrap_add(last->value, x->entry.value);
		} else {
			vec_push(&g->entries, x->entry);
		}
		add_part(g, x);
	}
}

static int insert_block(struct db *db, int64_t series, int64_t level, int64_t start, int64_t until,
			struct gathered *g, struct err *e)
{
	cleanup_buf struct buf data = {}, spans = {}, detail = {};
	struct entry sum = {};
	int64_t period = common_period(g);

	arrange(g);
	int r = block_encode(&g->entries, period, ROLL_LEVEL, &data);

	if (r >= 0)
		r = detail_encode(&g->detail, &g->entries, start, period, ROLL_LEVEL, &detail);
	if (r < 0)
		return err_set(e, r, "cannot pack a block");
	spans_encode(&g->cover, start, &spans);
	for (size_t i = 0; i < g->entries.len; i++) {
		sum.count = wrap_add(sum.count, g->entries.data[i].count);
		sum.value = wrap_add(sum.value, g->entries.data[i].value);
	}
	return db_run(db, SQL_block_add, e, "iiiiiiiibbb", series, level, start, until, (int64_t)0,
		      period, sum.count, sum.value, (const void *)spans.data, spans.len,
		      (const void *)data.data, data.len, (const void *)detail.data, detail.len);
}

/* Windows of a detail to windows of 5 minutes. */
static void coarsen(struct gathered *g, int64_t start)
{
	for (size_t i = 0; i < g->pieces.len; i++) {
		struct piece *x = &g->pieces.data[i];
		int64_t at = g->detail.windows.data[x->window].start;

		x->window = (uint32_t)((at - start) / PERIOD_NS);
	}
	g->detail.windows.len = 0;
	for (int64_t at = start; at < start + HOUR_NS; at += PERIOD_NS)
		vec_push(&g->detail.windows, (struct window){at, PERIOD_NS});
}

static int64_t length_of(int64_t level)
{
	return level == 0 ? PERIOD_NS : HOUR_NS;
}

/* Move the rows of a level, from start on, into one row of the next level. */
static int roll_blocks(struct db *db, int64_t series, int64_t level, int64_t start, struct err *e)
{
	cleanup(gathered_fini) struct gathered g = {};
	cleanup_query sqlite3_stmt *row = NULL;
	int64_t until = start + length_of(level);
	int r = db_query(db, SQL_block_gather, &row, e, "iiii", series, level, start, until);

	while (r >= 0 && (r = db_step(db, row, e)) > 0)
		if ((r = gather_row(&g, row, e)) <= 0)
			break;
	if (r < 0)
		return r;
	db_done(&row);
	if (level == 2)
		coarsen(&g, start);
	r = insert_block(db, series, level + 1, start, until, &g, e);
	return r < 0 ? r
		     : db_run(db, SQL_block_drop, e, "iiiii", series, level, start, until,
			      g.last_id);
}

/* --- points ----------------------------------------------------------------------------------- */

static int insert_points(struct db *db, int64_t metric, int64_t start, struct points *ps,
			 struct err *e)
{
	cleanup_buf struct buf data = {};

	points_join(ps);
	int r = points_encode(ps, ROLL_LEVEL, &data);

	if (r < 0)
		return err_set(e, r, "cannot pack points");
	return db_run(db, SQL_points_add, e, "iiiiib", metric, (int64_t)1, start, start + PERIOD_NS,
		      (int64_t)0, (const void *)data.data, data.len);
}

static int roll_points(struct db *db, int64_t metric, int64_t level, int64_t start, struct err *e)
{
	cleanup_query sqlite3_stmt *row = NULL;
	struct points ps = {};
	int64_t last_id = 0, until = start + PERIOD_NS;
	uint32_t order = 0;
	int r = db_query(db, SQL_points_gather, &row, e, "iiii", metric, level, start, until);

	while (r >= 0 && (r = db_step(db, row, e)) > 0) {
		size_t n, before = ps.len;
		const void *p = db_blob(row, 1, &n);

		r = points_decode(p, n, order++, &ps, e);
		if (before && ps.len > ROLL_PIECES) {
			ps.len = before;
			break;
		}
		last_id = sqlite3_column_int64(row, 0);
	}
	db_done(&row);
	if (r >= 0)
		r = insert_points(db, metric, start, &ps, e);
	vec_fini(&ps);
	return r < 0 ? r
		     : db_run(db, SQL_points_drop, e, "iiiii", metric, level, start, until,
			      last_id);
}

/* --- a day ------------------------------------------------------------------------------------ */

/* A kind of work: rows of a level that began before a time move up a level. */
struct chore {
	enum sql all;	/* ids of series or metrics */
	enum sql first; /* the first of the rows */
	int64_t level, length, before;
	int (*roll)(struct db *db, int64_t id, int64_t level, int64_t start, struct err *e);
};

static int do_chore(struct db *db, const struct chore *c, int64_t id, int64_t deadline,
		    bool *ret_more, struct err *e)
{
	int64_t limit = c->before / c->length * c->length, start;

	for (;;) {
		int r = db_number(db, c->first, &start, e, "iii", id, c->level, limit);

		if (r < 0)
			return r == -ENOENT ? 0 : r;
		if (clock_mono_ns() > deadline) {
			*ret_more = true;
			return 0;
		}
		r = c->roll(db, id, c->level, start / c->length * c->length, e);
		if (r < 0)
			return r;
	}
}

struct ids {
	VEC(int64_t) list;
};

static void ids_fini(struct ids *i)
{
	vec_fini(&i->list);
}

static int do_chores(struct db *db, const struct chore *c, int64_t deadline, bool *ret_more,
		     struct err *e)
{
	cleanup(ids_fini) struct ids ids = {};
	cleanup_query sqlite3_stmt *q = NULL;
	int r = db_query(db, c->all, &q, e, "");

	while (r >= 0 && (r = db_step(db, q, e)) > 0)
		vec_push(&ids.list, (int64_t)sqlite3_column_int64(q, 0));
	for (size_t i = 0; r >= 0 && i < ids.list.len && !*ret_more; i++)
		r = do_chore(db, c, ids.list.data[i], deadline, ret_more, e);
	return r;
}

/* One transaction's worth of work; *ret_more: there is more. */
static int roll_day(struct day_writer *w, int64_t now, int64_t keep, bool *ret_more, struct err *e)
{
	const struct chore chores[] = {
		{SQL_series_all, SQL_block_first, 0, PERIOD_NS, now - GRACE, roll_blocks},
		{SQL_metric_all, SQL_points_first, 0, PERIOD_NS, now - GRACE, roll_points},
		{SQL_series_all, SQL_block_first, 1, HOUR_NS, now - HOUR_GRACE, roll_blocks},
		{SQL_series_all, SQL_block_first, 2, HOUR_NS, now - keep, roll_blocks},
	};
	int64_t deadline = clock_mono_ns() + STEP_NS;
	int r = db_begin_write(w->db, e);

	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(chores) && !*ret_more; i++)
		r = do_chores(w->db, &chores[i], deadline, ret_more, e);
	return r < 0 ? r : db_commit(w->db, e);
}

static int give_back(struct db *db, struct err *e)
{
	int64_t pages = 0, before;
	int r;

	do {
		before = pages;
		r = db_script(db, SQL_give_back, e);
		if (r >= 0)
			r = db_number(db, SQL_free_pages, &pages, e, "");
	} while (r >= 0 && pages && pages != before);
	return r < 0 ? r : db_script(db, SQL_checkpoint, e);
}

static enum day_state state_at(const struct day_file *f, int64_t now, int64_t keep)
{
	int64_t end = (f->day + 1) * DAY_NS;

	if (end + MAX(keep, HOUR_GRACE) <= now)
		return DAY_BARE;
	return end + HOUR_GRACE <= now ? DAY_ROLLED : DAY_OPEN;
}

static int maintain_step(struct sqlite_store *s, struct day_file *f, int64_t now, bool *ret_more,
			 struct err *e)
{
	LOCK_SCOPE(lock, &s->write_lock);
	int64_t keep = __atomic_load_n(&s->base.keep_raw, __ATOMIC_RELAXED);
	enum day_state goal = state_at(f, now, keep);
	struct day_writer *w = NULL;

	*ret_more = false;
	/* A query that began long ago only puts it off for a minute. */
	if (f->dead || (f->state != DAY_OPEN && f->state == goal) || access(f->path, F_OK) ||
	    !views_know_all(s))
		return 0;
	int r = writer_get(s, f->tenant, f->day, &w, e);

	if (r >= 0)
		r = roll_day(w, now, keep, ret_more, e);
	if (r >= 0 && !*ret_more && goal != DAY_OPEN)
		r = give_back(w->db, e);
	if (r >= 0 && !*ret_more)
		f->state = goal;
	if (r < 0 && w)
		writer_drop(s, w);
	writers_trim(s, WRITERS_MAX);
	return r;
}

static int maintain_catalogue(struct sqlite_store *s, int64_t now, struct err *e)
{
	LOCK_SCOPE(lock, &s->write_lock);
	int r = append_recover(s, e);

	if (r >= 0)
		r = services_save(s, e);
	return r < 0 ? r : db_run(s->catalogue, SQL_session_expire, e, "i", now);
}

int sqlite_maintain(struct store *base, int64_t now, struct err *e)
{
	struct sqlite_store *s = sqlite_store(base);
	cleanup_day_list struct day_list days = {};
	int first = maintain_catalogue(s, now, e);

	readers_close_idle(s);
	day_list_init(&days, s, 0, 0, INT64_MAX);
	/* A day that cannot be worked on must not stop the others: the first reason is told. */
	for (size_t i = 0; i < days.files.len; i++) {
		bool more = true;
		int r = 0;

		while (more && r >= 0)
			r = maintain_step(s, days.files.data[i], now, &more, first < 0 ? NULL : e);
		if (first >= 0 && r < 0)
			first = r;
	}
	return MIN(first, 0);
}

int sqlite_expire(struct store *base, int64_t before, struct err *e)
{
	struct sqlite_store *s = sqlite_store(base);
	LOCK_SCOPE(lock, &s->write_lock);
	cleanup_day_list struct day_list days = {};
	int r = 0;

	day_list_init(&days, s, 0, 0, before / DAY_NS - 1);
	for (size_t i = 0; r >= 0 && i < days.files.len; i++)
		r = day_remove(s, days.files.data[i], e);
	return r;
}
