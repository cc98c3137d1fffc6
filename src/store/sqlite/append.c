/* Writing batches, whole or not at all.
 *
 * A commit is atomic within one file only. Most calls need no more: all their windows are of one
 * day of one tenant, and their services are known. Such rows carry batch 0, and the commit of the
 * day file is the commit of the call.
 *
 * A call that spans several day files, or changes the catalogue as well, gets a number:
 *
 *	1. the catalogue commits the intent: batch N is going to write these day files
 *	2. every day file commits its rows, marked N
 *	3. the catalogue commits its own changes, "batches up to N are complete", and drops the
 *	   intent; this is the commit of the call
 *
 * Readers take the number of the last complete batch before they look into a day file and leave
 * out rows with a larger one. When 2 or 3 fails, or after a crash in between, rows marked N are
 * deleted from the files that the intent names, then the intent goes. Where that fails too (the
 * disk is full, a file is damaged), the intent stands: readers of that file leave N out, N is not
 * given again, and the file is not written before it is undone. */
#include "store/sqlite/sqlite_priv.h"

#include <unistd.h>

#include "base/clock.h"
#include "store/sqlite/column.h"
#include "store/sqlite/points.h"

enum { RAW_LEVEL = 3 /* of zstd: these bytes live for minutes */ };

/* What a batch's service is, once its row exists. */
struct target {
	int64_t service;
	bool is_first;	     /* nothing was ever received for it */
	int64_t first, last; /* times of what is appended now */
};

struct append {
	struct sqlite_store *s;
	const struct store_batch *batches;
	size_t n;
	struct target *targets;
	VEC(struct day_writer *) days;
	int64_t batch; /* 0: one file does */
	size_t committed;
};

static void append_fini(struct append *a)
{
	free(a->targets);
	vec_fini(&a->days);
}

/* --- planning --------------------------------------------------------------------------------- */

static int need_day(struct append *a, struct target *t, int64_t tenant, int64_t time, int64_t end,
		    struct err *e)
{
	struct day_writer *w;
	int64_t day = time / DAY_NS;

	t->first = t->last ? MIN(t->first, time) : time;
	t->last = MAX(t->last, MAX(end, (int64_t)1));
	for (size_t i = 0; i < a->days.len; i++)
		if (a->days.data[i]->file->tenant == tenant && a->days.data[i]->file->day == day)
			return 0;
	int r = writer_get(a->s, tenant, day, &w, e);

	if (r < 0)
		return r;
	vec_push(&a->days, w);
	w->file->state = DAY_OPEN;
	if (w->has_dict)
		return 0;
	r = dict_load(&w->dict, w->db, e);
	w->has_dict = r >= 0;
	return r;
}

static struct day_writer *writer_of(const struct append *a, int64_t tenant, int64_t time)
{
	for (size_t i = 0; i < a->days.len; i++)
		if (a->days.data[i]->file->tenant == tenant &&
		    a->days.data[i]->file->day == time / DAY_NS)
			return a->days.data[i];
	CHECK(!"planned");
	return NULL;
}

static int find_days(struct append *a, struct err *e)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < a->n; i++) {
		const struct store_batch *b = &a->batches[i];
		struct target *t = &a->targets[i];

		for (size_t k = 0; r >= 0 && k < b->nprofiles; k++)
			r = need_day(a, t, b->tenant, b->profiles[k]->time_ns,
				     b->profiles[k]->time_ns + b->profiles[k]->duration_ns, e);
		for (size_t k = 0; r >= 0 && k < b->npoints; k++)
			r = need_day(a, t, b->tenant, b->points[k].time,
				     b->points[k].time + MAX(b->points[k].interval, (int64_t)0), e);
	}
	return r;
}

/* Is there a service that is new, or that nothing was received for yet? */
static int needs_catalogue(struct append *a, bool *ret_needs, struct err *e)
{
	*ret_needs = false;
	for (size_t i = 0; i < a->n; i++) {
		struct service_state *st;
		int r = service_state(a->s, a->batches[i].tenant, a->batches[i].service, &st, e);

		if (r < 0 && r != -ENOENT)
			return r;
		if (r == -ENOENT || (!st->first_seen && a->targets[i].last))
			*ret_needs = true;
		else
			a->targets[i].service = st->id;
	}
	return 0;
}

/* --- the catalogue's part --------------------------------------------------------------------- */

static int write_intent(struct append *a, struct err *e)
{
	struct db *db = a->s->catalogue;
	int r = db_begin_write(db, e);

	for (size_t i = 0; r >= 0 && i < a->days.len; i++)
		r = db_run(db, SQL_intent_add, e, "iii", a->batch, a->days.data[i]->file->tenant,
			   a->days.data[i]->file->day);
	if (r >= 0)
		r = db_commit(db, e);
	if (r < 0)
		db_rollback(db);
	return r;
}

static int write_service(struct append *a, size_t i, struct err *e)
{
	const struct store_batch *b = &a->batches[i];
	struct target *t = &a->targets[i];
	struct db *db = a->s->catalogue;
	cleanup_query sqlite3_stmt *q = NULL;
	int r = db_run(db, SQL_service_add, e, "iti", b->tenant, b->service, clock_real_ns());

	if (r < 0 && r != -EEXIST)
		return r;
	r = db_query(db, SQL_service_get, &q, e, "it", b->tenant, b->service);
	if (r >= 0)
		r = db_step(db, q, e);
	if (r <= 0)
		return r < 0 ? r : err_set(e, -ENOENT, "there is no such tenant");
	t->service = sqlite3_column_int64(q, 0);
	if (sqlite3_column_int64(q, 5) || !t->last)
		return 0;
	return db_run(db, SQL_service_first, e, "tiii", b->host ? b->host : "", t->first, t->last,
		      t->service);
}

static int write_catalogue(struct append *a, struct err *e)
{
	struct db *db = a->s->catalogue;
	int r = db_begin_write(db, e);

	for (size_t i = 0; r >= 0 && i < a->n; i++)
		if (!a->targets[i].service)
			r = write_service(a, i, e);
	if (r >= 0)
		r = db_run(db, SQL_commit_point_set, e, "i", a->batch);
	if (r >= 0)
		r = db_run(db, SQL_intent_remove, e, "i", a->batch);
	return r;
}

/* --- a day file's part: profiles -------------------------------------------------------------- */

static int find_series(struct db *db, int64_t service, const struct profile *p, const char *host,
		       int64_t *ret_id, struct err *e)
{
	cleanup_query sqlite3_stmt *q = NULL, *u = NULL;
	int r = db_query(db, SQL_series_find, &q, e, "itt", service, p->type, host);

	if (r >= 0)
		r = db_step(db, q, e);
	if (r < 0)
		return r;
	sqlite3_stmt *known = q;
	int column = 1;

	if (!r) {
		known = NULL;
		r = db_query(db, SQL_series_unit, &u, e, "it", service, p->type);
		if (r >= 0)
			r = db_step(db, u, e);
		if (r < 0)
			return r;
		if (r) {
			known = u;
			column = 0;
		}
	}
	if (known && strcmp(db_text(known, column), p->unit))
		return err_set(e, -EINVAL, "profiles of type %s are in %s here, not in %s", p->type,
			       db_text(known, column), p->unit);
	if (known == q && q) {
		*ret_id = sqlite3_column_int64(q, 0);
		return 0;
	}
	r = db_run(db, SQL_series_add, e, "ittt", service, p->type, p->unit, host);
	*ret_id = db_last_id(db);
	return r;
}

/* 1: new, 0: this window is there already. */
static int mark_seen(struct db *db, const struct profile *p, int64_t series, int64_t batch,
		     struct err *e)
{
	static const uint8_t none[sizeof(p->id)];
	struct {
		uint8_t id[sizeof(p->id)];
		int64_t series, time;
	} key = {.series = series, .time = p->time_ns};

	if (!memcmp(p->id, none, sizeof(none)))
		return 1;
	memcpy(key.id, p->id, sizeof(key.id));
	int r = db_run(db, SQL_seen_add, e, "iii", p->time_ns / NSEC_PER_SEC,
		       (int64_t)hash_bytes(&key, sizeof(key)), batch);

	return r < 0 ? r : db_changes(db) > 0;
}

static int map_labels(struct day_writer *w, const struct profile *p, const char *host,
		      uint32_t *map, struct err *e)
{
	cleanup_buf struct buf pairs = {};
	int r = 0;

	for (size_t i = 0; r >= 0 && i < p->samples.len; i++) {
		uint32_t set = p->samples.data[i].labels;

		if (map[set])
			continue;
		labels_of_profile(p, set, host, &pairs);
		r = dict_labels(&w->dict, w->db, (const char *)pairs.data, pairs.len, &map[set], e);
	}
	return r;
}

static void gather(const struct profile *p, const struct dict_map *m, const uint32_t *labels,
		   struct entries *out, struct entry *sum)
{
	vec_reserve(out, p->samples.len);
	for (size_t i = 0; i < p->samples.len; i++) {
		const struct profile_sample *x = &p->samples.data[i];

		vec_push(out, (struct entry){labels[x->labels], m->stacks[x->stack], x->count,
					     x->value});
	}
	entries_join(out);
	for (size_t i = 0; i < out->len; i++) {
		sum->count = wrap_add(sum->count, out->data[i].count);
		sum->value = wrap_add(sum->value, out->data[i].value);
	}
}

static int insert_window(struct day_writer *w, const struct profile *p, int64_t series,
			 const char *host, int64_t batch, struct err *e)
{
	cleanup_dict_map struct dict_map m = {};
	cleanup_free uint32_t *labels = mem_calloc(p->label_sets.len + 1, sizeof(*labels));
	cleanup_buf struct buf data = {};
	struct entries es = {};
	struct entry sum = {};

	dict_map_init(&m, p);
	int r = dict_stacks(&w->dict, w->db, p, &m, e);

	if (r >= 0)
		r = map_labels(w, p, host, labels, e);
	if (r < 0)
		return r;
	gather(p, &m, labels, &es, &sum);
	r = es.len > BLOCK_ENTRIES_MAX ? err_set(e, -EFBIG, "a profile has too many samples")
				       : block_encode(&es, p->period, RAW_LEVEL, &data);
	vec_fini(&es);
	if (r < 0)
		return r;
	return db_run(w->db, SQL_block_add, e, "iiiiiiiibbb", series, (int64_t)0, p->time_ns,
		      p->time_ns + p->duration_ns, batch, p->period, sum.count, sum.value,
		      (const void *)NULL, (size_t)0, (const void *)data.data, data.len,
		      (const void *)NULL, (size_t)0);
}

static int write_profile(struct append *a, size_t i, const struct profile *p, struct err *e)
{
	const struct store_batch *b = &a->batches[i];
	struct day_writer *w = writer_of(a, b->tenant, p->time_ns);
	const char *host = b->host ? b->host : "";
	int64_t series = 0;
	int r = find_series(w->db, a->targets[i].service, p, host, &series, e);

	if (r >= 0)
		r = mark_seen(w->db, p, series, a->batch, e);
	return r > 0 ? insert_window(w, p, series, host, a->batch, e) : r;
}

/* --- a day file's part: points ---------------------------------------------------------------- */

static int compare_store_points(const void *a, const void *b)
{
	const struct store_point *x = *(const struct store_point *const *)a;
	const struct store_point *y = *(const struct store_point *const *)b;
	int order = strcmp(x->metric, y->metric);
	int64_t px = x->time / PERIOD_NS, py = y->time / PERIOD_NS;

	if (order || px != py)
		return order ? order : px < py ? -1 : 1;
	return (x > y) - (x < y);
}

static int find_metric(struct db *db, int64_t service, const char *name, int64_t *ret_id,
		       struct err *e)
{
	int r = db_number(db, SQL_metric_find, ret_id, e, "it", service, name);

	if (r != -ENOENT)
		return r;
	r = db_run(db, SQL_metric_add, e, "it", service, name);
	*ret_id = db_last_id(db);
	return r;
}

/* Points of one metric and period: a row. */
static int write_row(struct append *a, size_t i, const struct store_point *const *list, size_t n,
		     struct err *e)
{
	const struct store_batch *b = &a->batches[i];
	struct day_writer *w = writer_of(a, b->tenant, list[0]->time);
	cleanup_buf struct buf data = {}, pairs = {};
	struct points ps = {};
	int64_t metric, start = INT64_MAX, until = 0;
	int r = find_metric(w->db, a->targets[i].service, list[0]->metric, &metric, e);

	for (size_t k = 0; r >= 0 && k < n; k++) {
		struct point x = {0, (uint32_t)k, list[k]->time, list[k]->interval, list[k]->value};

		labels_of_point(list[k], b->host, &pairs);
		r = dict_labels(&w->dict, w->db, (const char *)pairs.data, pairs.len, &x.labels, e);
		vec_push(&ps, x);
		start = MIN(start, x.time);
		until = MAX(until, x.time + 1);
	}
	points_join(&ps);
	if (r >= 0)
		r = ps.len > POINTS_MAX ? err_set(e, -EFBIG, "a batch has too many points")
					: points_encode(&ps, RAW_LEVEL, &data);
	vec_fini(&ps);
	if (r < 0)
		return r;
	return db_run(w->db, SQL_points_add, e, "iiiiib", metric, (int64_t)0, start, until,
		      a->batch, (const void *)data.data, data.len);
}

static int write_points(struct append *a, size_t i, struct err *e)
{
	const struct store_batch *b = &a->batches[i];
	cleanup_free const struct store_point **list = mem_calloc(b->npoints + 1, sizeof(*list));
	int r = 0;

	for (size_t k = 0; k < b->npoints; k++)
		list[k] = &b->points[k];
	qsort(list, b->npoints, sizeof(*list), compare_store_points);
	for (size_t k = 0, end; r >= 0 && k < b->npoints; k = end) {
		for (end = k; end < b->npoints; end++)
			if (strcmp(list[end]->metric, list[k]->metric) ||
			    list[end]->time / PERIOD_NS != list[k]->time / PERIOD_NS)
				break;
		r = write_row(a, i, &list[k], end - k, e);
	}
	return r;
}

/* --- committing and undoing ------------------------------------------------------------------- */

static int write_all(struct append *a, struct err *e)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < a->days.len; i++)
		r = db_begin_write(a->days.data[i]->db, e);
	for (size_t i = 0; r >= 0 && i < a->n; i++) {
		const struct store_batch *b = &a->batches[i];

		for (size_t k = 0; r >= 0 && k < b->nprofiles; k++)
			r = write_profile(a, i, b->profiles[k], e);
		if (r >= 0)
			r = write_points(a, i, e);
	}
	for (size_t i = 0; r >= 0 && i < a->days.len; i++) {
		r = db_commit(a->days.data[i]->db, e);
		a->committed += r >= 0;
	}
	return r;
}

static int undo_batch(struct db *db, int64_t batch, struct err *e)
{
	int r = db_begin_write(db, e);

	if (r >= 0)
		r = db_run(db, SQL_block_undo, e, "i", batch);
	if (r >= 0)
		r = db_run(db, SQL_seen_undo, e, "i", batch);
	if (r >= 0)
		r = db_run(db, SQL_points_undo, e, "i", batch);
	if (r >= 0)
		r = db_commit(db, e);
	if (r < 0)
		db_rollback(db);
	return r;
}

/* After a failure nothing that the writers remember can be trusted. */
static void give_up(struct append *a)
{
	int r = 0;

	db_rollback(a->s->catalogue);
	for (size_t i = 0; i < a->committed && r >= 0 && a->batch; i++)
		r = undo_batch(a->days.data[i]->db, a->batch, NULL);
	for (size_t i = 0; i < a->days.len; i++)
		writer_drop(a->s, a->days.data[i]);
	if (a->batch && r >= 0)
		db_run(a->s->catalogue, SQL_intent_remove, NULL, "i", a->batch);
}

static int next_batch(struct sqlite_store *s, int64_t *ret_batch, struct err *e)
{
	cleanup_query sqlite3_stmt *q = NULL;
	int64_t last;
	int r = db_number(s->catalogue, SQL_commit_point, &last, e, "");

	if (r >= 0)
		r = db_query(s->catalogue, SQL_intent_list, &q, e, "");
	while (r >= 0 && (r = db_step(s->catalogue, q, e)) > 0)
		last = MAX(last, (int64_t)sqlite3_column_int64(q, 0));
	*ret_batch = last + 1;
	return r;
}

static void note_seen(struct append *a)
{
	for (size_t i = 0; i < a->n; i++) {
		struct service_state *st;

		/* It was committed a moment ago; should reading it fail, it is read later. */
		if (!a->targets[i].last ||
		    service_state(a->s, a->batches[i].tenant, a->batches[i].service, &st, NULL) < 0)
			continue;
		LOCK_SCOPE(lock, &a->s->seen_lock);

		st->last_seen = MAX(st->last_seen, a->targets[i].last);
		if (!st->first_seen)
			st->first_seen = a->targets[i].first;
	}
}

static int append_planned(struct append *a, struct err *e)
{
	bool catalogue;
	int r = needs_catalogue(a, &catalogue, e);

	if (r < 0)
		return r;
	if (catalogue || a->days.len > 1) {
		r = next_batch(a->s, &a->batch, e);
		if (r >= 0)
			r = write_intent(a, e);
		if (r >= 0)
			r = write_catalogue(a, e);
	}
	if (r >= 0)
		r = write_all(a, e);
	if (r >= 0 && a->batch)
		r = db_commit(a->s->catalogue, e);
	return r;
}

int sqlite_append(struct store *base, const struct store_batch *batches, size_t n, struct err *e)
{
	struct sqlite_store *s = sqlite_store(base);
	LOCK_SCOPE(lock, &s->write_lock);
	cleanup(append_fini) struct append a = {
		.s = s,
		.batches = batches,
		.n = n,
		.targets = mem_calloc(n, sizeof(*a.targets)),
	};
	int r = find_days(&a, e);

	if (r >= 0)
		r = append_planned(&a, e);
	if (r < 0) {
		give_up(&a);
	} else {
		if (a.batch)
			views_complete(s, a.batch);
		note_seen(&a);
		writers_trim(s, WRITERS_MAX);
	}
	return r;
}

/* --- after a crash ---------------------------------------------------------------------------- */

struct intent {
	int64_t batch, tenant, day;
};

static int undo_intent(struct sqlite_store *s, const struct intent *it, struct err *e)
{
	struct day_writer *w;
	struct day_file *f = day_get(s, it->tenant, it->day, false);
	bool gone = !f || (access(f->path, F_OK) && errno == ENOENT);

	day_put(s, f);
	/* Opening it for writing undoes what stands. */
	return gone ? 0 : writer_get(s, it->tenant, it->day, &w, e);
}

int append_undo_standing(struct sqlite_store *s, struct day_writer *w, struct err *e)
{
	cleanup_query sqlite3_stmt *q = NULL;
	int r = db_query(s->catalogue, SQL_intent_list, &q, e, "");

	while (r >= 0 && (r = db_step(s->catalogue, q, e)) > 0)
		if (sqlite3_column_int64(q, 1) == w->file->tenant &&
		    sqlite3_column_int64(q, 2) == w->file->day) {
			r = undo_batch(w->db, sqlite3_column_int64(q, 0), e);
			if (r < 0)
				return r;
		}
	return r;
}

int append_recover(struct sqlite_store *s, struct err *e)
{
	cleanup_query sqlite3_stmt *q = NULL;
	VEC(struct intent) list = {};
	int64_t failed = -1;
	int r = db_query(s->catalogue, SQL_intent_list, &q, e, "");

	while (r >= 0 && (r = db_step(s->catalogue, q, e)) > 0)
		vec_push(&list,
			 (struct intent){sqlite3_column_int64(q, 0), sqlite3_column_int64(q, 1),
					 sqlite3_column_int64(q, 2)});
	/* Sorted by batch: the intent goes when its last file is clean. A file that cannot be
	 * opened keeps it, and tells why when it is read. */
	for (size_t i = 0; r >= 0 && i < list.len; i++) {
		const struct intent *it = &list.data[i];

		if (undo_intent(s, it, NULL) < 0)
			failed = it->batch;
		if ((i + 1 == list.len || it[1].batch != it->batch) && failed != it->batch)
			r = db_run(s->catalogue, SQL_intent_remove, e, "i", it->batch);
	}
	vec_fini(&list);
	return r;
}
