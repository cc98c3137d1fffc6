/* Which Python is in a file: by its constants, by its own offsets, by damaged files. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#include "unwind/python/layout.h"
#include "unwind/python/python_file.h"

#define VERSION_IN(text) python_version_in((const uint8_t *)(text), sizeof(text))

static void test_version_text(void **state)
{
	assert_int_equal(VERSION_IN("x\0003.8.18\0y"), 0x03080000);
	assert_int_equal(VERSION_IN("3.9.0"), 0x03090000);
	assert_int_equal(VERSION_IN("x\0003.10.13+\0y"), 0x030a0000);
	/* The linker shares tails. */
	assert_int_equal(VERSION_IN("/opt/python/3.10.13"), 0x030a0000);
	/* Twice the same, and two that differ. */
	assert_int_equal(VERSION_IN("3.8.18\0003.8.2"), 0x03080000);
	assert_int_equal(VERSION_IN("3.8.18\0003.9.2"), 0);
	assert_int_equal(VERSION_IN("2.7.18"), 0x02070000);
	assert_int_equal(VERSION_IN("3.6.15"), 0x03060000);
	assert_int_equal(VERSION_IN("3.12.1"), 0x030c0000);
	/* Others are no version of ours. */
	assert_int_equal(VERSION_IN("2.6.9"), 0);
	assert_int_equal(VERSION_IN("2.8.1"), 0);
	assert_int_equal(VERSION_IN("3.5.1"), 0);
	assert_int_equal(VERSION_IN("3.13.1"), 0);
	assert_int_equal(VERSION_IN("3.110.1"), 0);
	assert_int_equal(VERSION_IN("13.8.1"), 0);
	assert_int_equal(VERSION_IN("1.3.8.1"), 0);
	assert_int_equal(VERSION_IN("3.8."), 0);
	assert_int_equal(VERSION_IN("3.8"), 0);
	assert_int_equal(VERSION_IN(".8.1"), 0);
	assert_int_equal(VERSION_IN("8.1"), 0);
	assert_int_equal(VERSION_IN("+"), 0);
	assert_int_equal(VERSION_IN(""), 0);
	assert_int_equal(VERSION_IN("3.8.18 x"), 0);
	assert_int_equal(python_version_in((const uint8_t *)"3.8.1", 5), 0);
	assert_int_equal(python_version_in(NULL, 0), 0);
}

static void put(uint8_t *table, size_t at, uint64_t v)
{
	memcpy(table + at, &v, sizeof(v));
}

enum { BYTES_313 = 584 };

/* What 3.13.0 says of itself. */
static void good_table(uint8_t *t)
{
	memset(t, 0, BYTES_313);
	memcpy(t, "xdebugpy", 8);
	put(t, 8, 0x030d00f0);
	put(t, 24, 0x452b8);
	put(t, 40, 632);
	put(t, 64, 7264);
	put(t, 72, 7344);
	put(t, 168, 8);
	put(t, 184, 72);
	put(t, 192, 152);
	put(t, 232, 8);
	put(t, 240, 0);
	put(t, 248, 56);
	put(t, 264, 70);
	put(t, 344, 200);
}

static void test_offsets(void **state)
{
	const struct python_layout *known = python_layout_of(0x030d00f0, false);
	uint8_t t[BYTES_313];
	struct python_layout l;

	good_table(t);
	assert_int_equal(python_layout_from_offsets(t, sizeof(t), 0x030d00f0, &l), 0);
	assert_memory_equal(&l, known, sizeof(l));
	assert_int_equal(python_offsets_bytes(0x030d00f0), sizeof(t));
	assert_int_equal(python_layout_from_offsets(t, sizeof(t) - 1, 0x030d00f0, &l), -EINVAL);
	/* Not this version, no cookie, free-threaded, another minor. */
	assert_int_equal(python_layout_from_offsets(t, sizeof(t), 0x030d01f0, &l), -EINVAL);
	t[0] = 'y';
	assert_int_equal(python_layout_from_offsets(t, sizeof(t), 0x030d00f0, &l), -EINVAL);
	/* Without a GIL objects are others. */
	good_table(t);
	put(t, 16, 1);
	put(t, 344, 216);
	assert_int_equal(python_layout_from_offsets(t, sizeof(t), 0x030d00f0, &l), 0);
	assert_memory_equal(&l, python_layout_of(0x030d00f0, true), sizeof(l));
	put(t, 16, 2);
	assert_int_equal(python_layout_from_offsets(t, sizeof(t), 0x030d00f0, &l), -EINVAL);
	/* A table of 3.13 is too short for 3.14, and 3.16 is not known. */
	good_table(t);
	put(t, 8, 0x030e00f0);
	assert_int_equal(python_layout_from_offsets(t, sizeof(t), 0x030e00f0, &l), -EINVAL);
	put(t, 8, 0x031000f0);
	assert_int_equal(python_layout_from_offsets(t, sizeof(t), 0x031000f0, &l), -ENOTSUP);
	assert_int_equal(python_offsets_bytes(0x031000f0), 0);
}

static void test_bad_offsets(void **state)
{
	static const size_t fields[] = {40, 64, 72, 168, 184, 192, 232, 240, 248, 264, 344};
	static const uint64_t bad[] = {UINT64_MAX, 1ULL << 32, 65537};
	uint8_t t[BYTES_313];
	struct python_layout l = {.style = 77};

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		for (size_t j = 0; j < ARRAY_SIZE(bad); j++) {
			good_table(t);
			put(t, fields[i], bad[j]);
			assert_int_equal(python_layout_from_offsets(t, sizeof(t), 0x030d00f0, &l),
					 -EINVAL);
			assert_int_equal(l.style, 77);
		}
}

static void test_layouts(void **state)
{
	const struct python_layout *l;
	uint32_t minor;
	size_t n;

	for (n = 0; (l = python_layout_at(n, &minor)); n++) {
		assert_ptr_equal(python_layout_of(minor << 16 | 0xf0, l->free_threaded), l);
		assert_non_null(python_text_layout_of(minor << 16, l->free_threaded));
		assert_true(l->frame_size <= PYTHON_FRAME_BYTES);
		assert_true(l->frame_instruction + 8 <= l->frame_size);
		assert_true(l->frame_boundary < l->frame_size);
	}
	assert_int_equal(n, 14);
	assert_null(python_layout_of(0x030500f0, false));
	assert_null(python_layout_of(0x031000f0, false));
	assert_null(python_layout_of(0x020612f0, false));
	assert_null(python_layout_of(0x030c00f0, true));
	assert_null(python_layout_of(0, false));
	assert_null(python_text_layout_of(0x031000f0, false));
}

/* Damage real ELF files at many places: never a crash, never a Python in a file without one. */
static void test_damaged(void **state)
{
	cleanup_free char *path = mem_strdup("/tmp/test_python_file_XXXXXX");
	struct python_file p;
	uint8_t head[4096];
	int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), to = mkstemp(path);
	uint32_t seed = 1;

	assert_true(from >= 0 && to >= 0);
	for (ssize_t n; (n = read(from, head, sizeof(head))) > 0;)
		assert_int_equal(write(to, head, n), n);
	for (int round = 0; round < 300; round++) {
		struct elf_file *f;
		off_t size = lseek(to, 0, SEEK_END), at;
		uint64_t old, new;

		seed = seed * 1664525 + 1013904223;
		at = round < 100 ? round * 8 : seed % (size - 8);
		assert_int_equal(pread(to, &old, 8, at), 8);
		new = old ^ ((uint64_t)seed << 32 | seed);
		assert_int_equal(pwrite(to, &new, 8, at), 8);
		if (!elf_file_open(dup(to), &f, NULL)) {
			python_file_read(f, &p);
			assert_false(p.found);
			elf_file_close(f);
		}
		assert_int_equal(pwrite(to, &old, 8, at), 8);
	}
	unlink(path);
	close(from);
	close(to);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_version_text), cmocka_unit_test(test_offsets),
		cmocka_unit_test(test_bad_offsets),  cmocka_unit_test(test_layouts),
		cmocka_unit_test(test_damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
