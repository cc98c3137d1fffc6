/* The kernel's names: from files like /proc/kallsyms, and from the real one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <unistd.h>

#include "base/io.h"
#include "symbol/symbol.h"
#include "symbol/kallsyms.h"

/* Read text as if it were /proc/kallsyms. */
static int read_text(const char *text, struct kallsyms *k, struct err *e)
{
	char path[] = "/tmp/glim-kallsyms-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(io_write_all(fd, text, strlen(text)), 0);
	close(fd);
	int r = kallsyms_read(path, k, e);

	unlink(path);
	return r;
}

static const char sample[] = "0000000000000000 A fixed_percpu_data\n"
			     "ffffffff81000000 T _text\n"
			     "ffffffff81000000 T startup_64\n"
			     "ffffffff81000100 t __pfx_local_work\n"
			     "ffffffff81000110 t local_work\n"
			     "ffffffff81000200 D some_data\n"
			     "ffffffffc0002000 t second_b\t[second]\n"
			     "ffffffffc0001000 T second_a\t[second]\n"
			     "ffffffffc0000000 t first\t[first]\n"
			     "ffffffff81000300 W weak_work\n"
			     "ffffffffc0008000 t bpf_prog_0123456789abcdef_probe\t[bpf]\n"
			     "this is not a line\n"
			     "ffffffff81000400 T\n"
			     "ffffffff81000400 T \n"
			     "\n"
			     "ffffffff81000500 t no_newline";

static void check(const struct kallsyms *k, uint64_t address, const char *name, const char *module)
{
	const char *n = NULL, *m = NULL;

	assert_int_equal(kallsyms_find(k, address, &n, &m), name != NULL);
	if (name) {
		assert_string_equal(n, name);
		assert_string_equal(m, module);
	}
}

static void test_sample(void **state)
{
	struct kallsyms k;
	struct err e;

	assert_int_equal(read_text(sample, &k, &e), 0);
	assert_int_equal(k.symbols.len, 8);
	check(&k, 0, NULL, NULL);
	check(&k, 0xffffffff80ffffff, NULL, NULL);
	check(&k, 0xffffffff81000000, "_text", "[kernel]");
	check(&k, 0xffffffff8100010f, "_text", "[kernel]");
	check(&k, 0xffffffff81000110, "local_work", "[kernel]");
	check(&k, 0xffffffff81000200, "local_work", "[kernel]");
	check(&k, 0xffffffff81000345, "weak_work", "[kernel]");
	check(&k, 0xffffffff81000501, "no_newline", "[kernel]");
	/* Nothing is said to be there, and no function is that long. */
	check(&k, 0xffffffffbfffffff, NULL, NULL);
	check(&k, 0xffffffffc0000fff, "first", "[first]");
	check(&k, 0xffffffffc0001000, "second_a", "[second]");
	check(&k, 0xffffffffc0002fff, "second_b", "[second]");
	check(&k, 0xffffffffc0008010, "bpf_prog_0123456789abcdef_probe", "[bpf]");
	check(&k, UINT64_MAX, NULL, NULL);
	kallsyms_fini(&k);
}

static void test_hidden(void **state)
{
	struct kallsyms k;
	struct err e;

	assert_int_equal(read_text("0000000000000000 T _text\n0000000000000000 t work\n", &k, &e),
			 -EPERM);
	assert_non_null(strstr(e.msg, "kernel.kptr_restrict"));
	assert_int_equal(read_text("", &k, &e), -ENOENT);
	assert_int_equal(read_text("ffffffff81000200 D some_data\n", &k, &e), -ENOENT);
	assert_int_equal(kallsyms_read("/nowhere/kallsyms", &k, &e), -ENOENT);
}

/* Ask for a function of the running kernel that every kernel has, at the address that the file
 * itself tells. */
static void test_real(void **state)
{
	cleanup_buf struct buf text = {};
	struct symbolizer *s;
	struct symbol found;
	struct err e;

	assert_int_equal(io_read_file("/proc/kallsyms", 256 << 20, &text), 0);
	const char *line = strstr(buf_cstr(&text), " T vfs_read\n");

	assert_non_null(line);
	assert_true(line - (const char *)text.data >= 16);
	uint64_t address = strtoull(line - 16, NULL, 16);

	assert_int_equal(symbolizer_new(1 << 20, &s, &e), 0);
	symbolizer_kernel(s, address + 1, &found);
	if (address) {
		assert_int_equal(symbolizer_kernel_status(s, &e), 0);
		assert_string_equal(found.name, "vfs_read");
	} else {
		/* Not root: then the reason must be told. */
		assert_int_equal(symbolizer_kernel_status(s, &e), -EPERM);
		assert_string_equal(found.name, "");
	}
	assert_string_equal(found.module, "[kernel]");
	symbolizer_kernel(s, 4096, &found);
	assert_string_equal(found.name, "");
	assert_string_equal(found.module, "[kernel]");
	symbolizer_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sample),
		cmocka_unit_test(test_hidden),
		cmocka_unit_test(test_real),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
