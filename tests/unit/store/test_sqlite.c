/* What only a store on disk can do: be opened again, be damaged, be in use, give bytes back. */
#include "store_test.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/sqlite/db.h"

static void put(struct fixture *f, int64_t time, uint64_t id, int64_t count)
{
	struct profile *w = new_window(time, id);

	add_sample(w, "process=a", "main;f", count);
	MUST(append_one(f->store, f->tenant, "shop", "h", w, &e));
}

static void reopen(struct fixture *f)
{
	store_close(f->store);
	MUST(store_open_sqlite(f->dir, &f->store, &e));
}

static char *path_of(const struct fixture *f, const char *name)
{
	return mem_asprintf("%s/%s", f->dir, name);
}

static void run_sql(const struct fixture *f, const char *name, const char *sql)
{
	cleanup_free char *path = path_of(f, name);
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void everything_comes_back(void **state)
{
	struct fixture *f = *state;
	struct store_query q = all_of(f);
	struct store_point point = {"samples", NULL, 0, MIDNIGHT, 10 * SECOND, 7};
	struct store_batch b = {.tenant = f->tenant,
				.service = "shop",
				.host = "h",
				.points = &point,
				.npoints = 1};
	struct store_account a;
	struct store_service *services;
	struct store_series_set set;
	struct arena arena = {};
	const char *v;
	size_t n;

	put(f, MIDNIGHT, 1, 3);
	put(f, MIDNIGHT + HOUR, 2, 4);
	MUST(store_append(f->store, &b, 1, &e));
	assert_int_equal(store_setting_set(f->store, "k", "v"), 0);
	for (int i = 0; i < 2; i++) {
		reopen(f);
		assert_lines(f, &q, "{host=h,process=a} main;f 7 350000000\n");
		/* The same windows again. */
		put(f, MIDNIGHT, 1, 3);
		put(f, MIDNIGHT + HOUR, 2, 4);
		assert_lines(f, &q, "{host=h,process=a} main;f 7 350000000\n");
	}
	assert_int_equal(store_account_by_email(f->store, "first@example.org", &a), 0);
	assert_int_equal(a.tenant, f->tenant);
	assert_int_equal(store_setting_get(f->store, "k", &arena, &v), 0);
	assert_string_equal(v, "v");
	MUST(store_metric(f->store, &q, "samples", NULL, DAY, &arena, &set, &e));
	assert_true(set.series[0].values[0] == 7);
	assert_int_equal(store_service_list(f->store, f->tenant, &arena, &services, &n), 0);
	assert_int_equal(n, 1);
	assert_true(services[0].last_seen == MIDNIGHT + HOUR + 10 * SECOND);
	arena_fini(&arena);
}

static void one_process_at_a_time(void **state)
{
	struct fixture *f = *state;
	struct store *second;
	struct err why = {};

	assert_int_equal(store_open_sqlite(f->dir, &second, &why), -EBUSY);
	assert_true(strstr(why.msg, f->dir));
}

static void nobody_else_reads(void **state)
{
	struct fixture *f = *state;
	static const char *const names[] = {"catalogue.db", "catalogue.db-wal", "t1/2026-03-02.db",
					    "t1/2026-03-02.db-wal"};
	struct stat st;

	put(f, MIDNIGHT, 1, 1);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		cleanup_free char *path = path_of(f, names[i]);

		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 0777, 0600);
	}
}

static void newer_versions_are_refused(void **state)
{
	struct fixture *f = *state;
	struct store_query q = all_of(f);
	struct err why = {};
	struct store *s;

	put(f, MIDNIGHT, 1, 1);
	put(f, MIDNIGHT + DAY, 2, 2);
	store_close(f->store);
	run_sql(f, "t1/2026-03-02.db", "PRAGMA user_version = 99");
	MUST(store_open_sqlite(f->dir, &f->store, &e));
	struct profile *w = new_window(MIDNIGHT, 3);

	assert_int_equal(append_one(f->store, f->tenant, "shop", "h", w, &why), -EPROTO);
	assert_true(strstr(why.msg, "2026-03-02.db"));
	q.from += DAY;
	q.until += DAY;
	assert_lines(f, &q, "{host=h,process=a} main;f 2 100000000\n");
	store_close(f->store);
	run_sql(f, "catalogue.db", "PRAGMA user_version = 99");
	assert_int_equal(store_open_sqlite(f->dir, &s, &why), -EPROTO);
	assert_true(strstr(why.msg, "catalogue.db"));
	run_sql(f, "catalogue.db", "PRAGMA user_version = 1");
	MUST(store_open_sqlite(f->dir, &f->store, &e));
}

static void scribble(const struct fixture *f, const char *name, off_t at, size_t n)
{
	cleanup_free char *path = path_of(f, name);
	cleanup_free char *junk = mem_calloc(n, 1);
	cleanup_close int fd = open(path, O_WRONLY);

	memset(junk, 0x5a, n);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, junk, n, at), (ssize_t)n);
}

static void damaged_day(void **state)
{
	struct fixture *f = *state;
	struct store_query q = all_of(f);
	struct profile *p = NULL;
	struct err why = {};
	double covered;

	for (int i = 0; i < 3; i++)
		put(f, MIDNIGHT + i * DAY, (uint64_t)i + 1, 1 << i);
	store_close(f->store);
	scribble(f, "t1/2026-03-03.db", 0, 8192);
	MUST(store_open_sqlite(f->dir, &f->store, &e));

	/* Who asks for the day is told which file it is. */
	q.until = MIDNIGHT + 3 * DAY;
	assert_int_equal(store_profile(f->store, &q, NULL, 0, &p, &covered, &why), -EBADMSG);
	assert_non_null(strstr(why.msg, "t1/2026-03-03.db is damaged"));
	struct profile *w = new_window(MIDNIGHT + DAY, 9);

	assert_int_equal(append_one(f->store, f->tenant, "shop", "h", w, &why), -EBADMSG);
	assert_int_equal(store_maintain(f->store, MIDNIGHT + 9 * DAY, &why), -EBADMSG);
	assert_non_null(strstr(why.msg, "t1/2026-03-03.db"));

	/* The other days are read, written and rolled up as ever. */
	put(f, MIDNIGHT + 2 * DAY, 10, 8);
	q.until = MIDNIGHT + DAY;
	assert_lines(f, &q, "{host=h,process=a} main;f 1 50000000\n");
	q.from = MIDNIGHT + 2 * DAY;
	q.until = MIDNIGHT + 3 * DAY;
	assert_lines(f, &q, "{host=h,process=a} main;f 12 600000000\n");

	/* As the message says: without the file everything goes on. */
	cleanup_free char *from = path_of(f, "t1/2026-03-03.db"), *to = path_of(f, "away");

	assert_int_equal(rename(from, to), 0);
	put(f, MIDNIGHT + DAY, 11, 16);
	q.from = MIDNIGHT;
	assert_lines(f, &q, "{host=h,process=a} main;f 29 1450000000\n");
}

/* A bit that flips in the middle of a block is no damage that SQLite would see. */
static void damaged_block(void **state)
{
	struct fixture *f = *state;
	struct store_query q = all_of(f);
	struct profile *p = NULL;
	struct err why = {};
	double covered;

	put(f, MIDNIGHT, 1, 1);
	put(f, MIDNIGHT + DAY, 2, 2);
	store_close(f->store);
	run_sql(f, "t1/2026-03-02.db",
		"UPDATE block SET data = CAST(substr(data, 1, length(data) - 1) || x'77' AS BLOB)");
	MUST(store_open_sqlite(f->dir, &f->store, &e));
	assert_int_equal(store_profile(f->store, &q, NULL, 0, &p, &covered, &why), -EBADMSG);
	assert_non_null(strstr(why.msg, "t1/2026-03-02.db"));
	assert_non_null(strstr(why.msg, "checksum"));
	q.from += DAY;
	q.until += DAY;
	assert_lines(f, &q, "{host=h,process=a} main;f 2 100000000\n");
}

static void damaged_catalogue(void **state)
{
	struct fixture *f = *state;
	struct err why = {};
	struct store *s;

	store_close(f->store);
	scribble(f, "catalogue.db", 0, 4096);
	assert_int_equal(store_open_sqlite(f->dir, &s, &why), -EBADMSG);
	assert_non_null(strstr(why.msg, "catalogue.db is damaged"));
	assert_int_equal(store_open_memory(&f->store), 0);
}

/* A crash between the commits of two files, made by hand. */
static void standing_batch(void **state)
{
	struct fixture *f = *state;
	struct store_query q = all_of(f);

	put(f, MIDNIGHT, 1, 1);
	put(f, MIDNIGHT + 10 * SECOND, 2, 2);
	store_close(f->store);
	run_sql(f, "t1/2026-03-02.db",
		"UPDATE block SET batch = 5 WHERE start % 60000000000 > 0;"
		"UPDATE seen SET batch = 5 WHERE start % 60 > 0");
	run_sql(f, "catalogue.db", "INSERT INTO intent (batch, tenant, day) VALUES (5, 1, 20514)");
	MUST(store_open_sqlite(f->dir, &f->store, &e));
	assert_lines(f, &q, "{host=h,process=a} main;f 1 50000000\n");
	put(f, MIDNIGHT + 10 * SECOND, 2, 2);
	assert_lines(f, &q, "{host=h,process=a} main;f 3 150000000\n");
}

/* While its file cannot be undone, readers leave the batch out, and its number is not given again.
 */
static void standing_batch_in_damaged_file(void **state)
{
	struct fixture *f = *state;
	struct store_query q = all_of(f);

	put(f, MIDNIGHT, 1, 1);
	store_close(f->store);
	run_sql(f, "catalogue.db", "INSERT INTO intent (batch, tenant, day) VALUES (5, 1, 20515)");
	cleanup_free char *path = path_of(f, "t1/2026-03-03.db");
	cleanup_close int fd = open(path, O_WRONLY | O_CREAT, 0600);

	assert_int_equal(ftruncate(fd, 4096), 0);
	scribble(f, "t1/2026-03-03.db", 0, 4096);
	MUST(store_open_sqlite(f->dir, &f->store, &e));
	/* A new service makes a numbered batch. */
	struct profile *w = new_window(MIDNIGHT, 2);

	add_sample(w, "", "g", 2);
	MUST(append_one(f->store, f->tenant, "api", "h", w, &e));
	assert_lines(f, &q, "{host=h,process=a} main;f 1 50000000\n");
	q.service = "api";
	assert_lines(f, &q, "{host=h} g 2 100000000\n");
	q.from = MIDNIGHT + DAY;
	q.until = MIDNIGHT + 2 * DAY;
	assert_int_equal(remove(path), 0);
	MUST(store_maintain(f->store, MIDNIGHT + DAY, &e));
	assert_lines(f, &q, "");
}

static void expired_days_are_unlinked(void **state)
{
	struct fixture *f = *state;
	static const char *const ends[] = {"", "-wal", "-shm"};

	put(f, MIDNIGHT, 1, 1);
	put(f, MIDNIGHT + DAY, 2, 1);
	MUST(store_expire(f->store, MIDNIGHT + DAY, &e));
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		cleanup_free char *name = mem_asprintf("t1/2026-03-02.db%s", ends[i]);
		cleanup_free char *gone = path_of(f, name);

		assert_int_equal(access(gone, F_OK), -1);
	}
	cleanup_free char *kept = path_of(f, "t1/2026-03-03.db");

	assert_int_equal(access(kept, F_OK), 0);
	reopen(f);
	MUST(store_expire(f->store, MIDNIGHT + 2 * DAY, &e));
	assert_int_equal(access(kept, F_OK), -1);
}

static int64_t size_of(const struct fixture *f, const char *name)
{
	cleanup_free char *path = path_of(f, name);
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_size;
}

static void bytes_are_given_back(void **state)
{
	struct fixture *f = *state;
	struct store_query q = all_of(f);
	uint32_t seed = 1;

	for (int i = 0; i < 720; i++) {
		struct profile *w = new_window(MIDNIGHT + i * 10 * SECOND, (uint64_t)i + 1);

		for (int k = 0; k < 60; k++) {
			char stack[32];

			seed = seed * 1664525 + 1013904223;
			snprintf(stack, sizeof(stack), "main;f%u", seed >> 24);
			add_sample(w, "process=a", stack, 1 + (seed >> 8) % 50);
		}
		MUST(append_one(f->store, f->tenant, "shop", "h", w, &e));
	}
	cleanup_free char *before = query_lines(f->store, &q, NULL, 0);

	store_keep_raw(f->store, 10 * DAY);
	MUST(store_maintain(f->store, MIDNIGHT + 2 * DAY, &e));
	int64_t with_windows = size_of(f, "t1/2026-03-02.db");

	assert_lines(f, &q, before);
	store_keep_raw(f->store, DAY);
	MUST(store_maintain(f->store, MIDNIGHT + 2 * DAY + HOUR, &e));
	int64_t without = size_of(f, "t1/2026-03-02.db");

	assert_lines(f, &q, before);
	print_message("%lld bytes with windows, %lld without\n", (long long)with_windows,
		      (long long)without);
	assert_true(without < with_windows * 8 / 10);
	/* A part of an hour can still be had, by 5 minutes. */
	struct profile *p = NULL;
	double covered;

	q.from = MIDNIGHT + 5 * MINUTE;
	q.until = MIDNIGHT + 15 * MINUTE;
	MUST(store_profile(f->store, &q, NULL, 0, &p, &covered, &e));
	assert_true(covered > 599.9 && covered < 600.1);
	assert_true(profile_total_count(p) > 0);
	profile_free(p);
}

/* Every statement fits the schema of one of the two kinds of file. */
static void statements_fit_the_schema(void **state)
{
	char *dir = make_folder();
	struct sql_set set;
	struct db *files[2];

	sql_set_init(&set);
	for (int i = 0; i < 2; i++) {
		cleanup_free char *path = mem_asprintf("%s/%d.db", dir, i);

		MUST(db_open_writer(path, "x", i ? DB_DAY : DB_CATALOGUE, &set, &files[i], &e));
	}
	for (int id = 0; id < SQL_COUNT; id++) {
		int fits = 0;

		for (int i = 0; i < 2; i++) {
			cleanup_query sqlite3_stmt *q = NULL;

			fits += db_query(files[i], (enum sql)id, &q, NULL, "") >= 0;
		}
		if (!fits)
			fail_msg("statement does not fit: %s", set.statements[id].text);
	}
	db_close(files[0]);
	db_close(files[1]);
	remove_folder(dir);
}

#define CASES(X)                                                                                   \
	X(everything_comes_back)                                                                   \
	X(one_process_at_a_time)                                                                   \
	X(nobody_else_reads)                                                                       \
	X(newer_versions_are_refused)                                                              \
	X(damaged_day)                                                                             \
	X(damaged_block)                                                                           \
	X(damaged_catalogue)                                                                       \
	X(standing_batch)                                                                          \
	X(standing_batch_in_damaged_file)                                                          \
	X(expired_days_are_unlinked)                                                               \
	X(bytes_are_given_back)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASES(ON_SQLITE) cmocka_unit_test(statements_fit_the_schema),
	};

	return cmocka_run_group_tests_name("store: sqlite", tests, NULL, NULL);
}
