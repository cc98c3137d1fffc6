#include "store/sqlite/db.h"

#include <fcntl.h>
#include <stdarg.h>

static int code_of(sqlite3 *h, int rc)
{
	switch (rc & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EAGAIN;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EBADMSG;
	case SQLITE_CONSTRAINT:
		return -EEXIST;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_READONLY:
	case SQLITE_PERM:
		return -EACCES;
	case SQLITE_IOERR:
		/* A short write of the log shows as an I/O error. */
		return sqlite3_system_errno(h) == ENOSPC ? -ENOSPC : -EIO;
	default:
		return -EIO;
	}
}

static int fail(struct db *db, int rc, struct err *e)
{
	int code = code_of(db->handle, rc);

	if (code == -EBADMSG)
		return err_set(e, code, "%s is damaged (%s): move it away to go on without it",
			       db->name, sqlite3_errmsg(db->handle));
	return err_set(e, code, "%s: %s", db->name, sqlite3_errmsg(db->handle));
}

int db_script(struct db *db, enum sql id, struct err *e)
{
	cleanup_free char *text =
		strndup(db->set->statements[id].text, (size_t)db->set->statements[id].len);

	CHECK(text);
	int rc = sqlite3_exec(db->handle, text, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : fail(db, rc, e);
}

/* Migrations are the files KIND/NNN_*.sql; each sets user_version to its number. */
static int migration_run(struct db *db, const struct embed_file *f, struct err *e)
{
	int r = db_begin_write(db, e);

	if (r < 0)
		return r;
	int rc = sqlite3_exec(db->handle, f->data, NULL, NULL, NULL);

	r = rc == SQLITE_OK ? db_commit(db, e) : fail(db, rc, e);
	if (r < 0)
		db_rollback(db);
	return r;
}

static int migrate(struct db *db, enum db_kind kind, struct err *e)
{
	const char *folder = kind == DB_CATALOGUE ? "catalogue/" : "day/";
	int64_t version = 0, newest = 0;
	int r = db_number(db, SQL_schema_version, &version, e, "");

	for (const struct embed_file *f = store_sql; r >= 0 && f->name; f++) {
		if (strncmp(f->name, folder, strlen(folder)))
			continue;
		newest = strtol(f->name + strlen(folder), NULL, 10);
		if (newest > version)
			r = migration_run(db, f, e);
	}
	if (r >= 0 && version > newest)
		return err_set(e, -EPROTO, "%s was written by a newer version of this program",
			       db->name);
	return r;
}

static int db_open(const char *path, const char *name, int flags, const struct sql_set *set,
		   struct db **ret_db, struct err *e)
{
	cleanup_db struct db *db = mem_calloc(1, sizeof(*db));

	db->set = set;
	db->name = mem_strdup(name);
	int rc = sqlite3_open_v2(path, &db->handle,
				 flags | SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);

	if (rc != SQLITE_OK)
		return fail(db, rc, e);
	sqlite3_extended_result_codes(db->handle, 1);
	/* Only a checkpoint of another connection makes anybody wait. */
	sqlite3_busy_timeout(db->handle, 10000);
	sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	*ret_db = take_ptr(db);
	return 0;
}

int db_open_writer(const char *path, const char *name, enum db_kind kind, const struct sql_set *set,
		   struct db **ret_db, struct err *e)
{
	cleanup_db struct db *db = NULL;
	/* SQLite would make it readable for all; its log takes the mode of the file. */
	cleanup_close int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_sys(e, -errno, "cannot open %s", path);
	int r = db_open(path, name, 0, set, &db, e);

	if (r >= 0)
		r = db_script(db, SQL_pragma_new, e);
	if (r >= 0)
		r = db_script(db, SQL_pragma_writer, e);
	if (r >= 0)
		r = migrate(db, kind, e);
	if (r < 0)
		return r;
	*ret_db = take_ptr(db);
	return 0;
}

int db_open_reader(const char *path, const char *name, const struct sql_set *set,
		   struct db **ret_db, struct err *e)
{
	cleanup_db struct db *db = NULL;
	int r = db_open(path, name, 0, set, &db, e);

	if (r < 0)
		return r;
	/* Readers never fold the log into the file: the writer does. */
	sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	r = db_script(db, SQL_pragma_reader, e);
	if (r < 0)
		return r;
	*ret_db = take_ptr(db);
	return 0;
}

void db_close(struct db *db)
{
	if (!db)
		return;
	for (int i = 0; i < SQL_COUNT; i++)
		sqlite3_finalize(db->statements[i]);
	CHECK(sqlite3_close(db->handle) == SQLITE_OK);
	free(db->name);
	free(db);
}

void db_cleanup(struct db **db)
{
	db_close(*db);
}

void db_done(sqlite3_stmt **q)
{
	if (!*q)
		return;
	sqlite3_reset(*q);
	sqlite3_clear_bindings(*q);
	*q = NULL;
}

static int bind(sqlite3_stmt *q, const char *types, va_list ap)
{
	int rc = SQLITE_OK;

	for (int i = 1; rc == SQLITE_OK && *types; i++, types++) {
		if (*types == 'i') {
			rc = sqlite3_bind_int64(q, i, va_arg(ap, int64_t));
		} else if (*types == 't') {
			rc = sqlite3_bind_text(q, i, va_arg(ap, const char *), -1, SQLITE_STATIC);
		} else {
			const void *p = va_arg(ap, const void *);
			size_t n = va_arg(ap, size_t);

			CHECK(*types == 'b');
			rc = p ? sqlite3_bind_blob64(q, i, p, n, SQLITE_STATIC)
			       : sqlite3_bind_null(q, i);
		}
	}
	return rc;
}

static int query(struct db *db, enum sql id, sqlite3_stmt **ret_q, struct err *e, const char *types,
		 va_list ap)
{
	sqlite3_stmt **q = &db->statements[id];
	const struct sql_text *s = &db->set->statements[id];

	if (!*q) {
		int rc = sqlite3_prepare_v3(db->handle, s->text, s->len, SQLITE_PREPARE_PERSISTENT,
					    q, NULL);
		if (rc != SQLITE_OK)
			return fail(db, rc, e);
	}
	CHECK(!sqlite3_stmt_busy(*q));
	int rc = bind(*q, types, ap);

	if (rc != SQLITE_OK)
		return fail(db, rc, e);
	*ret_q = *q;
	return 0;
}

int db_query(struct db *db, enum sql id, sqlite3_stmt **ret_q, struct err *e, const char *types,
	     ...)
{
	va_list ap;

	va_start(ap, types);
	int r = query(db, id, ret_q, e, types, ap);
	va_end(ap);
	return r;
}

int db_step(struct db *db, sqlite3_stmt *q, struct err *e)
{
	int rc = sqlite3_step(q);

	if (rc == SQLITE_ROW)
		return 1;
	if (rc == SQLITE_DONE)
		return 0;
	return fail(db, rc, e);
}

static int step_to_end(struct db *db, sqlite3_stmt *q, struct err *e)
{
	int r;

	while ((r = db_step(db, q, e)) > 0)
		;
	return r;
}

int db_run(struct db *db, enum sql id, struct err *e, const char *types, ...)
{
	cleanup_query sqlite3_stmt *q = NULL;
	va_list ap;

	va_start(ap, types);
	int r = query(db, id, &q, e, types, ap);
	va_end(ap);
	return r < 0 ? r : step_to_end(db, q, e);
}

int db_number(struct db *db, enum sql id, int64_t *ret_n, struct err *e, const char *types, ...)
{
	cleanup_query sqlite3_stmt *q = NULL;
	va_list ap;

	va_start(ap, types);
	int r = query(db, id, &q, e, types, ap);
	va_end(ap);
	if (r < 0)
		return r;
	r = db_step(db, q, e);
	if (r < 0)
		return r;
	if (!r || sqlite3_column_type(q, 0) == SQLITE_NULL)
		return err_set(e, -ENOENT, "%s: not found", db->name);
	*ret_n = sqlite3_column_int64(q, 0);
	return 0;
}

int64_t db_last_id(const struct db *db)
{
	return sqlite3_last_insert_rowid(db->handle);
}

int db_changes(const struct db *db)
{
	return sqlite3_changes(db->handle);
}

int db_begin_read(struct db *db, struct err *e)
{
	return db_run(db, SQL_read_begin, e, "");
}

int db_begin_write(struct db *db, struct err *e)
{
	return db_run(db, SQL_write_begin, e, "");
}

int db_commit(struct db *db, struct err *e)
{
	return db_run(db, SQL_commit, e, "");
}

void db_rollback(struct db *db)
{
	if (db && !sqlite3_get_autocommit(db->handle))
		db_run(db, SQL_rollback, NULL, "");
}

const char *db_text(sqlite3_stmt *q, int column)
{
	const char *s = (const char *)sqlite3_column_text(q, column);

	return s ? s : "";
}

const void *db_blob(sqlite3_stmt *q, int column, size_t *ret_len)
{
	const void *p = sqlite3_column_blob(q, column);

	*ret_len = (size_t)sqlite3_column_bytes(q, column);
	return p;
}
