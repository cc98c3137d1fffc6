/* Walks recorded stacks of real processes again (snapshots/README.md): the same entries, the same
 * ends. */
#include <fcntl.h>
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#include "snapshot_replay.h"

static const char *folder;

static uint8_t *read_whole(const char *path, size_t *ret_size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	off_t size = lseek(fd, 0, SEEK_END);
	uint8_t *data;

	assert_true(fd >= 0 && size > 0 && size < SNAPSHOT_MAX_BYTES);
	data = mem_calloc(1, (size_t)size);
	assert_int_equal(pread(fd, data, (size_t)size, 0), size);
	close(fd);
	*ret_size = (size_t)size;
	return data;
}

static void replay(const char *path)
{
	const struct snapshot_header *h = &snapshot.header;
	struct walk w;
	size_t size;
	uint8_t *data = read_whole(path, &size);

	print_message("%s: %zu bytes\n", strrchr(path, '/') + 1, size);
	assert_int_equal(snapshot_load(data, size), 0);
	snapshot_walk(&w);
	assert_int_equal(w.phase, WALK_DONE);
	assert_int_equal(w.native_end, h->native_end);
	assert_int_equal(w.python_end, h->python_end);
	assert_int_equal(w.native_count, h->native_count);
	assert_int_equal(w.count, h->entries);
	for (uint32_t i = 0; i < w.count; i++) {
		assert_int_equal(snapshot.entries[i].address, snapshot.expected[i].address);
		assert_int_equal(snapshot.entries[i].lasti, snapshot.expected[i].lasti);
		assert_int_equal(snapshot.entries[i].tag, snapshot.expected[i].tag);
	}
	/* A part of a snapshot is none. */
	for (size_t n = 0; n < size; n += 1 + n / 8)
		assert_int_equal(snapshot_load(data, n), -EINVAL);
	free(data);
}

static void test_all(void **state)
{
	cleanup_free char *pattern = mem_asprintf("%s/*.snapshot", folder);
	glob_t found = {};

	assert_int_equal(glob(pattern, 0, NULL, &found), 0);
	for (size_t i = 0; i < found.gl_pathc; i++)
		replay(found.gl_pathv[i]);
	globfree(&found);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_all)};

	CHECK(argc == 2);
	folder = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
