/* What a run leaves: nothing, not even when its Glim was killed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"
#include "memory/memory_folder.h"

static bool is_there(const char *path)
{
	struct stat st;

	return !lstat(path, &st);
}

static void it_holds_library_and_config(void **state)
{
	static const char *const only[] = {"*/mine.py", "f"};
	struct memory_folder f = {};
	struct err e = {};
	cleanup_buf struct buf b = {}, library = {};
	cleanup_free char *config = NULL, *path = NULL, *file = NULL;
	const struct memory_config_abi *c;
	struct stat st;

	assert_int_equal(memory_folder_open(MEMORY_ALLOCATED, only, 2, &f, &e), 0);
	assert_int_equal(stat(f.path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	config = mem_asprintf("%s/%s", f.path, MEMORY_CONFIG_FILE);
	assert_int_equal(io_read_file(config, 1 << 20, &b), 0);
	assert_int_equal(b.len, sizeof(*c));
	c = (const void *)b.data;
	assert_int_equal(c->flags, MEMORY_ALLOCATED);
	assert_int_equal(c->only_bytes, strlen(only[0]) + strlen(only[1]) + 2);
	assert_string_equal(c->only, only[0]);
	assert_string_equal(c->only + strlen(only[0]) + 1, only[1]);
	path = mem_asprintf("%s/%s", f.path, MEMORY_LIBRARY_FILE);
	assert_int_equal(io_read_file(path, 1 << 20, &library), 0);
	assert_memory_equal(library.data, "\177ELF", 4);
	file = mem_strdup(f.path);
	memory_folder_close(&f);
	assert_false(is_there(file));
}

static void too_many_patterns_are_an_error(void **state)
{
	char *long_one = mem_calloc(MEMORY_MAX_PATTERNS + 1, 1);
	const char *only[] = {long_one};
	struct memory_folder f = {};
	struct err e = {};

	memset(long_one, 'x', MEMORY_MAX_PATTERNS);
	assert_int_equal(memory_folder_open(0, only, 1, &f, &e), -E2BIG);
	assert_null(f.path);
	free(long_one);
}

static void the_environment_is_as_before(void **state)
{
	struct memory_folder f = {.path = (char *)"/run/x"};

	setenv("LD_PRELOAD", "other.so", 1);
	memory_folder_enter(&f);
	assert_string_equal(getenv("LD_PRELOAD"), "/run/x/" MEMORY_LIBRARY_FILE ":other.so");
	assert_string_equal(getenv(MEMORY_FOLDER_VARIABLE), "/run/x");
	memory_folder_leave();
	assert_string_equal(getenv("LD_PRELOAD"), "other.so");
	assert_null(getenv(MEMORY_FOLDER_VARIABLE));
	unsetenv("LD_PRELOAD");
	memory_folder_enter(&f);
	memory_folder_leave();
	assert_null(getenv("LD_PRELOAD"));
}

/* A child makes one and dies; its pid is free once we have waited for it. */
static void what_was_left_goes(void **state)
{
	char path[256] = "";
	struct memory_folder f = {};
	struct err e = {};
	int ends[2];
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (!pid) {
		struct memory_folder child = {};

		if (!memory_folder_open(0, NULL, 0, &child, NULL) &&
		    write(ends[1], child.path, strlen(child.path)) > 0)
			kill(getpid(), SIGKILL);
		_exit(1);
	}
	close(ends[1]);
	assert_true(read(ends[0], path, sizeof(path) - 1) > 0);
	close(ends[0]);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_true(is_there(path));
	assert_int_equal(memory_folder_open(0, NULL, 0, &f, &e), 0);
	assert_false(is_there(path));
	memory_folder_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_holds_library_and_config),
		cmocka_unit_test(too_many_patterns_are_an_error),
		cmocka_unit_test(the_environment_is_as_before),
		cmocka_unit_test(what_was_left_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
