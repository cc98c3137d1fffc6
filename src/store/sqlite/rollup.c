#include "store/sqlite/sqlite_priv.h"

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

int sqlite_maintain(struct store *base, int64_t now, struct err *e)
{
	struct sqlite_store *s = sqlite_store(base);
	LOCK_SCOPE(lock, &s->write_lock);
	int r = append_recover(s, e);

	readers_close_idle(s);
	if (r >= 0)
		r = services_save(s, e);
	if (r >= 0)
		r = db_run(s->catalogue, SQL_session_expire, e, "i", now);
	return r;
}
