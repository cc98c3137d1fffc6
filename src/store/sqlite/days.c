#include "store/sqlite/sqlite_priv.h"

#include <dirent.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* --- the table of days ------------------------------------------------------------------------ */

static int compare_days(const struct day_file *f, int64_t tenant, int64_t day)
{
	if (f->tenant != tenant)
		return f->tenant < tenant ? -1 : 1;
	return (f->day > day) - (f->day < day);
}

/* Place of the first file that is not before (tenant, day). */
static size_t place_of(const struct sqlite_store *s, int64_t tenant, int64_t day)
{
	size_t lo = 0, hi = s->days.len;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (compare_days(s->days.data[mid], tenant, day) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static struct day_file *day_new(const struct sqlite_store *s, int64_t tenant, int64_t day)
{
	struct day_file *f = mem_calloc(1, sizeof(*f));
	time_t t = (time_t)(day * (DAY_NS / NSEC_PER_SEC));
	struct tm tm;
	char date[32];

	CHECK(gmtime_r(&t, &tm) && strftime(date, sizeof(date), "%Y-%m-%d", &tm));
	f->tenant = tenant;
	f->day = day;
	f->refs = 1;
	f->name = mem_asprintf("t%lld/%s.db", (long long)tenant, date);
	f->path = mem_asprintf("%s/%s", s->dir, f->name);
	return f;
}

struct day_file *day_get(struct sqlite_store *s, int64_t tenant, int64_t day, bool make)
{
	LOCK_SCOPE(lock, &s->pool_lock);
	size_t i = place_of(s, tenant, day);

	if (i == s->days.len || compare_days(s->days.data[i], tenant, day)) {
		if (!make)
			return NULL;
		vec_push(&s->days, NULL);
		memmove(&s->days.data[i + 1], &s->days.data[i],
			(s->days.len - 1 - i) * sizeof(*s->days.data));
		s->days.data[i] = day_new(s, tenant, day);
	}
	s->days.data[i]->refs++;
	return s->days.data[i];
}

/* With pool_lock held. */
static void pool_close(struct sqlite_store *s, struct pool *p)
{
	for (; p->n; s->idle--)
		db_close(p->idle[--p->n]);
}

void readers_close_idle(struct sqlite_store *s)
{
	LOCK_SCOPE(lock, &s->pool_lock);

	for (size_t i = 0; i < s->days.len; i++)
		pool_close(s, &s->days.data[i]->pool);
	pool_close(s, &s->catalogue_pool);
}

/* With pool_lock held. */
static void unref(struct sqlite_store *s, struct day_file *f)
{
	if (--f->refs)
		return;
	pool_close(s, &f->pool);
	free(f->path);
	free(f->name);
	free(f);
}

void day_put(struct sqlite_store *s, struct day_file *f)
{
	LOCK_SCOPE(lock, &s->pool_lock);

	if (f)
		unref(s, f);
}

void day_list_init(struct day_list *l, struct sqlite_store *s, int64_t tenant, int64_t first,
		   int64_t last)
{
	LOCK_SCOPE(lock, &s->pool_lock);

	*l = (struct day_list){.store = s};
	for (size_t i = tenant ? place_of(s, tenant, first) : 0; i < s->days.len; i++) {
		struct day_file *f = s->days.data[i];

		if (tenant && (f->tenant != tenant || f->day > last))
			break;
		if (f->day < first || f->day > last)
			continue;
		f->refs++;
		vec_push(&l->files, f);
	}
}

void day_list_fini(struct day_list *l)
{
	for (size_t i = 0; i < l->files.len; i++)
		day_put(l->store, l->files.data[i]);
	vec_fini(&l->files);
}

/* "YYYY-MM-DD.db" to days since 1970, -1 for any other name. */
static int64_t day_of_name(const char *name)
{
	struct tm tm = {};
	const char *end = strptime(name, "%Y-%m-%d", &tm);

	if (strlen(name) != strlen("YYYY-MM-DD.db") || !end || strcmp(end, ".db"))
		return -1;
	return (int64_t)timegm(&tm) / (DAY_NS / NSEC_PER_SEC);
}

static void closedir_cleanup(DIR **d)
{
	if (*d)
		closedir(*d);
}

static int scan_tenant(struct sqlite_store *s, int64_t tenant, const char *path, struct err *e)
{
	cleanup(closedir_cleanup) DIR *d = opendir(path);
	struct dirent *entry;

	if (!d)
		return err_sys(e, -errno, "cannot read %s", path);
	while ((entry = readdir(d))) {
		int64_t day = day_of_name(entry->d_name);

		if (day >= 0)
			day_put(s, day_get(s, tenant, day, true));
	}
	return 0;
}

int days_scan(struct sqlite_store *s, struct err *e)
{
	cleanup(closedir_cleanup) DIR *d = opendir(s->dir);
	struct dirent *entry;
	int r = 0;

	if (!d)
		return err_sys(e, -errno, "cannot read %s", s->dir);
	while (r >= 0 && (entry = readdir(d))) {
		char *end;
		long long tenant =
			entry->d_name[0] == 't' ? strtoll(entry->d_name + 1, &end, 10) : 0;

		if (tenant <= 0 || *end)
			continue;
		cleanup_free char *path = mem_asprintf("%s/%s", s->dir, entry->d_name);

		r = scan_tenant(s, tenant, path, e);
	}
	return r;
}

void days_close(struct sqlite_store *s)
{
	LOCK_SCOPE(lock, &s->pool_lock);

	for (size_t i = 0; i < s->days.len; i++) {
		CHECK(s->days.data[i]->refs == 1);
		unref(s, s->days.data[i]);
	}
	vec_fini(&s->days);
	pool_close(s, &s->catalogue_pool);
}

int day_remove(struct sqlite_store *s, struct day_file *f, struct err *e)
{
	static const char *const ends[] = {"", "-wal", "-shm"};

	for (size_t i = 0; i < s->writers.len; i++)
		if (s->writers.data[i]->file == f) {
			writer_drop(s, s->writers.data[i]);
			break;
		}
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		cleanup_free char *path = mem_asprintf("%s%s", f->path, ends[i]);

		if (unlink(path) && errno != ENOENT)
			return err_sys(e, -errno, "cannot remove %s", path);
	}
	LOCK_SCOPE(lock, &s->pool_lock);
	size_t i = place_of(s, f->tenant, f->day);

	CHECK(i < s->days.len && s->days.data[i] == f);
	s->days.len--;
	memmove(&s->days.data[i], &s->days.data[i + 1], (s->days.len - i) * sizeof(*s->days.data));
	f->dead = true;
	pool_close(s, &f->pool);
	unref(s, f);
	return 0;
}

/* --- writers ---------------------------------------------------------------------------------- */

static void writer_free(struct sqlite_store *s, struct day_writer *w)
{
	if (!w)
		return;
	db_rollback(w->db);
	dict_fini(&w->dict);
	db_close(w->db);
	day_put(s, w->file);
	free(w);
}

static void remove_writer(struct sqlite_store *s, size_t i)
{
	struct day_writer *w = s->writers.data[i];

	s->writers.data[i] = s->writers.data[--s->writers.len];
	writer_free(s, w);
}

void writer_drop(struct sqlite_store *s, struct day_writer *w)
{
	for (size_t i = 0; i < s->writers.len; i++)
		if (s->writers.data[i] == w) {
			remove_writer(s, i);
			return;
		}
}

void writers_trim(struct sqlite_store *s, size_t keep)
{
	while (s->writers.len > keep) {
		size_t oldest = 0;

		for (size_t i = 1; i < s->writers.len; i++)
			if (s->writers.data[i]->last_use < s->writers.data[oldest]->last_use)
				oldest = i;
		remove_writer(s, oldest);
	}
}

static int make_folder(struct sqlite_store *s, int64_t tenant, struct err *e)
{
	cleanup_free char *path = mem_asprintf("%s/t%lld", s->dir, (long long)tenant);

	if (mkdir(path, 0700) && errno != EEXIST)
		return err_sys(e, -errno, "cannot make %s", path);
	return 0;
}

static int writer_open(struct sqlite_store *s, struct day_writer *w, struct err *e)
{
	int r = make_folder(s, w->file->tenant, e);

	if (r >= 0)
		r = db_open_writer(w->file->path, w->file->name, DB_DAY, &s->sql, &w->db, e);
	if (r >= 0)
		r = append_undo_standing(s, w, e);
	return r;
}

int writer_get(struct sqlite_store *s, int64_t tenant, int64_t day, struct day_writer **ret_writer,
	       struct err *e)
{
	for (size_t i = 0; i < s->writers.len; i++) {
		struct day_writer *w = s->writers.data[i];

		if (compare_days(w->file, tenant, day))
			continue;
		w->last_use = ++s->uses;
		*ret_writer = w;
		return 0;
	}
	struct day_writer *w = mem_calloc(1, sizeof(*w));

	w->file = day_get(s, tenant, day, true);
	w->last_use = ++s->uses;
	int r = writer_open(s, w, e);

	if (r < 0) {
		writer_free(s, w);
		return r;
	}
	vec_push(&s->writers, w);
	*ret_writer = w;
	return 0;
}

/* --- readers ---------------------------------------------------------------------------------- */

static struct db *pool_take(struct sqlite_store *s, struct pool *p)
{
	LOCK_SCOPE(lock, &s->pool_lock);

	if (!p->n)
		return NULL;
	s->idle--;
	return p->idle[--p->n];
}

static int reader_open(struct sqlite_store *s, struct day_file *day, struct db **ret_db,
		       struct err *e)
{
	cleanup_free char *path =
		day ? mem_strdup(day->path) : mem_asprintf("%s/catalogue.db", s->dir);
	cleanup_db struct db *db = NULL;
	int64_t version;

	/* The writer may be about to make it, or somebody moved it away. */
	if (access(path, F_OK) && errno == ENOENT)
		return -ENOENT;
	int r = db_open_reader(path, day ? day->name : "catalogue.db", &s->sql, &db, e);

	if (r >= 0)
		r = db_number(db, SQL_schema_version, &version, e, "");
	if (r < 0)
		return r;
	if (!version)
		return -ENOENT;
	*ret_db = take_ptr(db);
	return 0;
}

int reader_get(struct sqlite_store *s, struct day_file *day, struct reader *ret_reader,
	       struct err *e)
{
	struct db *db = pool_take(s, day ? &day->pool : &s->catalogue_pool);
	int r = db ? 0 : reader_open(s, day, &db, e);

	if (r < 0)
		return r;
	r = db_begin_read(db, e);
	if (r < 0) {
		db_close(db);
		return r;
	}
	*ret_reader = (struct reader){s, day, db};
	return 0;
}

void reader_put(struct reader *r)
{
	struct db *db = r->db;

	if (!db)
		return;
	r->db = NULL;
	db_rollback(db);
	pthread_mutex_lock(&r->store->pool_lock);
	struct pool *p = r->day ? &r->day->pool : &r->store->catalogue_pool;

	if (p->n < POOL_MAX && r->store->idle < IDLE_MAX && !(r->day && r->day->dead)) {
		p->idle[p->n++] = db;
		r->store->idle++;
		db = NULL;
	}
	pthread_mutex_unlock(&r->store->pool_lock);
	db_close(db);
}
