/* Names of functions of running programs, which say themselves what is right. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
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

enum { BOUND = 8 << 20 };

static const char *folder;

/* A program of targets/ while it runs, and what it printed. */
struct target {
	pid_t pid;
	VEC(struct truth {
		uint64_t address;
		char name[100];
	})
	truths;
	struct process process;
};

static struct symbolizer *new_symbolizer(size_t bound)
{
	struct symbolizer *s;
	struct err e;

	if (symbolizer_new(bound, &s, &e))
		fail_msg("%s", e.msg);
	return s;
}

static void target_start(const char *path, struct target *t)
{
	char line[200];
	int fds[2];
	struct err e;

	memset(t, 0, sizeof(*t));
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	t->pid = fork();
	assert_true(t->pid >= 0);
	if (!t->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(fds[1], STDOUT_FILENO);
		execl(path, path, (char *)NULL);
		_exit(127);
	}
	close(fds[1]);
	cleanup_fclose FILE *f = fdopen(fds[0], "r");

	for (;;) {
		struct truth truth;

		assert_non_null(fgets(line, sizeof(line), f));
		if (!strcmp(line, "end\n"))
			break;
		char *blank = strchr(line, ' ');

		assert_non_null(blank);
		truth.address = strtoull(line, NULL, 16);
		snprintf(truth.name, sizeof(truth.name), "%.*s", (int)strcspn(blank + 1, "\n"),
			 blank + 1);
		vec_push(&t->truths, truth);
	}
	if (process_read(t->pid, &t->process, &e))
		fail_msg("%s", e.msg);
}

static void target_kill(struct target *t)
{
	if (t->pid) {
		kill(t->pid, SIGKILL);
		waitpid(t->pid, NULL, 0);
	}
	t->pid = 0;
}

static void target_end(struct target *t)
{
	target_kill(t);
	vec_fini(&t->truths);
	process_fini(&t->process);
}

static char *target_path(const char *name)
{
	return mem_asprintf("%s/names_%s", folder, name);
}

static struct symbol ask(struct symbolizer *s, const struct process *p, uint64_t address)
{
	struct symbol found[SYMBOL_MAX_INLINED];
	size_t n = symbolizer_user(s, p, process_find_mapping(p, address), address, found);

	assert_in_range(n, 1, SYMBOL_MAX_INLINED);
	for (size_t i = 0; i < n; i++) {
		assert_non_null(found[i].name);
		assert_non_null(found[i].module);
		assert_non_null(found[i].file);
	}
	return found[n - 1];
}

/* All names right? Where symbols were stripped, static functions have none. */
static void check_names(struct symbolizer *s, const struct target *t, const char *module,
			bool stripped)
{
	assert_true(t->truths.len >= 8);
	for (size_t i = 0; i < t->truths.len; i++) {
		const struct truth *truth = &t->truths.data[i];
		bool unknown = stripped && !strncmp(truth->name, "static", 6);
		struct symbol found = ask(s, &t->process, truth->address);

		assert_string_equal(found.name, unknown ? "" : truth->name);
		/* Addresses without a function may be of the stack. */
		if (*truth->name)
			assert_string_equal(found.module, module);
	}
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

static void copy(const char *from, const char *to)
{
	cleanup_buf struct buf b = {};
	struct err e;

	assert_int_equal(io_read_file(from, 64 << 20, &b), 0);
	assert_int_equal(io_write_file(to, b.data, b.len, 0700, &e), 0);
}

static char *temporary(void)
{
	char *path = mem_strdup("/tmp/glim-symbol-XXXXXX");
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	close(fd);
	return path;
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

static size_t open_files(void)
{
	DIR *d = opendir("/proc/self/fd");
	size_t n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
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

static void run(const char *command)
{
	assert_int_equal(system(command), 0);
}

/* Split a program into one without symbols and the debug file below folder; returns its path. */
static char *split(const char *program, const char *stripped, const char *debug_folder)
{
	cleanup_free char *copy_debug =
		mem_asprintf("objcopy --only-keep-debug %s %s.debug", program, stripped);
	cleanup_free char *strip = mem_asprintf("strip -o %s %s", stripped, program);
	struct build_id id = {};
	struct elf_file *f;
	char hex[41] = "";

	run(copy_debug);
	run(strip);
	assert_int_equal(elf_file_open(open(program, O_RDONLY | O_CLOEXEC), &f, NULL), 0);
	id.len = elf_file_build_id(f, id.bytes);
	elf_file_close(f);
	assert_int_equal(id.len, 20);
	for (int i = 0; i < id.len; i++)
		sprintf(hex + 2 * i, "%02x", id.bytes[i]);
	char *path = mem_asprintf("%s/.build-id/%.2s/%s.debug", debug_folder, hex, hex + 2);
	cleanup_free char *install =
		mem_asprintf("install -D %s.debug %s && rm %s.debug", stripped, path, stripped);

	run(install);
	return path;
}

static void test_debug_file(void **state)
{
	cleanup_free char *program = target_path("pie"), *other = target_path("nopie");
	cleanup_free char *path = temporary();
	char debug_folder[] = "/tmp/glim-debug-XXXXXX";
	struct symbolizer *s = new_symbolizer(BOUND);
	struct target t;

	assert_non_null(mkdtemp(debug_folder));
	cleanup_free char *debug = split(program, path, debug_folder);
	cleanup_free char *cleanup_command = mem_asprintf("rm -r %s", debug_folder);

	target_start(path, &t);
	assert_string_equal(ask(s, &t.process, t.truths.data[0].address).name, "");
	symbolizer_free(s);
	s = new_symbolizer(BOUND);
	symbolizer_set_debug_folder(s, debug_folder);
	size_t files = open_files();

	/* One name, then the others, for which the debug file must be opened again. */
	ask(s, &t.process, t.truths.data[0].address);
	symbolizer_trim(s);
	assert_int_equal(open_files(), files);
	check_names(s, &t, strrchr(path, '/') + 1, false);
	symbolizer_trim(s);
	assert_int_equal(open_files(), files);
	symbolizer_free(s);
	/* A debug file of another program, whatever its name says. */
	copy(other, debug);
	s = new_symbolizer(BOUND);
	symbolizer_set_debug_folder(s, debug_folder);
	assert_string_equal(ask(s, &t.process, t.truths.data[0].address).name, "");
	symbolizer_free(s);
	target_end(&t);
	run(cleanup_command);
	unlink(path);
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

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_link), cmocka_unit_test(test_deleted_and_replaced),
		cmocka_unit_test(test_ended),	   cmocka_unit_test(test_self),
		cmocka_unit_test(test_vdso),	   cmocka_unit_test(test_shared),
		cmocka_unit_test(test_bound),	   cmocka_unit_test(test_debug_file),
		cmocka_unit_test(test_no_elf),
	};

	CHECK(argc == 2);
	folder = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
