/* Inlined functions and lines of programs that say themselves what is right, whole and damaged. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"
#include "symbol/debug_file.h"
#include "symbol/debug_info.h"
#include "symbol/symbol.h"

enum { POOL = 4 << 20, MAX = 32, MAX_FILE = 1 << 20 };

static const char *folder;

/* What targets/inlined.c puts into the section points. */
struct point {
	int64_t offset; /* of the address, behind the point */
	int32_t leaf, middle, outer, name;
};
struct points {
	uint64_t address;
	struct point *data;
	size_t len;
};

static int open_path(void *arg, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* No file but the package of all other halves is there. */
static int open_package(void *arg, const char *path)
{
	size_t n = strlen(path);

	return n > 4 && !strcmp(path + n - 4, ".dwp") ? open_path(arg, path) : -ENOENT;
}

/* Neither is that. */
static int open_nothing(void *arg, const char *path)
{
	return -ENOENT;
}

static char *target_path(const char *name)
{
	return mem_asprintf("%s/inlined_%s", folder, name);
}

static struct elf_file *open_elf(const char *path)
{
	struct elf_file *elf;
	struct err e;

	if (elf_file_open(open(path, O_RDONLY | O_CLOEXEC), &elf, &e))
		fail_msg("%s: %s", path, e.msg);
	return elf;
}

static struct points read_points(const struct elf_file *elf)
{
	const Elf64_Shdr *s = elf_file_section(elf, "points");

	assert_non_null(s);
	assert_int_equal(s->sh_size % sizeof(struct point), 0);
	struct points p = {.address = s->sh_addr, .len = s->sh_size / sizeof(struct point)};

	p.data = mem_calloc(p.len, sizeof(*p.data));
	assert_int_equal(elf_file_read(elf, s->sh_offset, p.data, s->sh_size), 0);
	/* One in first, two for each of the five calls of middle. */
	assert_true(p.len >= 9);
	return p;
}

static uint64_t point_address(const struct points *p, size_t i)
{
	return p->address + i * sizeof(struct point) + (uint64_t)p->data[i].offset;
}

/* What functions[] of a point must be. */
static void check_point(const struct point *p, const struct debug_function *f, size_t n)
{
	static const char *const outer[] = {"", "first", "second", "main"};
	const int lines[] = {p->leaf, p->middle, p->outer};
	const char *names[] = {"leaf", "middle", outer[p->name]};
	size_t want = p->middle ? 3 : 1;

	assert_int_equal(n, want);
	for (size_t i = 0; i < n; i++) {
		assert_string_equal(f[i].name, i == n - 1 ? outer[p->name] : names[i]);
		assert_int_equal(f[i].line, lines[i]);
		assert_true(f[i].start_line && f[i].start_line < f[i].line);
		assert_non_null(strstr(f[i].file, "targets/inlined.c"));
		assert_int_equal(f[i].file[0], '/');
	}
}

static void check_target(const char *name, int (*opener)(void *, const char *))
{
	cleanup_free char *path = target_path(name);
	struct debug_opener o = {opener, NULL, path};
	struct debug_pool *pool = debug_pool_new(POOL);
	struct elf_file *elf = open_elf(path);
	struct points p = read_points(elf);
	struct debug_function f[MAX];
	struct debug_info *d;

	assert_int_equal(debug_info_open(pool, elf, &d), 0);
	for (size_t i = 0; i < p.len; i++) {
		int n = debug_info_lookup(d, point_address(&p, i), &o, f, MAX);

		assert_true(n > 0);
		check_point(&p.data[i], f, (size_t)n);
		/* The outer end is cut. */
		assert_int_equal(debug_info_lookup(d, point_address(&p, i), &o, f, 1), 1);
		assert_int_equal(f[0].line, p.data[i].leaf);
	}
	assert_int_equal(debug_info_lookup(d, 0, &o, f, MAX), 0);
	assert_int_equal(debug_info_lookup(d, UINT64_MAX, &o, f, MAX), 0);
	assert_true(debug_pool_bytes(pool) < 1 << 20);
	free(p.data);
	elf_file_close(elf);
	debug_info_close(d);
	debug_pool_free(pool);
}

static void test_known_chains(void **state)
{
	static const char *const names[] = {"gcc4",   "gcc5",	"gz",	  "zdebug", "lto",
					    "split4", "split5", "clang4", "clang5"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		check_target(names[i], open_path);
	check_target("split4", open_package);
	check_target("split5", open_package);
}

/* Half a unit has lines, but no functions. */
static void test_missing_half(void **state)
{
	cleanup_free char *path = target_path("split5");
	struct debug_opener o = {open_nothing, NULL, path};
	struct debug_pool *pool = debug_pool_new(POOL);
	struct elf_file *elf = open_elf(path);
	struct points p = read_points(elf);
	struct debug_function f[MAX];
	struct debug_info *d;

	assert_int_equal(debug_info_open(pool, elf, &d), 0);
	for (size_t i = 0; i < p.len; i++) {
		assert_int_equal(debug_info_lookup(d, point_address(&p, i), &o, f, MAX), 1);
		assert_string_equal(f[0].name, "");
		assert_int_equal(f[0].line, p.data[i].leaf);
	}
	free(p.data);
	elf_file_close(elf);
	debug_info_close(d);
	debug_pool_free(pool);
}

/* With next to no work allowed all is found too, only later. */
static void test_little_work(void **state)
{
	static const char *const names[] = {"gcc5", "gz"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		cleanup_free char *path = target_path(names[i]);
		struct debug_pool *pool = debug_pool_new(POOL);
		struct elf_file *elf = open_elf(path);
		struct points p = read_points(elf);
		struct debug_pool_stats stats;
		struct debug_function f[MAX];
		struct debug_info *d;
		int n = 0, windows = 0;

		debug_pool_set_work(pool, 1, INT64_MAX, 4);
		assert_int_equal(debug_info_open(pool, elf, &d), 0);
		while ((n = debug_info_lookup(d, point_address(&p, 0), NULL, f, MAX)) == -EAGAIN) {
			assert_true(++windows < 1000);
			/* Nothing more in this window. */
			assert_int_equal(debug_info_lookup(d, point_address(&p, 0), NULL, f, MAX),
					 -EAGAIN);
			debug_pool_trim(pool);
		}
		assert_true(windows > 2);
		check_point(&p.data[0], f, (size_t)n);
		debug_pool_stats(pool, &stats);
		assert_int_equal(stats.unfinished, 2 * windows);
		free(p.data);
		elf_file_close(elf);
		debug_info_close(d);
		debug_pool_free(pool);
	}
}

/* A look-up goes on with the next slice of time, until the window has no work left; it gets some
 * back as time passes. */
static void test_slices(void **state)
{
	cleanup_free char *path = target_path("gcc5");
	struct debug_pool *pool = debug_pool_new(POOL);
	struct elf_file *elf = open_elf(path);
	struct points p = read_points(elf);
	struct debug_function f[MAX];
	struct debug_info *d;
	int64_t now = 1;
	int n = 0, slices = 0, starved = 0;

	debug_pool_set_work(pool, INT64_MAX, 1, 1000);
	assert_int_equal(debug_info_open(pool, elf, &d), 0);
	for (debug_pool_slice(pool, now);; debug_pool_slice(pool, now)) {
		n = debug_info_lookup(d, point_address(&p, 0), NULL, f, MAX);
		if (n != -EAGAIN)
			break;
		/* Nothing more in this slice. */
		assert_int_equal(debug_info_lookup(d, point_address(&p, 0), NULL, f, MAX), -EAGAIN);
		assert_true(++slices < 1000);
		assert_true(debug_pool_goes_on(pool));
		if (debug_pool_has_work(pool))
			continue;
		starved++;
		now += 10 * NSEC_PER_SEC;
	}
	assert_true(slices > 2 && starved > 0 && starved < slices);
	check_point(&p.data[0], f, (size_t)n);
	free(p.data);
	elf_file_close(elf);
	debug_info_close(d);
	debug_pool_free(pool);
}

/* A bound on memory that is too small for one unit: each look-up reads it again. */
static void test_small_memory(void **state)
{
	cleanup_free char *path = target_path("gcc5");
	struct debug_pool *pool = debug_pool_new(4096);
	struct elf_file *elf = open_elf(path);
	struct points p = read_points(elf);
	struct debug_function f[MAX];
	struct debug_info *d;

	assert_int_equal(debug_info_open(pool, elf, &d), 0);
	for (int round = 0; round < 100; round++) {
		for (size_t i = 0; i < p.len; i++) {
			int n = debug_info_lookup(d, point_address(&p, i), NULL, f, MAX);

			assert_true(n > 0);
			check_point(&p.data[i], f, (size_t)n);
		}
		debug_pool_trim(pool);
		assert_true(debug_pool_bytes(pool) < 256 << 10);
	}
	free(p.data);
	elf_file_close(elf);
	debug_info_close(d);
	debug_pool_free(pool);
}

/* The file is closed between windows. */
static void test_pause(void **state)
{
	static const char *const names[] = {"gcc5", "split5", "gz"};

	for (size_t k = 0; k < ARRAY_SIZE(names); k++) {
		cleanup_free char *path = target_path(names[k]);
		struct debug_opener o = {open_path, NULL, path};
		struct debug_pool *pool = debug_pool_new(POOL);
		struct elf_file *elf = open_elf(path);
		struct points p = read_points(elf);
		struct debug_function f[MAX];
		struct debug_info *d;

		assert_int_equal(debug_info_open(pool, elf, &d), 0);
		for (size_t i = 0; i < p.len; i++) {
			int n = debug_info_lookup(d, point_address(&p, i), &o, f, MAX);

			assert_true(n > 0);
			check_point(&p.data[i], f, (size_t)n);
			debug_info_pause(d);
			assert_true(debug_info_paused(d));
			debug_info_resume(d, open(path, O_RDONLY | O_CLOEXEC));
			debug_pool_trim(pool);
		}
		free(p.data);
		elf_file_close(elf);
		debug_info_close(d);
		debug_pool_free(pool);
	}
}

/* --- damaged files
 * ------------------------------------------------------------------------------*/

static uint64_t seed = 1;

static uint64_t random_number(void)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return seed >> 24;
}

/* Only that it ends, and with what it promises. */
static void ask_damaged(const uint8_t *bytes, size_t n, const struct points *p)
{
	int fd = memfd_create("damaged", MFD_CLOEXEC);
	struct debug_pool *pool = debug_pool_new(1 << 20);
	struct debug_function f[MAX];
	struct debug_info *d = NULL;
	struct elf_file *elf;

	assert_int_equal(write(fd, bytes, n), n);
	if (!elf_file_open(fd, &elf, NULL)) {
		if (debug_info_open(pool, elf, &d))
			d = NULL;
		elf_file_close(elf);
	}
	for (size_t i = 0; d && i < p->len; i++) {
		int found = debug_info_lookup(d, point_address(p, i), NULL, f, MAX);

		assert_in_range(found + 200, 0, 200 + MAX);
		for (int k = 0; k < found; k++)
			assert_true(strlen(f[k].name) + strlen(f[k].file) < 1 << 20);
	}
	debug_info_close(d);
	debug_pool_free(pool);
}

static void test_damaged(void **state)
{
	static const char *const names[] = {"gcc4", "gcc5", "clang5", "gz"};

	for (size_t k = 0; k < ARRAY_SIZE(names); k++) {
		cleanup_free char *path = target_path(names[k]);
		cleanup_buf struct buf whole = {};
		struct elf_file *elf = open_elf(path);
		struct points p = read_points(elf);
		uint64_t from = UINT64_MAX, to = 0;

		assert_int_equal(io_read_file(path, MAX_FILE, &whole), 0);
		for (size_t i = 0; i < elf->sections.len; i++) {
			const Elf64_Shdr *s = &elf->sections.data[i];

			if (strncmp(elf->section_names + s->sh_name, ".debug_", 7) != 0)
				continue;
			from = MIN(from, s->sh_offset);
			to = MAX(to, s->sh_offset + s->sh_size);
		}
		assert_true(from < to);
		for (int round = 0; round < 1500; round++) {
			cleanup_free uint8_t *bytes = mem_calloc(whole.len, 1);

			memcpy(bytes, whole.data, whole.len);
			for (uint64_t flips = 1 + random_number() % 8; flips; flips--)
				bytes[from + random_number() % (to - from)] =
					(uint8_t)random_number();
			ask_damaged(bytes, whole.len, &p);
			/* Cut off, too. */
			ask_damaged(bytes, random_number() % whole.len, &p);
		}
		free(p.data);
		elf_file_close(elf);
	}
}

/* The file shrinks after it was opened. */
static void test_shrinking(void **state)
{
	cleanup_free char *path = target_path("gcc5");
	cleanup_buf struct buf whole = {};
	struct elf_file *elf = open_elf(path);
	struct points p = read_points(elf);

	elf_file_close(elf);
	assert_int_equal(io_read_file(path, MAX_FILE, &whole), 0);
	for (size_t left = 0; left < whole.len; left += 997) {
		int fd = memfd_create("shrinking", MFD_CLOEXEC);
		cleanup_close int same = dup(fd);
		struct debug_pool *pool = debug_pool_new(POOL);
		struct debug_function f[MAX];
		struct debug_info *d;

		assert_int_equal(write(fd, whole.data, whole.len), whole.len);
		assert_int_equal(elf_file_open(fd, &elf, NULL), 0);
		assert_int_equal(debug_info_open(pool, elf, &d), 0);
		elf_file_close(elf);
		debug_info_lookup(d, point_address(&p, 0), NULL, f, MAX);
		assert_int_equal(ftruncate(same, (off_t)left), 0);
		for (size_t i = 0; i < p.len; i++)
			debug_info_lookup(d, point_address(&p, i), NULL, f, MAX);
		debug_info_close(d);
		debug_pool_free(pool);
	}
	free(p.data);
}

/* --- as part of the symbolizer
 * ------------------------------------------------------------------*/

/* Ask for the points of a program whose file this process maps. */
static void check_mapped(struct symbolizer *s, const char *path, const struct points *p)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct elf_file *elf = open_elf(path);
	struct process self;
	struct err e;
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	void *map = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);

	assert_true(map != MAP_FAILED);
	if (process_read(getpid(), &self, &e))
		fail_msg("%s", e.msg);
	for (size_t i = 0; i < p->len; i++) {
		struct debug_function f[SYMBOL_MAX_INLINED];
		struct symbol found[SYMBOL_MAX_INLINED];
		uint64_t address = point_address(p, i), offset = 0;

		for (size_t k = 0; k < elf->segments.len; k++)
			if (elf->segments.data[k].p_flags & PF_X)
				offset = address - elf->segments.data[k].p_vaddr +
					 elf->segments.data[k].p_offset;
		uint64_t mapped = (uintptr_t)map + offset;
		size_t n = symbolizer_user(s, &self, process_find_mapping(&self, mapped), mapped,
					   found);

		for (size_t k = 0; k < n; k++) {
			f[k] = (struct debug_function){found[k].name, found[k].file, found[k].line,
						       found[k].start_line};
			assert_int_equal(found[k].address, address);
		}
		check_point(&p->data[i], f, n);
	}
	process_fini(&self);
	elf_file_close(elf);
	munmap(map, (size_t)st.st_size);
}

static void test_symbolizer(void **state)
{
	cleanup_free char *path = target_path("gcc5"), *split = target_path("split5");
	struct elf_file *elf = open_elf(path), *split_elf = open_elf(split);
	struct points p = read_points(elf), q = read_points(split_elf);
	struct symbolizer *s;

	assert_int_equal(symbolizer_new(8 << 20, &s, NULL), 0);
	for (int window = 0; window < 3; window++) {
		check_mapped(s, path, &p);
		check_mapped(s, split, &q);
		symbolizer_trim(s);
	}
	symbolizer_free(s);
	free(p.data);
	free(q.data);
	elf_file_close(elf);
	elf_file_close(split_elf);
}

/* A stripped program, with its debug information where distributions put it. */
static void test_separate(void **state)
{
	cleanup_free char *path = target_path("stripped"), *debug = target_path("debug");
	char top[] = "/tmp/glim-debug-XXXXXX", hex[BUILD_ID_HEX];
	struct elf_file *elf = open_elf(path);
	struct points p = read_points(elf);
	struct symbolizer *s;
	struct build_id id = {};

	assert_non_null(mkdtemp(top));
	id.len = elf_file_build_id(elf, id.bytes);
	build_id_hex(&id, hex);
	cleanup_free char *ids = mem_asprintf("%s/.build-id", top);
	cleanup_free char *two = mem_asprintf("%s/%.2s", ids, hex);
	cleanup_free char *link = mem_asprintf("%s/%s.debug", two, hex + 2);
	cleanup_free char *real = realpath(debug, NULL);

	assert_int_equal(mkdir(ids, 0700) | mkdir(two, 0700) | symlink(real, link), 0);
	assert_int_equal(symbolizer_new(8 << 20, &s, NULL), 0);
	symbolizer_set_debug_folder(s, top);
	for (int window = 0; window < 3; window++) {
		check_mapped(s, path, &p);
		symbolizer_trim(s);
	}
	symbolizer_free(s);
	assert_int_equal(unlink(link) | rmdir(two) | rmdir(ids) | rmdir(top), 0);
	free(p.data);
	elf_file_close(elf);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_chains), cmocka_unit_test(test_missing_half),
		cmocka_unit_test(test_little_work),  cmocka_unit_test(test_slices),
		cmocka_unit_test(test_small_memory), cmocka_unit_test(test_pause),
		cmocka_unit_test(test_damaged),	     cmocka_unit_test(test_shrinking),
		cmocka_unit_test(test_symbolizer),   cmocka_unit_test(test_separate),
	};

	folder = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
