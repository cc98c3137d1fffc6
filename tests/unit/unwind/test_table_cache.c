/* Unwind tables as bytes and in a folder: the same when they are read, refused when they are
 * damaged, and not more than a bound. */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/io.h"
#include "native_tables.h"
#include "unwind/native/eh_frame.h"
#include "unwind/native/table_cache.h"

struct tables tables;

static char folder[] = "/tmp/table_cache_XXXXXX";

static struct table_image_key key_of(uint64_t number)
{
	return (struct table_image_key){.build_id_len = 8, .size = number};
}

/* The table of a file that is open. */
static void build(int fd, struct unwind_rules *rules, struct unwind_table *ret)
{
	struct elf_file *f;

	assert_true(fd >= 0);
	assert_int_equal(elf_file_open(fd, &f, NULL), 0);
	assert_true(unwind_table_build(f, NULL, NULL, rules, ret, NULL) >= 0);
	elf_file_close(f);
}

static void build_own(struct unwind_rules *rules, struct unwind_table *ret)
{
	build(open("/proc/self/exe", O_RDONLY | O_CLOEXEC), rules, ret);
}

static bool same_but_chain(const struct unwind_rule *a, const struct unwind_rule *b)
{
	struct unwind_rule x = *a, y = *b;

	x.earlier = y.earlier = 0;
	return !memcmp(&x, &y, sizeof(x));
}

/* Both say the same of every address that could make a difference. */
static void assert_same_table(const struct unwind_table *a, const struct unwind_rules *a_rules,
			      const struct unwind_table *b, const struct unwind_rules *b_rules)
{
	assert_int_equal(a->base, b->base);
	assert_int_equal(a->pages.len, b->pages.len);
	assert_int_equal(a->rows.len, b->rows.len);
	for (size_t i = 0; i < a->pages.len; i++) {
		const struct unwind_table_page *page = &a->pages.data[i];

		assert_int_equal(page->count, b->pages.data[i].count);
		for (uint32_t k = 0; k < page->count; k++) {
			uint64_t row = a->rows.data[page->first + k] >> 16;
			uint64_t address = a->base + (i << UNWIND_PAGE_SHIFT) + row;

			for (uint64_t n = 0; n < 16; n++)
				assert_true(
					same_but_chain(unwind_table_find(a, a_rules, address + n),
						       unwind_table_find(b, b_rules, address + n)));
		}
	}
}

/* Images of all files of this process, read among rules that have other numbers. */
static void test_image(void **state)
{
	struct unwind_rules first, second;
	struct process p;
	uint64_t number = 0;

	unwind_rules_init(&first);
	unwind_rules_init(&second);
	for (int i = 0; i < 100; i++)
		unwind_rules_add(&second, &(struct unwind_rule){.cfa_offset = 1000 - i});
	assert_int_equal(process_read(getpid(), &p, NULL), 0);
	for (size_t i = p.mappings.len; i-- > 0;) {
		const struct mapping *m = &p.mappings.data[i];
		struct table_image_key key = key_of(number++);
		struct unwind_table made = {}, read = {};
		cleanup_buf struct buf image = {};

		if (m->path[0] != '/' && strcmp(m->path, "[vdso]") != 0)
			continue;
		build(process_open_mapping(&p, m), &first, &made);
		table_image_write(&key, &made, &first, &image);
		assert_int_equal(table_image_read(image.data, image.len, &key, &second, &read), 0);
		assert_same_table(&made, &first, &read, &second);
		key.builder++;
		assert_int_equal(table_image_read(image.data, image.len, &key, &second, &read),
				 -ESTALE);
		unwind_table_fini(&made);
		unwind_table_fini(&read);
	}
	process_fini(&p);
	unwind_rules_fini(&first);
	unwind_rules_fini(&second);
}

/* Rules of every kind, those that only Go has, too. */
static void test_kinds(void **state)
{
	enum { KINDS = UNWIND_CFA_COUNT * UNWIND_PLACE_COUNT };
	struct unwind_rules rules, other;
	struct unwind_table made = {}, read = {};
	struct unwind_writer w;
	struct table_image_key key = key_of(1);
	cleanup_buf struct buf image = {};

	unwind_rules_init(&rules);
	unwind_rules_init(&other);
	unwind_writer_init(&w, &made, &rules, 0);
	for (uint32_t i = 0; i < KINDS; i++)
		assert_int_equal(
			unwind_writer_add(&w, i * 100,
					  &(struct unwind_rule){.cfa = i / UNWIND_PLACE_COUNT & 15,
								.ra = i % UNWIND_PLACE_COUNT,
								.cfa_offset = 8}),
			0);
	assert_int_equal(unwind_writer_finish(&w, KINDS * 100), 0);
	unwind_writer_fini(&w);
	table_image_write(&key, &made, &rules, &image);
	assert_int_equal(table_image_read(image.data, image.len, &key, &other, &read), 0);
	assert_same_table(&made, &rules, &read, &other);
	unwind_table_fini(&made);
	unwind_table_fini(&read);
	unwind_rules_fini(&rules);
	unwind_rules_fini(&other);
}

/* Whoever can write it can make its hash right. */
static void fix_hash(struct buf *image)
{
	size_t start = offsetof(struct table_image_header, key);
	uint64_t hash = hash_bytes(image->data + start, image->len - start);

	memcpy(image->data + offsetof(struct table_image_header, hash), &hash, sizeof(hash));
}

static void test_damage(void **state)
{
	struct unwind_rules rules, other;
	struct unwind_table made = {}, read = {};
	struct table_image_key key = key_of(1);
	struct buf image = {};
	size_t refused = 0;

	unwind_rules_init(&rules);
	unwind_rules_init(&other);
	build_own(&rules, &made);
	table_image_write(&key, &made, &rules, &image);
	for (size_t n = 0; n < image.len; n += 1 + n / 64)
		assert_int_equal(table_image_read(image.data, n, &key, &other, &read), -EBADMSG);
	for (size_t i = 0; i < image.len; i++) {
		image.data[i] ^= 1 << i % 8;
		int r = table_image_read(image.data, image.len, &key, &other, &read);

		assert_int_equal(r, -EBADMSG);
		/* Whatever is taken then keeps the promises of a table: fuzz_table_image.c. */
		fix_hash(&image);
		r = table_image_read(image.data, image.len, &key, &other, &read);
		refused += r < 0;
		unwind_table_fini(&read);
		image.data[i] ^= 1 << i % 8;
	}
	assert_true(refused > 100);
	fix_hash(&image);
	assert_int_equal(table_image_read(image.data, image.len, &key, &rules, &read), 0);
	unwind_table_fini(&read);
	/* When few rules are left it is for the builder to choose. */
	for (int i = 0; rules.rules.len < UNWIND_MAX_RULES; i++)
		unwind_rules_add(&rules, &(struct unwind_rule){.cfa_offset = i, .ra_offset = 99});
	assert_int_equal(table_image_read(image.data, image.len, &key, &rules, &read), -ENOSPC);
	buf_fini(&image);
	unwind_table_fini(&made);
	unwind_rules_fini(&rules);
	unwind_rules_fini(&other);
}

/* --- the folder --------------------------------------------------------------------------------*/

static char *path_in(const char *name)
{
	return mem_asprintf("%s/%s", folder, name);
}

/* Call f for all files of the cache; returns their number. */
static int each_file(void (*f)(const char *path, void *arg), void *arg)
{
	cleanup_free char *path = path_in("cache");
	DIR *dir = opendir(path);
	const struct dirent *d;
	int n = 0;

	assert_non_null(dir);
	while ((d = readdir(dir))) {
		cleanup_free char *file = mem_asprintf("%s/%s", path, d->d_name);

		if (d->d_name[0] == '.')
			continue;
		if (f)
			f(file, arg);
		n++;
	}
	closedir(dir);
	return n;
}

static void remove_file(const char *path, void *arg)
{
	unlink(path);
}

static void add_size(const char *path, void *arg)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	*(uint64_t *)arg += (uint64_t)(st.st_size + 4095) / 4096 * 4096;
}

static void remove_cache(void)
{
	cleanup_free char *path = path_in("cache");

	each_file(remove_file, NULL);
	assert_int_equal(rmdir(path), 0);
}

static struct table_cache *open_cache(uint64_t max_bytes)
{
	cleanup_free char *path = path_in("cache");
	struct table_cache *c;

	assert_int_equal(table_cache_open(path, max_bytes, &c, NULL), 0);
	return c;
}

static void flip_last_byte(const char *path, void *arg)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	off_t end = lseek(fd, -1, SEEK_END);
	uint8_t byte;

	assert_true(fd >= 0 && end > 0);
	assert_int_equal(pread(fd, &byte, 1, end), 1);
	byte ^= 1;
	assert_int_equal(pwrite(fd, &byte, 1, end), 1);
	close(fd);
}

static void test_folder(void **state)
{
	struct table_image_key key = key_of(1), empty_key = key_of(2);
	struct unwind_table made = {}, read = {}, empty = {};
	struct table_cache *c = open_cache(64 << 20);
	struct unwind_rules rules;

	unwind_rules_init(&rules);
	build_own(&rules, &made);
	assert_int_equal(table_cache_load(c, &key, UINT64_MAX, &rules, &read), -ENOENT);
	assert_int_equal(table_cache_save(c, &key, &made, &rules), 0);
	assert_int_equal(table_cache_save(c, &empty_key, &empty, &rules), 0);
	table_cache_close(c);
	c = open_cache(64 << 20);
	assert_int_equal(table_cache_load(c, &key, UINT64_MAX, &rules, &read), made.rows.len);
	assert_same_table(&made, &rules, &read, &rules);
	unwind_table_fini(&read);
	assert_int_equal(table_cache_load(c, &empty_key, UINT64_MAX, &rules, &read), 0);
	unwind_table_fini(&read);
	/* Damaged ones are removed, and there is one again when it was made again. */
	each_file(flip_last_byte, NULL);
	assert_int_equal(table_cache_load(c, &key, UINT64_MAX, &rules, &read), -EBADMSG);
	assert_int_equal(table_cache_load(c, &key, UINT64_MAX, &rules, &read), -ENOENT);
	assert_int_equal(table_cache_save(c, &key, &made, &rules), 0);
	assert_int_equal(table_cache_load(c, &key, UINT64_MAX, &rules, &read), made.rows.len);
	unwind_table_fini(&read);
	table_cache_close(c);
	unwind_table_fini(&made);
	unwind_rules_fini(&rules);
	remove_cache();
}

static void set_time(const char *path, void *arg)
{
	const struct timespec long_ago[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};

	assert_int_equal(utimensat(AT_FDCWD, path, long_ago, 0), 0);
}

/* What was used last stays. */
static void test_bound(void **state)
{
	enum { BYTES = 4 << 20, TABLES = 1500 };
	struct table_image_key used = key_of(0);
	struct table_cache *c = open_cache(BYTES);
	struct unwind_table empty = {}, read = {};
	struct unwind_rules rules;
	uint64_t size = 0;

	unwind_rules_init(&rules);
	assert_int_equal(table_cache_save(c, &used, &empty, &rules), 0);
	for (uint64_t i = 1; i < TABLES; i++) {
		struct table_image_key key = key_of(i);

		assert_int_equal(table_cache_save(c, &key, &empty, &rules), 0);
		if (i % 256 == 0) {
			each_file(set_time, NULL);
			assert_int_equal(table_cache_load(c, &used, UINT64_MAX, &rules, &read), 0);
			unwind_table_fini(&read);
		}
	}
	int files = each_file(add_size, &size);

	assert_true(size <= BYTES && files < TABLES && files >= 512);
	assert_int_equal(table_cache_load(c, &used, UINT64_MAX, &rules, &read), 0);
	unwind_table_fini(&read);
	table_cache_close(c);
	/* A smaller bound holds from the start. What is not ours is left alone. */
	cleanup_free char *other = path_in("cache/other");

	close(open(other, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	c = open_cache(BYTES / 64);
	assert_true(each_file(NULL, NULL) <= 17);
	assert_int_equal(access(other, F_OK), 0);
	/* One table must not push out all others. */
	struct unwind_table large = {};

	vec_reserve(&large.rows, BYTES / 64);
	large.rows.len = BYTES / 64;
	memset(large.rows.data, 0, large.rows.len * sizeof(unwind_row));
	assert_int_equal(table_cache_save(c, &used, &large, &rules), -EFBIG);
	unwind_table_fini(&large);
	table_cache_close(c);
	unwind_rules_fini(&rules);
	remove_cache();
}

static void test_strangers(void **state)
{
	cleanup_free char *path = path_in("cache"), *link = path_in("link");
	struct table_cache *c;

	table_cache_close(open_cache(1 << 20));
	assert_int_equal(symlink("cache", link), 0);
	assert_true(table_cache_open(link, 1 << 20, &c, NULL) < 0);
	unlink(link);
	assert_int_equal(chmod(path, 0770), 0);
	assert_int_equal(table_cache_open(path, 1 << 20, &c, NULL), -EPERM);
	assert_int_equal(chmod(path, 0700), 0);
	remove_cache();
	assert_true(table_cache_open("/proc/none", 1 << 20, &c, NULL) < 0);
}

/* --- the store with a folder -------------------------------------------------------------------*/

static void start_store(const struct process *p, struct table_store_stats *ret)
{
	cleanup_free char *path = path_in("cache");

	tables_init(256 << 20, UNWIND_MAX_CHUNKS);
	assert_int_equal(table_store_set_cache(tables.store, path, 64 << 20, NULL), 0);
	tables_add_process(p);
	table_store_get_stats(tables.store, ret);
	tables_fini();
}

static void test_next_start(void **state)
{
	struct table_store_stats first, second, third;
	struct process p;

	assert_int_equal(process_read(getpid(), &p, NULL), 0);
	start_store(&p, &first);
	start_store(&p, &second);
	assert_int_equal(first.cached, 0);
	assert_true(first.loaded > 2);
	assert_int_equal(second.loaded, first.loaded);
	assert_int_equal(second.rows, first.rows);
	assert_int_equal(second.cached, second.loaded);
	print_message("%lu files, %zu rows: %.2f ms, then %.2f ms\n", first.loaded, first.rows,
		      (double)first.load_ns / 1e6, (double)second.load_ns / 1e6);
	each_file(flip_last_byte, NULL);
	start_store(&p, &third);
	assert_int_equal(third.cached, 0);
	assert_int_equal(third.cache_failed, third.loaded);
	assert_int_equal(third.rows, first.rows);
	process_fini(&p);
	remove_cache();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_image),	   cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_damage),	   cmocka_unit_test(test_folder),
		cmocka_unit_test(test_bound),	   cmocka_unit_test(test_strangers),
		cmocka_unit_test(test_next_start),
	};

	CHECK(mkdtemp(folder));
	int r = cmocka_run_group_tests(tests, NULL, NULL);

	rmdir(folder);
	return r;
}
