/* store/sqlite/sql.h - the statements of the store, by number.
 *
 * Their text is in sql/: a section "-- :name X" of open.sql, catalogue.sql or day.sql is statement
 * SQL_X. Threads: a set is read-only once it is made. */
#ifndef GLIM_STORE_SQLITE_SQL_H
#define GLIM_STORE_SQLITE_SQL_H

#include "base/embed.h"
#include "base/err.h"

#define SQL_STATEMENTS(X)                                                                          \
	X(pragma_new)                                                                              \
	X(pragma_writer)                                                                           \
	X(pragma_reader)                                                                           \
	X(schema_version)                                                                          \
	X(application_id)                                                                          \
	X(read_begin)                                                                              \
	X(write_begin)                                                                             \
	X(commit)                                                                                  \
	X(rollback)                                                                                \
	X(checkpoint)                                                                              \
	X(give_back)                                                                               \
	X(account_add)                                                                             \
	X(account_by_email)                                                                        \
	X(account_by_id)                                                                           \
	X(account_count)                                                                           \
	X(tenant_add)                                                                              \
	X(session_add)                                                                             \
	X(session_get)                                                                             \
	X(session_remove)                                                                          \
	X(session_expire)                                                                          \
	X(key_add)                                                                                 \
	X(key_list)                                                                                \
	X(key_by_hash)                                                                             \
	X(key_touch)                                                                               \
	X(key_remove)                                                                              \
	X(service_add)                                                                             \
	X(service_get)                                                                             \
	X(service_list)                                                                            \
	X(service_first)                                                                           \
	X(service_seen)                                                                            \
	X(setting_get)                                                                             \
	X(setting_set)                                                                             \
	X(setting_remove)                                                                          \
	X(commit_point)                                                                            \
	X(commit_point_set)                                                                        \
	X(intent_add)                                                                              \
	X(intent_list)                                                                             \
	X(intent_remove)                                                                           \
	X(string_add)                                                                              \
	X(string_get)                                                                              \
	X(string_latest)                                                                           \
	X(function_add)                                                                            \
	X(function_get)                                                                            \
	X(function_latest)                                                                         \
	X(frame_add)                                                                               \
	X(frame_get)                                                                               \
	X(frame_latest)                                                                            \
	X(frame_last)                                                                              \
	X(stack_last)                                                                              \
	X(stack_add)                                                                               \
	X(stack_get)                                                                               \
	X(stack_latest)                                                                            \
	X(labelset_add)                                                                            \
	X(labelset_find)                                                                           \
	X(labelset_get)                                                                            \
	X(series_add)                                                                              \
	X(series_find)                                                                             \
	X(series_unit)                                                                             \
	X(series_list)                                                                             \
	X(series_all)                                                                              \
	X(seen_add)                                                                                \
	X(block_add)                                                                               \
	X(block_range)                                                                             \
	X(block_undo)                                                                              \
	X(seen_undo)                                                                               \
	X(points_undo)                                                                             \
	X(block_first)                                                                             \
	X(block_gather)                                                                            \
	X(block_drop)                                                                              \
	X(points_first)                                                                            \
	X(points_gather)                                                                           \
	X(points_drop)                                                                             \
	X(free_pages)                                                                              \
	X(metric_add)                                                                              \
	X(metric_find)                                                                             \
	X(metric_all)                                                                              \
	X(points_add)                                                                              \
	X(points_range)
enum sql {
#define X(name) SQL_##name,
	SQL_STATEMENTS(X)
#undef X
		SQL_COUNT
};

/* What is in the folder sql/, made by tools/embed.py. */
extern const struct embed_file store_sql[];

struct sql_text {
	const char *text;
	int len;
};
struct sql_set {
	struct sql_text statements[SQL_COUNT];
};
/* Find every statement's text; a missing one is our bug. */
void sql_set_init(struct sql_set *set);

#endif
