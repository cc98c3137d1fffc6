/* Names of entries of procedure linkage tables, compared with what objdump says of the same files.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>

#include "symbol/demangle.h"
#include "symbol/plt.h"
#include "symbol/table.h"

static const char *folder;

static void open_table(const char *path, struct elf_file **f, struct symbol_table *t)
{
	assert_int_equal(elf_file_open(open(path, O_RDONLY | O_CLOEXEC), f, NULL), 0);
	assert_int_equal(symbol_table_read(*f, *f, 1 << 20, t, NULL), 0);
}

static char *name_at(const struct elf_file *f, const struct symbol_table *t, uint64_t address)
{
	const struct table_symbol *s = symbol_table_find(t, address);
	char *name = NULL;

	if (!s)
		return mem_strdup("");
	assert_int_equal(symbol_table_name(t, s, (int[]){f->fd, f->fd}, &name), 0);
	return name;
}

/* Lines "0000000000001030 <puts@plt>:" of the disassembly. Returns how many were right. */
static size_t compare(const char *path)
{
	cleanup_free char *command = mem_asprintf("objdump -d -j .plt -j .plt.got -j .plt.sec %s "
						  "2>/dev/null",
						  path);
	char line[500], want[200];
	struct symbol_table t;
	struct elf_file *f;
	uint64_t address;
	size_t right = 0;

	open_table(path, &f, &t);
	FILE *p = popen(command, "r");

	while (fgets(line, sizeof(line), p)) {
		/* "<puts@plt-0x10>" is the entry before the first, which is of no function. */
		if (sscanf(line, "%lx <%199[^>]>:", &address, want) != 2 || !strstr(want, "@plt") ||
		    strchr(want, '-') || strchr(want, '*'))
			continue;
		for (int i = 0; i < 8; i += 7) {
			cleanup_free char *got = name_at(f, &t, address + (uint64_t)i);

			assert_string_equal(got, want);
		}
		right++;
	}
	pclose(p);
	symbol_table_fini(&t);
	elf_file_close(f);
	return right;
}

static size_t count_named(const char *path, const char *name)
{
	struct symbol_table t;
	struct elf_file *f;
	plt_entry_vec entries = {};
	size_t n = 0;

	open_table(path, &f, &t);
	plt_read(f, &entries);
	for (size_t i = 0; i < entries.len; i++) {
		cleanup_free char *raw = name_at(f, &t, entries.data[i].address + 3);
		cleanup_free char *shown = demangle(raw);

		assert_string_equal(raw + strlen(raw) - 4, "@plt");
		n += !strcmp(shown, name);
	}
	vec_fini(&entries);
	symbol_table_fini(&t);
	elf_file_close(f);
	return n;
}

static void test_linkers(void **state)
{
	static const struct {
		const char *how;
		size_t entries;
	} kinds[] = {{"lazy", 9}, {"now", 9}, {"ibt", 9}, {"ibt_now", 9}, {"gold", 8}};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		cleanup_free char *path = mem_asprintf("%s/plt_%s", folder, kinds[i].how);
		bool two_halves = !strncmp(kinds[i].how, "ibt", 3);

		assert_true(compare(path) >= kinds[i].entries);
		assert_true(count_named(path, "printf@plt") == (two_halves ? 2 : 1));
		assert_true(count_named(path, "glim::there@plt") == (two_halves ? 2 : 1));
	}
}

/* A static program has entries for functions that are chosen when it starts. */
static void test_static(void **state)
{
	cleanup_free char *path = mem_asprintf("%s/plt_static", folder);

	assert_int_equal(count_named(path, "strcpy@plt"), 1);
	assert_int_equal(count_named(path, "nothing@plt"), 0);
}

/* What the machine has: large, of other linkers and years. */
static void test_libraries(void **state)
{
	static const char *const paths[] = {"/lib/x86_64-linux-gnu/libc.so.6", "/bin/sh",
					    "/usr/lib/x86_64-linux-gnu/libcrypto.so.3",
					    "/usr/lib/x86_64-linux-gnu/libstdc++.so.6"};
	size_t right = 0;

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		right += compare(paths[i]);
	assert_true(right > 100);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_linkers),
		cmocka_unit_test(test_static),
		cmocka_unit_test(test_libraries),
	};

	CHECK(argc == 2);
	folder = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
