/* store/sqlite/db.h - a thin layer over SQLite: one connection with its prepared statements.
 *
 * Memory: text and blobs given to a statement must live until it is done; columns live until the
 * next step. Threads: a connection belongs to one thread at a time. Errors: a damaged file is
 * -EBADMSG, a full disk -ENOSPC, a lock that does not come -EAGAIN, a broken constraint -EEXIST;
 * messages name the file. */
#ifndef GLIM_STORE_SQLITE_DB_H
#define GLIM_STORE_SQLITE_DB_H

#include <sqlite3.h>

#include "base/base.h"
#include "store/sqlite/sql.h"

enum db_kind { DB_CATALOGUE, DB_DAY };

struct db {
	sqlite3 *handle;
	const struct sql_set *set;
	sqlite3_stmt *statements[SQL_COUNT]; /* prepared at first use */
	char *name;			     /* for messages: path below the store's folder */
};

/* Open as the one writer: made and migrated where needed. */
int db_open_writer(const char *path, const char *name, enum db_kind kind, const struct sql_set *set,
		   struct db **ret_db, struct err *e);
/* Open an existing file to read. */
int db_open_reader(const char *path, const char *name, const struct sql_set *set,
		   struct db **ret_db, struct err *e);
void db_close(struct db *db); /* NULL is fine */
void db_cleanup(struct db **db);
#define cleanup_db cleanup(db_cleanup)

/* A statement with its values, ready for db_step. types: a letter a value: i int64_t, t text or
 * NULL, b const void * and size_t (NULL pointer: NULL). */
int db_query(struct db *db, enum sql id, sqlite3_stmt **ret_q, struct err *e, const char *types,
	     ...);
/* 1: a row is there, 0: the end, negative: failed. */
int db_step(struct db *db, sqlite3_stmt *q, struct err *e);
/* Let go of a statement before its end: `cleanup_query sqlite3_stmt *q = NULL;`. */
void db_done(sqlite3_stmt **q);
#define cleanup_query cleanup(db_done)

/* Run a statement that gives no rows. */
int db_run(struct db *db, enum sql id, struct err *e, const char *types, ...);
/* Run a statement that gives one number; -ENOENT when it gives none. NULL counts as none. */
int db_number(struct db *db, enum sql id, int64_t *ret_n, struct err *e, const char *types, ...);
int64_t db_last_id(const struct db *db);
/* Rows that the last statement changed. */
int db_changes(const struct db *db);

int db_begin_read(struct db *db, struct err *e);
int db_begin_write(struct db *db, struct err *e);
int db_commit(struct db *db, struct err *e);
void db_rollback(struct db *db); /* nothing when no transaction is open */
/* Run a section of open.sql. */
int db_script(struct db *db, enum sql id, struct err *e);

/* The text of a column, never NULL. */
const char *db_text(sqlite3_stmt *q, int column);
const void *db_blob(sqlite3_stmt *q, int column, size_t *ret_len);

#endif
