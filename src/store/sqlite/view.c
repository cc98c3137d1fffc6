#include "store/sqlite/sqlite_priv.h"

static int view_read(struct sqlite_store *s, const struct store_query *q, struct view *v,
		     struct err *e)
{
	cleanup_reader struct reader rd = {};
	cleanup_query sqlite3_stmt *svc = NULL, *st = NULL;
	int r = reader_get(s, NULL, &rd, e);

	if (r >= 0)
		r = db_query(rd.db, SQL_service_get, &svc, e, "it", q->tenant, q->service);
	if (r >= 0)
		r = db_step(rd.db, svc, e);
	if (r <= 0)
		return r < 0 ? r : err_set(e, -ENOENT, "there is no service %s", q->service);
	v->service = sqlite3_column_int64(svc, 0);
	r = db_number(rd.db, SQL_commit_point, &v->batch, e, "");
	if (r >= 0)
		r = db_query(rd.db, SQL_intent_list, &st, e, "");
	while (r >= 0 && (r = db_step(rd.db, st, e)) > 0)
		vec_push(&v->standing,
			 (struct standing){sqlite3_column_int64(st, 0), sqlite3_column_int64(st, 1),
					   sqlite3_column_int64(st, 2)});
	return r;
}

int view_init(struct sqlite_store *s, const struct store_query *q, struct view *v, struct err *e)
{
	pthread_mutex_lock(&s->pool_lock);
	v->store = s;
	v->at_least = s->complete;
	v->next = s->views;
	v->link = &s->views;
	if (s->views)
		s->views->link = &v->next;
	s->views = v;
	pthread_mutex_unlock(&s->pool_lock);
	return view_read(s, q, v, e);
}

void view_fini(struct view *v)
{
	vec_fini(&v->standing);
	if (!v->store)
		return;
	LOCK_SCOPE(lock, &v->store->pool_lock);

	*v->link = v->next;
	if (v->next)
		v->next->link = v->link;
	v->store = NULL;
}

/* The batch that is to be undone in this file, -1 when there is none. A file is not written before
 * it is undone, so that there is one at most, apart from the one being written. */
int64_t view_standing(const struct view *v, const struct day_file *f)
{
	for (size_t i = 0; i < v->standing.len; i++) {
		const struct standing *st = &v->standing.data[i];

		if (st->tenant == f->tenant && st->day == f->day && st->batch <= v->batch)
			return st->batch;
	}
	return -1;
}

void views_complete(struct sqlite_store *s, int64_t batch)
{
	LOCK_SCOPE(lock, &s->pool_lock);

	s->complete = batch;
}

bool views_know_all(struct sqlite_store *s)
{
	LOCK_SCOPE(lock, &s->pool_lock);

	for (const struct view *v = s->views; v; v = v->next)
		if (v->at_least < s->complete)
			return false;
	return true;
}
