/* Names of functions of running programs, which say themselves what is right. */
#include "target.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "symbol/debug_file.h"
#include "symbol/symbol.h"

static const char *folder;

static char *target_path(const char *name)
{
	return mem_asprintf("%s/names_%s", folder, name);
}

static void test_every_link(void **state)
{
	static const char *const names[] = {"pie",	 "nopie",    "static",
					    "staticpie", "stripped", "cxx"};
	struct symbolizer *s = new_symbolizer(BOUND);

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		cleanup_free char *path = target_path(names[i]);
		struct target t;

		target_start(path, &t);
		/* One name, then the others, for which the file must be opened again. */
		ask(s, &t.process, t.truths.data[0].address);
		symbolizer_trim(s);
		check_names(s, &t, strrchr(path, '/') + 1, !strcmp(names[i], "stripped"));
		target_end(&t);
	}
	symbolizer_free(s);
}

/* An upgrade while the program runs: its file is gone, another has the name. Only root can still
 * reach the old one; others must get no names rather than those of the new one. */
static void test_deleted_and_replaced(void **state)
{
	cleanup_free char *pie = target_path("pie"), *stripped = target_path("cxx");
	cleanup_free char *path = temporary();
	struct symbolizer *s = new_symbolizer(BOUND);
	struct target t;

	copy(pie, path);
	target_start(path, &t);
	assert_int_equal(unlink(path), 0);
	process_refresh(&t.process, NULL);
	for (int i = 0; i < 2; i++) {
		if (geteuid())
			assert_string_equal(ask(s, &t.process, t.truths.data[0].address).name, "");
		else
			check_names(s, &t, strrchr(path, '/') + 1, false);
		copy(stripped, path);
		symbolizer_trim(s);
	}
	target_end(&t);
	/* A new process of the new file is not mixed up with the old one. */
	target_start(path, &t);
	check_names(s, &t, strrchr(path, '/') + 1, false);
	target_end(&t);
	unlink(path);
	symbolizer_free(s);
}

/* Samples of a process that ended before anybody asked for its names. */
static void test_ended(void **state)
{
	cleanup_free char *path = target_path("pie");
	struct symbolizer *s = new_symbolizer(BOUND);
	struct target t;

	target_start(path, &t);
	target_kill(&t);
	check_names(s, &t, "names_pie", false);
	target_end(&t);
	symbolizer_free(s);
}

__attribute__((noinline, used)) static int function_of_this_test(int x)
{
	return x + 1;
}

static void read_self(struct process *p)
{
	struct err e;

	if (process_read(getpid(), p, &e))
		fail_msg("%s", e.msg);
}

static void test_self(void **state)
{
	struct symbolizer *s = new_symbolizer(BOUND);
	struct process p;
	struct symbol found;
	struct symbolizer_stats st;

	read_self(&p);
	found = ask(s, &p, (uintptr_t)function_of_this_test);
	assert_string_equal(found.name, "function_of_this_test");
	assert_string_equal(found.module, "test_symbol");
	/* Whatever maps no file. */
	char *anon = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	process_refresh(&p, NULL);
	found = ask(s, &p, (uintptr_t)anon + 5);
	assert_string_equal(found.name, "");
	assert_string_equal(found.module, "[anon]");
	assert_true(found.address == (uintptr_t)anon + 5);
	munmap(anon, 4096);
	struct symbol nowhere[SYMBOL_MAX_INLINED];

	assert_int_equal(symbolizer_user(s, &p, NULL, 77, nowhere), 1);
	found = nowhere[0];
	assert_string_equal(found.name, "");
	assert_string_equal(found.module, "[anon]");
	symbolizer_stats(s, &st);
	assert_int_equal(st.hits, 1);
	assert_int_equal(st.misses, 2);
	assert_int_equal(st.files, 1);
	assert_true(st.symbols > 10 && st.bytes >= 12 * st.symbols && st.bytes < BOUND);
	process_fini(&p);
	symbolizer_free(s);
}

/* Walk the vdso's addresses: its functions have names, of the C library's calls. */
static void test_vdso(void **state)
{
	struct symbolizer *s = new_symbolizer(BOUND);
	struct process p;
	size_t named = 0;

	read_self(&p);
	for (size_t i = 0; i < p.mappings.len; i++) {
		const struct mapping *m = &p.mappings.data[i];

		if (strcmp(m->path, "[vdso]"))
			continue;
		for (uint64_t a = m->start; a < m->end; a += 16) {
			struct symbol found = ask(s, &p, a);

			assert_string_equal(found.module, "[vdso]");
			named += !strcmp(found.name, "clock_gettime");
		}
	}
	assert_true(named > 0);
	process_fini(&p);
	symbolizer_free(s);
}

/* Two processes of one file share its table; no file stays open behind a window. */
static void test_shared(void **state)
{
	cleanup_free char *path = target_path("static");
	struct symbolizer *s = new_symbolizer(BOUND);
	struct symbolizer_stats one, two;
	struct target a, b;

	target_start(path, &a);
	target_start(path, &b);
	size_t files = open_files();

	check_names(s, &a, "names_static", false);
	symbolizer_stats(s, &one);
	check_names(s, &b, "names_static", false);
	symbolizer_stats(s, &two);
	assert_int_equal(one.files, 1);
	assert_int_equal(two.files, 1);
	assert_int_equal(one.bytes, two.bytes);
	assert_true(open_files() > files);
	symbolizer_trim(s);
	assert_int_equal(open_files(), files);
	target_end(&a);
	target_end(&b);
	symbolizer_free(s);
}

/* A megabyte of name, and one that only looks mangled: cut, and marked as cut. */
static void test_long_names(void **state)
{
	enum { LONG = 1000000, SHOWN = 2048 };
	cleanup_free char *path = target_path("pie"), *made = temporary();
	cleanup_free char *name = mem_calloc(LONG + 1, 1);
	struct symbolizer *s = new_symbolizer(BOUND);
	struct target t;

	memset(name, 'x', LONG);
	cleanup_free char *list = mem_asprintf("%s.list", made);
	FILE *f = fopen(list, "w");

	fprintf(f, "plain_function %s\nstatic_function _Z%s\n", name, name);
	fclose(f);
	run("objcopy --redefine-syms=%s %s %s && rm %s", list, path, made, list);
	target_start(made, &t);
	for (size_t i = 0; i < t.truths.len; i++) {
		struct symbol found = ask(s, &t.process, t.truths.data[i].address);

		if (strcmp(t.truths.data[i].name, "plain_function") &&
		    strcmp(t.truths.data[i].name, "static_function"))
			continue;
		assert_int_equal(strlen(found.name), SHOWN);
		assert_string_equal(found.name + SHOWN - 5, "xx...");
	}
	target_end(&t);
	unlink(made);
	symbolizer_free(s);
}

/* Copies of one file, as containers have them, share a table, and read it again from any of them. A
 * copy that belongs to somebody else does not count: he could have changed the names in it. */
static void test_copies(void **state)
{
	cleanup_free char *path = target_path("static");
	cleanup_free char *first = temporary(), *second = temporary();
	struct symbolizer *s = new_symbolizer(BOUND);
	struct symbolizer_stats one, two;
	struct target a, b;

	copy(path, first);
	copy(path, second);
	if (!geteuid())
		assert_int_equal(chown(second, 12345, 0), 0);
	target_start(path, &a);
	target_start(first, &b);
	check_names(s, &a, "names_static", false);
	symbolizer_stats(s, &one);
	check_names(s, &b, strrchr(first, '/') + 1, false);
	symbolizer_stats(s, &two);
	assert_int_equal(two.files, 1);
	assert_int_equal(one.bytes, two.bytes);
	/* The first process and its file go. */
	target_end(&a);
	symbolizer_trim(s);
	check_names(s, &b, strrchr(first, '/') + 1, false);
	target_end(&b);
	target_start(second, &b);
	check_names(s, &b, strrchr(second, '/') + 1, false);
	symbolizer_stats(s, &two);
	assert_int_equal(two.files, geteuid() ? 1 : 2);
	target_end(&b);
	unlink(first);
	unlink(second);
	symbolizer_free(s);
}

/* A bound that holds one of two tables: the older goes, and comes back when asked for. */
static void test_bound(void **state)
{
	cleanup_free char *first = target_path("static"), *second = target_path("staticpie");
	struct symbolizer *s = new_symbolizer(BOUND);
	struct symbolizer_stats st;
	struct target a, b;

	target_start(first, &a);
	target_start(second, &b);
	check_names(s, &a, "names_static", false);
	symbolizer_stats(s, &st);
	symbolizer_free(s);
	size_t bound = st.bytes * 3 / 2;

	s = new_symbolizer(bound);
	for (int i = 0; i < 3; i++) {
		check_names(s, &a, "names_static", false);
		symbolizer_trim(s);
		check_names(s, &b, "names_staticpie", false);
		symbolizer_stats(s, &st);
		assert_true(st.bytes <= bound + 4096 && st.files == 1 && !st.refused);
		symbolizer_trim(s);
		symbolizer_stats(s, &st);
		assert_true(st.bytes <= bound);
	}
	/* Both in one window: the second has to wait for the next one. */
	check_names(s, &a, "names_static", false);
	assert_string_equal(ask(s, &b.process, b.truths.data[0].address).name, "");
	assert_string_equal(ask(s, &a.process, a.truths.data[0].address).name,
			    a.truths.data[0].name);
	symbolizer_stats(s, &st);
	assert_int_equal(st.refused, 1);
	assert_true(st.bytes <= bound + 4096);
	symbolizer_trim(s);
	check_names(s, &b, "names_staticpie", false);
	symbolizer_free(s);
	/* Too small for any: no names, and addresses all the same. */
	s = new_symbolizer(100);
	struct symbol found = ask(s, &a.process, a.truths.data[0].address);

	assert_string_equal(found.name, "");
	assert_string_equal(found.module, "names_static");
	assert_true(found.address == a.truths.data[0].address);
	symbolizer_free(s);
	assert_int_equal(symbolizer_new(0, &s, NULL), -EINVAL);
	target_end(&a);
	target_end(&b);
}

/* Executable mappings of what is no ELF file, of nothing at all, or damaged. */
static void test_no_elf(void **state)
{
	cleanup_free char *path = temporary();
	struct symbolizer *s = new_symbolizer(BOUND);
	struct process p;
	struct err e;
	char text[4096];

	memset(text, 'x', sizeof(text));
	assert_int_equal(io_write_file(path, text, sizeof(text), 0700, &e), 0);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *at = mmap(NULL, sizeof(text), PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);

	close(fd);
	read_self(&p);
	struct symbol found = ask(s, &p, (uintptr_t)at + 9);

	assert_string_equal(found.name, "");
	assert_string_equal(found.module, strrchr(path, '/') + 1);
	assert_int_equal(found.address, 9);
	munmap(at, sizeof(text));
	unlink(path);
	process_fini(&p);
	symbolizer_free(s);
}

/* Wait for the names of an address; how many times it had none yet. */
static size_t await_name(struct symbolizer *s, const struct process *p, uint64_t address)
{
	size_t n = 0;

	for (; ask(s, p, address).later; n++)
		symbolizer_wait(s, NSEC_PER_SEC);
	return n;
}

/* Files that a thread reads: each says that its names come later, and has all of them then, though
 * the process ended meanwhile. */
static void test_loader(void **state)
{
	static const char *const names[] = {"pie", "static", "staticpie", "stripped", "cxx"};
	struct symbolizer *s = new_symbolizer(BOUND);
	struct symbolizer_stats st;
	struct target t[ARRAY_SIZE(names)];

	symbolizer_set_loader(s, 1);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		cleanup_free char *path = target_path(names[i]);

		target_start(path, &t[i]);
		struct symbol found = ask(s, &t[i].process, t[i].truths.data[0].address);

		assert_true(found.later);
		assert_string_equal(found.name, "");
		assert_string_equal(found.module, strrchr(path, '/') + 1);
		target_kill(&t[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		cleanup_free char *path = target_path(names[i]);

		await_name(s, &t[i].process, t[i].truths.data[0].address);
		check_names(s, &t[i], strrchr(path, '/') + 1, !strcmp(names[i], "stripped"));
		target_end(&t[i]);
	}
	symbolizer_stats(s, &st);
	assert_int_equal(st.files, ARRAY_SIZE(names));
	assert_int_equal(st.refused + st.postponed, 0);
	symbolizer_free(s);
}

/* A window ends, memory is short, the symbolizer goes: while a file is being read, and another
 * waits. A copy waits for the same table. */
static void test_loader_is_interrupted(void **state)
{
	cleanup_free char *first = target_path("static"), *second = target_path("staticpie");
	cleanup_free char *twin = temporary();
	struct symbolizer *s = new_symbolizer(BOUND);
	struct symbolizer_stats st;
	struct target a, b, c;

	copy(first, twin);
	target_start(first, &a);
	target_start(second, &b);
	target_start(twin, &c);
	symbolizer_set_loader(s, 1);
	for (int i = 0; i < 2; i++) {
		assert_true(ask(s, &a.process, a.truths.data[0].address).later);
		ask(s, &b.process, b.truths.data[0].address);
		symbolizer_free(s);
		s = new_symbolizer(BOUND);
		symbolizer_set_loader(s, 1);
	}
	assert_true(ask(s, &a.process, a.truths.data[0].address).later);
	ask(s, &c.process, c.truths.data[0].address);
	symbolizer_trim(s);
	await_name(s, &a.process, a.truths.data[0].address);
	assert_false(ask(s, &c.process, c.truths.data[0].address).later);
	check_names(s, &a, "names_static", false);
	check_names(s, &c, strrchr(twin, '/') + 1, false);
	symbolizer_stats(s, &st);
	assert_int_equal(st.files, 1);
	symbolizer_free(s);
	/* Room for one: the other is refused in this window and read in the next. */
	s = new_symbolizer(st.bytes * 3 / 2);
	symbolizer_set_loader(s, 1);
	await_name(s, &a.process, a.truths.data[0].address);
	await_name(s, &b.process, b.truths.data[0].address);
	assert_string_equal(ask(s, &b.process, b.truths.data[0].address).name, "");
	symbolizer_stats(s, &st);
	assert_int_equal(st.refused, 1);
	symbolizer_trim(s);
	await_name(s, &b.process, b.truths.data[0].address);
	check_names(s, &b, "names_staticpie", false);
	symbolizer_free(s);
	target_end(&a);
	target_end(&b);
	target_end(&c);
	unlink(twin);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_link), cmocka_unit_test(test_deleted_and_replaced),
		cmocka_unit_test(test_ended),	   cmocka_unit_test(test_self),
		cmocka_unit_test(test_vdso),	   cmocka_unit_test(test_shared),
		cmocka_unit_test(test_copies),	   cmocka_unit_test(test_long_names),
		cmocka_unit_test(test_bound),	   cmocka_unit_test(test_no_elf),
		cmocka_unit_test(test_loader),	   cmocka_unit_test(test_loader_is_interrupted),
	};

	CHECK(argc == 2);
	folder = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
