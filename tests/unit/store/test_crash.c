/* A batch is there entirely or not at all, whatever happens: the process dies or the disk is full
 * at any single write, or SIGKILL comes at a random moment. */
#include "store_test.h"

#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"

/* --- a file system that fails on request ------------------------------------------------------ */

enum fault { FAULT_NONE, FAULT_EXIT, FAULT_FULL };
static struct {
	sqlite3_vfs vfs, *real;
	enum fault fault;
	int countdown; /* writes until it happens */
} disk;

struct disk_file {
	sqlite3_file base;
	sqlite3_file *real; /* behind this struct */
};

static sqlite3_file *real_of(sqlite3_file *f)
{
	return ((struct disk_file *)f)->real;
}

static int fail_now(void)
{
	if (disk.fault == FAULT_NONE || --disk.countdown > 0)
		return 0;
	if (disk.fault == FAULT_EXIT)
		_exit(9);
	return SQLITE_FULL;
}

static int disk_close(sqlite3_file *f)
{
	return real_of(f)->pMethods->xClose(real_of(f));
}
static int disk_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
	return real_of(f)->pMethods->xRead(real_of(f), p, n, at);
}
static int disk_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
	int rc = fail_now();

	return rc ? rc : real_of(f)->pMethods->xWrite(real_of(f), p, n, at);
}
static int disk_truncate(sqlite3_file *f, sqlite3_int64 n)
{
	return real_of(f)->pMethods->xTruncate(real_of(f), n);
}
static int disk_sync(sqlite3_file *f, int flags)
{
	int rc = fail_now();

	return rc ? rc : real_of(f)->pMethods->xSync(real_of(f), flags);
}
static int disk_size(sqlite3_file *f, sqlite3_int64 *n)
{
	return real_of(f)->pMethods->xFileSize(real_of(f), n);
}
static int disk_lock(sqlite3_file *f, int level)
{
	return real_of(f)->pMethods->xLock(real_of(f), level);
}
static int disk_unlock(sqlite3_file *f, int level)
{
	return real_of(f)->pMethods->xUnlock(real_of(f), level);
}
static int disk_check_lock(sqlite3_file *f, int *out)
{
	return real_of(f)->pMethods->xCheckReservedLock(real_of(f), out);
}
static int disk_control(sqlite3_file *f, int op, void *p)
{
	return real_of(f)->pMethods->xFileControl(real_of(f), op, p);
}
static int disk_sector(sqlite3_file *f)
{
	return real_of(f)->pMethods->xSectorSize(real_of(f));
}
static int disk_traits(sqlite3_file *f)
{
	return real_of(f)->pMethods->xDeviceCharacteristics(real_of(f));
}
static int disk_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **p)
{
	return real_of(f)->pMethods->xShmMap(real_of(f), page, size, extend, p);
}
static int disk_shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
	return real_of(f)->pMethods->xShmLock(real_of(f), offset, n, flags);
}
static void disk_shm_barrier(sqlite3_file *f)
{
	real_of(f)->pMethods->xShmBarrier(real_of(f));
}
static int disk_shm_unmap(sqlite3_file *f, int delete)
{
	return real_of(f)->pMethods->xShmUnmap(real_of(f), delete);
}

static const sqlite3_io_methods disk_methods = {
	.iVersion = 2,
	.xClose = disk_close,
	.xRead = disk_read,
	.xWrite = disk_write,
	.xTruncate = disk_truncate,
	.xSync = disk_sync,
	.xFileSize = disk_size,
	.xLock = disk_lock,
	.xUnlock = disk_unlock,
	.xCheckReservedLock = disk_check_lock,
	.xFileControl = disk_control,
	.xSectorSize = disk_sector,
	.xDeviceCharacteristics = disk_traits,
	.xShmMap = disk_shm_map,
	.xShmLock = disk_shm_lock,
	.xShmBarrier = disk_shm_barrier,
	.xShmUnmap = disk_shm_unmap,
};

static int disk_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *out)
{
	struct disk_file *d = (struct disk_file *)f;

	d->real = (sqlite3_file *)(d + 1);
	int rc = disk.real->xOpen(disk.real, name, d->real, flags, out);

	d->base.pMethods = d->real->pMethods ? &disk_methods : NULL;
	return rc;
}

static int use_disk(void **state)
{
	disk.real = sqlite3_vfs_find(NULL);
	disk.vfs = *disk.real;
	disk.vfs.zName = "faulty";
	disk.vfs.szOsFile = (int)sizeof(struct disk_file) + disk.real->szOsFile;
	disk.vfs.xOpen = disk_open;
	return sqlite3_vfs_register(&disk.vfs, 1);
}

/* --- one batch over three files --------------------------------------------------------------- */

enum { TENANT = STORE_FIRST_TENANT };

static const struct store_query both_days = {
	.tenant = TENANT,
	.service = "shop",
	.type = "cpu",
	.from = MIDNIGHT,
	.until = MIDNIGHT + 2 * DAY,
};

/* A service that is not there yet, and a window and a point on each of two days. */
static int append_wide(struct store *s, struct err *e)
{
	struct profile *w[] = {new_window(MIDNIGHT, 1), new_window(MIDNIGHT + DAY, 2)};
	struct store_point p[] = {{"samples", NULL, 0, MIDNIGHT, 10 * SECOND, 1},
				  {"samples", NULL, 0, MIDNIGHT + DAY, 10 * SECOND, 2}};
	struct store_batch b = {
		.tenant = TENANT,
		.service = "shop",
		.host = "h",
		.profiles = (const struct profile *const *)w,
		.nprofiles = 2,
		.points = p,
		.npoints = 2,
	};

	add_sample(w[0], "process=a", "main;f", 3);
	add_sample(w[1], "process=a", "main;g", 4);
	int r = store_append(s, &b, 1, e);

	profile_free(w[0]);
	profile_free(w[1]);
	return r;
}

/* Samples of all windows, and the sum of all points; -1 when there is no service. */
static int64_t count_all(struct store *s, double *ret_points)
{
	struct profile *p = NULL;
	struct store_series_set set;
	struct arena a = {};
	double covered;
	struct err e = {};
	int r = store_profile(s, &both_days, NULL, 0, &p, &covered, &e);

	*ret_points = 0;
	if (r == -ENOENT)
		return -1;
	must(r, &e);
	must(store_metric(s, &both_days, "samples", NULL, 2 * DAY, &a, &set, &e), &e);
	for (size_t i = 0; i < set.nsteps; i++)
		if (set.series[0].values[i] == set.series[0].values[i])
			*ret_points += set.series[0].values[i];
	arena_fini(&a);
	int64_t n = profile_total_count(p);

	profile_free(p);
	return n;
}

static void assert_whole(struct store *s)
{
	double points;

	assert_int_equal(count_all(s, &points), 7);
	assert_true(points == 3);
}

static void assert_nothing(struct store *s)
{
	double points;

	assert_int_equal(count_all(s, &points), -1);
}

static char *prepared_folder(void)
{
	char *dir = make_folder();
	struct store *s;

	MUST(store_open_sqlite(dir, &s, &e));
	store_close(s);
	return dir;
}

/* In a child: die at the given write; true when it lived to the end. */
static bool append_and_die(const char *dir, int at)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		struct store *s;

		if (store_open_sqlite(dir, &s, NULL) < 0)
			_exit(1);
		disk.fault = FAULT_EXIT;
		disk.countdown = at;
		_exit(append_wide(s, NULL) < 0 ? 2 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 9);
	return !WEXITSTATUS(status);
}

static void death_at_every_write(void **state)
{
	int found_nothing = 0, at = 0;
	bool lived = false;

	while (!lived) {
		char *dir = prepared_folder();
		struct store *s;
		double points;

		lived = append_and_die(dir, ++at);
		MUST(store_open_sqlite(dir, &s, &e));
		if (lived || count_all(s, &points) >= 0) {
			assert_whole(s);
		} else {
			found_nothing++;
			assert_nothing(s);
		}
		/* Whoever sent it sends it again. */
		MUST(append_wide(s, &e));
		assert_whole(s);
		store_close(s);
		remove_folder(dir);
	}
	print_message("%d places to die, at %d of them nothing was stored\n", at - 1,
		      found_nothing);
	assert_true(at > 20 && found_nothing > 10);
}

static void full_disk_at_every_write(void **state)
{
	bool failed = true;
	int at = 0;

	while (failed) {
		char *dir = prepared_folder();
		struct store *s;
		struct err why = {};

		MUST(store_open_sqlite(dir, &s, &e));
		disk.countdown = ++at;
		disk.fault = FAULT_FULL;
		int r = append_wide(s, &why);

		failed = r < 0;
		if (failed)
			assert_int_equal(r, -ENOSPC);
		/* As long as the disk is full, and afterwards. */
		for (int i = 0; i < 2 && failed; i++) {
			assert_nothing(s);
			disk.fault = FAULT_NONE;
		}
		disk.fault = FAULT_NONE;
		if (at % 2)
			MUST(store_maintain(s, MIDNIGHT + DAY, &e));
		MUST(append_wide(s, &e));
		assert_whole(s);
		store_close(s);
		MUST(store_open_sqlite(dir, &s, &e));
		assert_whole(s);
		store_close(s);
		remove_folder(dir);
	}
	print_message("%d places where the disk may be full\n", at - 1);
	assert_true(at > 20);
}

/* --- SIGKILL ---------------------------------------------------------------------------------- */

enum { ROUNDS = 40, BATCH_SAMPLES = 10 };

/* Batch number n has two windows; each fifth one is of two days. */
static int append_numbered(struct store *s, int64_t n, struct err *e)
{
	/* A fast machine comes around the day. */
	int64_t time = MIDNIGHT + n * 10 * SECOND % DAY;
	struct profile *w[] = {
		new_window(time, 2 * (uint64_t)n + 1),
		new_window(n % 5 ? time : time + DAY, 2 * (uint64_t)n + 2),
	};
	struct store_batch b = {
		.tenant = TENANT,
		.service = "shop",
		.host = "h",
		.profiles = (const struct profile *const *)w,
		.nprofiles = 2,
	};
	char label[32];

	snprintf(label, sizeof(label), "batch=%lld", (long long)n);
	add_sample(w[0], label, "main;f", BATCH_SAMPLES - 3);
	add_sample(w[1], label, "main;g", 3);
	int r = store_append(s, &b, 1, e);

	profile_free(w[0]);
	profile_free(w[1]);
	return r;
}

_Noreturn static void append_for_ever(const char *dir, int64_t n, int out)
{
	struct store *s;

	if (store_open_sqlite(dir, &s, NULL) < 0)
		_exit(1);
	for (;; n++) {
		if (append_numbered(s, n, NULL) < 0 ||
		    write(out, &n, sizeof(n)) != (ssize_t)sizeof(n))
			_exit(2);
		if (n % 7 == 0 &&
		    store_maintain(s, MIDNIGHT + n * 10 * SECOND + 30 * MINUTE, NULL) < 0)
			_exit(3);
	}
}

/* Start it, wait for its first batch, kill it a random moment later; the last number printed. */
static int64_t kill_writer(const char *dir, int64_t first)
{
	int pipes[2], status;
	int64_t n, last = -1;
	uint16_t wait;

	assert_int_equal(pipe(pipes), 0);
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid)
		append_for_ever(dir, first, pipes[1]);
	close(pipes[1]);
	io_random(&wait, sizeof(wait));
	int64_t end = 0;

	while (read(pipes[0], &n, sizeof(n)) == (ssize_t)sizeof(n)) {
		last = n;
		if (!end)
			end = clock_mono_ns() + wait * 1000LL; /* up to 65 ms */
		if (clock_mono_ns() >= end)
			kill(pid, SIGKILL);
	}
	close(pipes[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_true(last >= first);
	return last;
}

/* Batches 0..last are whole; so is the one that was under way, or it is not there. */
static void assert_batches(struct store *s, int64_t last)
{
	cleanup_profile struct profile *p = NULL;
	static const char *const by[] = {"batch"};
	double covered;
	int64_t *counts = mem_calloc((size_t)last + 2, sizeof(*counts));

	MUST(store_profile(s, &both_days, by, 1, &p, &covered, &e));
	for (size_t i = 0; i < p->samples.len; i++) {
		int64_t n = atoll(profile_label_value(p, p->samples.data[i].labels, "batch"));

		assert_true(n <= last + 1);
		counts[n] += p->samples.data[i].count;
	}
	for (int64_t n = 0; n <= last; n++)
		if (counts[n] != BATCH_SAMPLES)
			fail_msg("batch %lld of %lld: %lld samples", (long long)n, (long long)last,
				 (long long)counts[n]);
	assert_true(counts[last + 1] == 0 || counts[last + 1] == BATCH_SAMPLES);
	free(counts);
}

static void kill_at_random(void **state)
{
	char *dir = prepared_folder();
	int64_t last = -1;

	for (int i = 0; i < ROUNDS; i++) {
		struct store *s;

		/* The one that was under way is sent again. */
		last = kill_writer(dir, last + 1);
		MUST(store_open_sqlite(dir, &s, &e));
		assert_batches(s, last);
		store_close(s);
	}
	print_message("%d rounds, %lld batches\n", ROUNDS, (long long)last + 1);
	remove_folder(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(death_at_every_write),
		cmocka_unit_test(full_disk_at_every_write),
		cmocka_unit_test(kill_at_random),
	};

	return cmocka_run_group_tests_name("store: crash", tests, use_disk, NULL);
}
