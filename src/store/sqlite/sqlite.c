#include "store/sqlite/sqlite_priv.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Windows of 10 seconds can be looked at for a week, 5-minute sums for as long as the day. */
static const int64_t KEEP_RAW = 7 * DAY_NS;

static void sqlite_close(struct store *base)
{
	struct sqlite_store *s = sqlite_store(base);

	if (s->catalogue)
		services_save(s, NULL);
	writers_trim(s, 0);
	vec_fini(&s->writers);
	db_close(s->catalogue);
	days_close(s);
	strtab_fini(&s->service_names);
	vec_fini(&s->services);
	cleanup_close_fn(&s->lock_fd);
	pthread_mutex_destroy(&s->write_lock);
	pthread_mutex_destroy(&s->seen_lock);
	pthread_mutex_destroy(&s->pool_lock);
	free(s->dir);
	free(s);
}

static void close_cleanup(struct sqlite_store **s)
{
	if (*s)
		sqlite_close(&(*s)->base);
}

static int lock_folder(struct sqlite_store *s, struct err *e)
{
	cleanup_free char *path = mem_asprintf("%s/lock", s->dir);

	if (mkdir(s->dir, 0700) && errno != EEXIST)
		return err_sys(e, -errno, "cannot make %s", s->dir);
	s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (s->lock_fd < 0)
		return err_sys(e, -errno, "cannot open %s", path);
	if (flock(s->lock_fd, LOCK_EX | LOCK_NB))
		return err_set(e, -EBUSY, "%s is in use by another process", s->dir);
	return 0;
}

static int open_catalogue(struct sqlite_store *s, struct err *e)
{
	cleanup_free char *path = mem_asprintf("%s/catalogue.db", s->dir);

	return db_open_writer(path, "catalogue.db", DB_CATALOGUE, &s->sql, &s->catalogue, e);
}

int store_open_sqlite(const char *dir, struct store **ret_store, struct err *e)
{
	cleanup(close_cleanup) struct sqlite_store *s = mem_calloc(1, sizeof(*s));

	s->base.ops = &sqlite_ops;
	s->base.keep_raw = KEEP_RAW;
	s->dir = mem_strdup(dir);
	s->lock_fd = -1;
	pthread_mutex_init(&s->write_lock, NULL);
	pthread_mutex_init(&s->seen_lock, NULL);
	pthread_mutex_init(&s->pool_lock, NULL);
	sql_set_init(&s->sql);
	int r = lock_folder(s, e);

	if (r >= 0)
		r = open_catalogue(s, e);
	if (r >= 0)
		r = days_scan(s, e);
	if (r >= 0)
		r = append_recover(s, e);
	if (r < 0)
		return r;
	struct sqlite_store *ok = take_ptr(s);

	*ret_store = &ok->base;
	return 0;
}

const struct store_ops sqlite_ops = {
	.close = sqlite_close,
	.account_add = catalogue_account_add,
	.account_by_email = catalogue_account_by_email,
	.account_by_id = catalogue_account_by_id,
	.account_count = catalogue_account_count,
	.session_add = catalogue_session_add,
	.session_get = catalogue_session_get,
	.session_remove = catalogue_session_remove,
	.key_add = catalogue_key_add,
	.key_list = catalogue_key_list,
	.key_by_hash = catalogue_key_by_hash,
	.key_touch = catalogue_key_touch,
	.key_remove = catalogue_key_remove,
	.service_add = catalogue_service_add,
	.service_list = catalogue_service_list,
	.setting_get = catalogue_setting_get,
	.setting_set = catalogue_setting_set,
	.append = sqlite_append,
	.profile = sqlite_profile,
	.weights = sqlite_weights,
	.metric = sqlite_metric,
	.expire = sqlite_expire,
	.maintain = sqlite_maintain,
};
