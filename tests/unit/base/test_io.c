/* Whole files, clocks, the log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"

static char dir[64];

static int make_dir(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/glim-test-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	while (d && (e = readdir(d)))
		unlinkat(dirfd(d), e->d_name, 0);
	closedir(d);
	return rmdir(dir);
}

static size_t count_files(void)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	size_t n = 0;

	while ((e = readdir(d)))
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static void test_write_and_read(void **state)
{
	cleanup_free char *path = mem_asprintf("%s/file", dir);
	cleanup_buf struct buf b = {};
	struct stat st;

	assert_int_equal(io_write_file(path, "first", 5, 0644, NULL), 0);
	assert_int_equal(io_write_file(path, "second!", 7, 0600, NULL), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(count_files(), 1); /* nothing temporary is left */
	assert_int_equal(io_read_file(path, 7, &b), 0);
	assert_string_equal(buf_cstr(&b), "second!");
	assert_int_equal(io_read_file(path, 6, &b), -EFBIG);
	assert_int_equal(io_write_file(path, NULL, 0, 0600, NULL), 0);
	b.len = 0;
	assert_int_equal(io_read_file(path, 0, &b), 0);
	assert_int_equal(b.len, 0);
}

static void test_no_such_place(void **state)
{
	cleanup_free char *path = mem_asprintf("%s/none/file", dir);
	cleanup_buf struct buf b = {};
	struct err e = {};

	assert_int_equal(io_read_file(path, 10, &b), -ENOENT);
	assert_int_equal(io_write_file(path, "x", 1, 0600, &e), -ENOENT);
	assert_non_null(strstr(e.msg, path));
}

/* A reader that is slower than the pipe is large: writing goes on where it stopped. */
static void test_pipe(void **state)
{
	cleanup_buf struct buf in = {}, out = {};
	int fds[2], status;

	for (int i = 0; i < 300000; i++)
		buf_putc(&in, (char)(i * 7));
	assert_int_equal(pipe(fds), 0);
	pid_t pid = fork();

	if (!pid) {
		close(fds[0]);
		_exit(io_write_all(fds[1], in.data, in.len) != 0);
	}
	close(fds[1]);
	assert_int_equal(io_read_fd(fds[0], 1 << 20, &out), 0);
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(out.len, in.len);
	assert_memory_equal(out.data, in.data, in.len);
}

static void test_random(void **state)
{
	uint8_t a[64] = {}, b[64] = {};

	io_random(a, sizeof(a));
	io_random(b, sizeof(b));
	assert_memory_not_equal(a, b, sizeof(a));
	io_random(NULL, 0);
}

static void test_clocks(void **state)
{
	static const int64_t slack_ns = NSEC_PER_SEC / 1000;
	int64_t real = clock_real_ns(), mono = clock_mono_ns(), cpu = clock_cpu_ns();
	int64_t at = clock_real_at(mono);

	assert_in_range(at, real - slack_ns, clock_real_ns() + slack_ns);
	assert_in_range(clock_real_at(mono + NSEC_PER_SEC), at + NSEC_PER_SEC - slack_ns,
			at + NSEC_PER_SEC + slack_ns);
	while (clock_mono_ns() == mono || clock_cpu_ns() == cpu)
		;
	assert_true(clock_mono_ns() > mono);
	assert_true(clock_cpu_ns() > cpu);
	assert_true(clock_real_ns() > 1700000000 * NSEC_PER_SEC);
}

/* Lines of the log, taken from standard error. */
static void test_log(void **state)
{
	cleanup_buf struct buf b = {};
	int fds[2], status;

	assert_int_equal(pipe(fds), 0);
	pid_t pid = fork();

	if (!pid) {
		dup2(fds[1], STDERR_FILENO);
		log_info("from %s", "a stranger\n\x1b[31m\xff");
		log_debug("not shown");
		log_set_level(LOG_DEBUG);
		log_debug("shown");
		log_set_level(LOG_ERROR);
		log_warning("not shown");
		_exit(0);
	}
	close(fds[1]);
	assert_int_equal(io_read_fd(fds[0], 1 << 20, &b), 0);
	close(fds[0]);
	waitpid(pid, &status, 0);
	char *second = strchr(buf_cstr(&b), '\n');

	assert_non_null(second);
	*second++ = '\0';
	assert_string_equal((char *)b.data + strlen("2026-01-01T00:00:00Z"),
			    " glim info: from a stranger\\x0a\\x1b[31m\\xff");
	assert_string_equal(second + strlen("2026-01-01T00:00:00Z"), " glim debug: shown\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_write_and_read, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(test_no_such_place, make_dir, remove_dir),
		cmocka_unit_test(test_pipe),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_clocks),
		cmocka_unit_test(test_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
