/* Code made at run time: by this process, by one in namespaces of its own, and by Node.js. */
#include "target.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "symbol/jitdump.h"
#include "symbol/perf_map.h"

enum { CODE = 1 << 16 };

static char *code; /* memory that could be code */
static char map_path[64], dump_path[64];
static int dump_fd = -1;
static struct process self;

static void read_self(void)
{
	process_fini(&self);
	assert_int_equal(process_read(getpid(), &self, NULL), 0);
}

static int set_up(void **state)
{
	snprintf(map_path, sizeof(map_path), "/tmp/perf-%d.map", (int)getpid());
	snprintf(dump_path, sizeof(dump_path), "/tmp/jit-%d.dump", (int)getpid());
	code = mmap(NULL, CODE, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(code, MAP_FAILED);
	read_self();
	return 0;
}

static int tear_down(void **state)
{
	munmap(code, CODE);
	unlink(map_path);
	unlink(dump_path);
	process_fini(&self);
	return 0;
}

static void append(const char *fmt, ...) PRINTF_LIKE(1, 2);
static void append(const char *fmt, ...)
{
	FILE *f = fopen(map_path, "a");
	va_list args;

	assert_non_null(f);
	va_start(args, fmt);
	vfprintf(f, fmt, args);
	va_end(args);
	fclose(f);
}

static struct symbol ask_code(struct symbolizer *s, size_t behind)
{
	return ask(s, &self, (uintptr_t)code + behind);
}

/* Files are looked at again after some milliseconds: ask until the name is there. */
static void await_name(struct symbolizer *s, const struct process *p, uint64_t address,
		       const char *name)
{
	int64_t end = clock_mono_ns() + 60 * NSEC_PER_SEC;

	while (strcmp(ask(s, p, address).name, name) && clock_mono_ns() < end)
		sched_yield();
	assert_string_equal(ask(s, p, address).name, name);
}

static void await_code(struct symbolizer *s, size_t behind, const char *name)
{
	await_name(s, &self, (uintptr_t)code + behind, name);
}

/* ---- perf maps ---- */

static void test_perf_map(void **state)
{
	struct symbolizer *s = new_symbolizer(BOUND);
	struct symbolizer_stats st;
	struct symbol found;

	append("%lx 20 JS:*hot /app/main.js:3:7\n", (long)code + 0x100);
	append("0x%lx 0x10 _ZN3foo3barEv\n", (long)code + 0x200);
	append("%lx 10 half a line", (long)code + 0x300);
	found = ask_code(s, 0x100);
	assert_string_equal(found.name, "JS:*hot /app/main.js:3:7");
	assert_string_equal(found.module, "[jit]");
	assert_string_equal(found.file, "");
	assert_string_equal(ask_code(s, 0x11f).name, "JS:*hot /app/main.js:3:7");
	assert_string_equal(ask_code(s, 0x120).name, "");
	assert_string_equal(ask_code(s, 0x120).module, "[anon]");
	assert_string_equal(ask_code(s, 0x20f).name, "foo::bar");
	assert_string_equal(ask_code(s, 0x300).name, "");
	/* More of it, and other code in the same place. */
	append(" and its end\n%lx 8 newer\n", (long)code + 0x108);
	await_code(s, 0x300, "half a line and its end");
	assert_string_equal(ask_code(s, 0x107).name, "JS:*hot /app/main.js:3:7");
	assert_string_equal(ask_code(s, 0x108).name, "newer");
	assert_string_equal(ask_code(s, 0x110).name, "JS:*hot /app/main.js:3:7");
	/* No file stays open behind a window. */
	size_t files = open_files();

	symbolizer_trim(s);
	assert_int_equal(open_files(), files - 1);
	assert_string_equal(ask_code(s, 0x100).name, "JS:*hot /app/main.js:3:7");
	symbolizer_stats(s, &st);
	assert_int_equal(st.jit.processes, 1);
	assert_int_equal(st.jit.ranges, 5);
	assert_int_equal(st.jit.ignored, 0);
	/* Written anew, longer than before: what it said no longer counts. */
	assert_int_equal(truncate(map_path, 0), 0);
	for (int i = 0; i < 100; i++)
		append("%lx 10 second life\n", (long)code + 0x1000);
	await_code(s, 0x1000, "second life");
	assert_string_equal(ask_code(s, 0x100).name, "");
	/* Another file of this name. */
	unlink(map_path);
	append("%lx 10 third life\n", (long)code + 0x1000);
	symbolizer_trim(s);
	await_code(s, 0x1000, "third life");
	symbolizer_free(s);
}

/* Memory that is shared, as .NET makes code, and what is no made code at all. */
static void test_mappings(void **state)
{
	struct symbolizer *s = new_symbolizer(BOUND);
	int fd = memfd_create("doublemapper", MFD_CLOEXEC);

	assert_int_equal(ftruncate(fd, CODE), 0);
	char *shared = mmap(NULL, CODE, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);

	append("%lx 10 in a memfd\n", (long)shared + 16);
	append("%lx 10 lie\n", (long)(uintptr_t)test_mappings);
	read_self();
	assert_string_equal(ask(s, &self, (uintptr_t)shared + 16).name, "in a memfd");
	assert_string_equal(ask(s, &self, (uintptr_t)test_mappings).name, "test_mappings");
	munmap(shared, CODE);
	close(fd);
	symbolizer_free(s);
}

static void expect_unnamed(const char *why)
{
	struct symbolizer *s = new_symbolizer(BOUND);

	if (*ask_code(s, 0x100).name)
		fail_msg("a name from %s", why);
	symbolizer_free(s);
}

/* Files that anybody could have put there. */
static void test_not_believed(void **state)
{
	char other[80];
	struct timespec old[2] = {{1000000000, 0}, {1000000000, 0}};

	snprintf(other, sizeof(other), "%s.other", map_path);
	append("%lx 10 name\n", (long)code + 0x100);
	assert_int_equal(rename(map_path, other), 0);
	assert_int_equal(symlink(other, map_path), 0);
	expect_unnamed("a symbolic link");
	unlink(map_path);
	assert_int_equal(mkfifo(map_path, 0600), 0);
	expect_unnamed("a pipe");
	unlink(map_path);
	assert_int_equal(mkdir(map_path, 0700), 0);
	expect_unnamed("a folder");
	rmdir(map_path);
	assert_int_equal(rename(other, map_path), 0);
	assert_int_equal(utimensat(AT_FDCWD, map_path, old, 0), 0);
	expect_unnamed("a file of an earlier process with this number");
	if (!geteuid()) {
		assert_int_equal(utimensat(AT_FDCWD, map_path, NULL, 0), 0);
		assert_int_equal(chown(map_path, 12345, 0), 0);
		expect_unnamed("a file of another user");
	}
}

static void test_hostile_lines(void **state)
{
	struct symbolizer *s = new_symbolizer(BOUND);
	struct symbolizer_stats st;
	cleanup_free char *name = mem_calloc(1000001, 1);

	memset(name, 'n', 1000000);
	append("\n \nx\n10\n10 10\n10 10 \n10 0 empty\n-1 10 minus\n12345678901234567 1 long\n");
	append("ffffffffffffffff 10 wraps\n\t10 10 tab\n10  10 blanks\n0x 10 nothing\n");
	append("%lx 10 %s\n%lx 10 after\n", (long)code + 0x100, name, (long)code + 0x200);
	append("%lx 10 \033[31mred\n", (long)code + 0x300);
	assert_string_equal(ask_code(s, 0x200).name, "after");
	assert_int_equal(strlen(ask_code(s, 0x100).name), 2048);
	assert_string_equal(ask_code(s, 0x100).name + 2045, "...");
	assert_string_equal(ask_code(s, 0x300).name, "\033[31mred");
	symbolizer_stats(s, &st);
	assert_int_equal(st.jit.ignored, 13);
	assert_int_equal(st.jit.ranges, 3);
	symbolizer_free(s);
}

/* More than fits: the rest is left out, and said. */
static void test_bound(void **state)
{
	enum { LINES = 300000 };
	struct symbolizer *s = new_symbolizer(BOUND);
	struct symbolizer_stats st;
	FILE *f = fopen(map_path, "w");

	for (int i = 0; i < LINES; i++)
		fprintf(f, "%lx 10 function_%d\n", (long)code + 32L * i, i);
	fclose(f);
	await_code(s, 32 * 40, "function_40");
	int64_t end = clock_mono_ns() + 60 * NSEC_PER_SEC;

	do {
		assert_string_equal(ask_code(s, 8).name, "function_0");
		assert_string_equal(ask_code(s, 24).name, "");
		symbolizer_stats(s, &st);
		assert_true(st.bytes <= BOUND / 4 + st.symbols * 12 + (64 << 10));
	} while (!st.jit.left_out && clock_mono_ns() < end);
	assert_int_equal(st.jit.left_out, 1);
	assert_in_range(st.jit.ranges, 60000, LINES);
	symbolizer_free(s);
}

/* A process that sees itself as number 1, below another root. */
static void in_namespaces(const char *root, int fd)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (chroot(root) || chdir("/") || mkdir("/tmp", 0700))
		_exit(126);
	snprintf(map_path, sizeof(map_path), "/tmp/perf-%d.map", (int)getpid());
	if (getpid() != 1)
		_exit(125);
	append("%lx 10 inside\n", (long)code + 0x100);
	if (write(fd, "x", 1) != 1)
		_exit(124);
	for (;;)
		pause();
}

static pid_t child_of(pid_t pid)
{
	cleanup_free char *path = mem_asprintf("/proc/%d/task/%d/children", (int)pid, (int)pid);
	cleanup_buf struct buf b = {};

	assert_int_equal(io_read_file(path, 100, &b), 0);
	return atoi(buf_cstr(&b));
}

static void test_namespaces(void **state)
{
	char root[] = "/tmp/glim-jit-XXXXXX", byte;
	struct symbolizer *s = new_symbolizer(BOUND);
	struct process p;
	int fds[2];

	assert_non_null(mkdtemp(root));
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid_t outer = fork();

	if (!outer) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (unshare(CLONE_NEWPID | (geteuid() ? CLONE_NEWUSER : 0)))
			_exit(123);
		pid_t inner = fork();

		if (!inner)
			in_namespaces(root, fds[1]);
		waitpid(inner, NULL, 0);
		_exit(0);
	}
	close(fds[1]);
	assert_int_equal(read(fds[0], &byte, 1), 1);
	close(fds[0]);
	pid_t inner = child_of(outer);

	assert_int_equal(process_read(inner, &p, NULL), 0);
	assert_string_equal(ask(s, &p, (uintptr_t)code + 0x108).name, "inside");
	/* Its names are not ours. */
	assert_string_equal(ask_code(s, 0x108).name, "");
	kill(inner, SIGKILL);
	waitpid(outer, NULL, 0);
	process_fini(&p);
	run("rm -r %s", root);
	symbolizer_free(s);
}

/* ---- jitdump ---- */

struct record {
	uint32_t id, size;
	uint64_t time;
};

static void put(const void *p, size_t n)
{
	assert_int_equal(io_write_all(dump_fd, p, n), 0);
}

static void put_numbers(const uint64_t *v, size_t n)
{
	put(v, n * sizeof(*v));
}

static void dump_start(void)
{
	const uint32_t head[] = {0x4A695444, 1, 40, 62, 0, (uint32_t)getpid(), 0, 0, 0, 0};

	dump_fd = open(dump_path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(dump_fd >= 0);
	put(head, sizeof(head));
	/* The mark by which profilers find the file. */
	assert_ptr_not_equal(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, dump_fd, 0),
			     MAP_FAILED);
	read_self();
}

static void dump_load(size_t behind, size_t size, const char *name)
{
	const struct record r = {0, (uint32_t)(sizeof(r) + 40 + strlen(name) + 1 + size), 0};
	const uint64_t address = (uintptr_t)code + behind;
	cleanup_free char *bytes = mem_calloc(size, 1);

	put(&r, sizeof(r));
	put_numbers((uint64_t[]){(uint64_t)getpid(), address, address, size, 1}, 5);
	put(name, strlen(name) + 1);
	put(bytes, size);
}

static void dump_move(size_t from, size_t to, size_t size)
{
	const struct record r = {1, sizeof(r) + 48, 0};
	const uint64_t base = (uintptr_t)code;

	put(&r, sizeof(r));
	put_numbers((uint64_t[]){(uint64_t)getpid(), base + to, base + from, base + to, size, 1},
		    6);
}

static void put_line(size_t behind, uint32_t line, const char *file)
{
	put_numbers((uint64_t[]){(uintptr_t)code + behind, line}, 2);
	put(file, strlen(file) + 1);
}

static void dump_lines(size_t behind)
{
	const struct record r = {2, sizeof(r) + 16 + 3 * 16 + 5 + 2 + 7, 0};

	put(&r, sizeof(r));
	put_numbers((uint64_t[]){(uintptr_t)code + behind, 3}, 2);
	put_line(behind, 10, "a.js");
	put_line(behind + 4, 11, "\xff");
	put_line(behind + 8, 5, "lib.js");
}

static void expect_line(struct symbolizer *s, size_t behind, const char *name, const char *file,
			uint32_t line)
{
	struct symbol found = ask_code(s, behind);

	assert_string_equal(found.name, name);
	assert_string_equal(found.file, file);
	assert_int_equal(found.line, line);
}

static void dump_end(void)
{
	for (size_t i = 0; i < self.mappings.len; i++) {
		const struct mapping *m = &self.mappings.data[i];

		if (strstr(m->path, "/jit-"))
			munmap((void *)(uintptr_t)m->start, m->end - m->start);
	}
	close(dump_fd);
}

static void test_jitdump(void **state)
{
	struct symbolizer *s = new_symbolizer(BOUND);
	struct symbolizer_stats st;
	const struct record strange = {77, sizeof(strange) + 8, 0}, end = {3, sizeof(end), 0};

	dump_start();
	dump_load(0x100, 0x20, "plain");
	dump_lines(0x200);
	put(&strange, sizeof(strange));
	put("12345678", 8);
	dump_load(0x200, 0x10, "with_lines");
	expect_line(s, 0x110, "plain", "", 0);
	assert_string_equal(ask_code(s, 0x110).module, "[jit]");
	expect_line(s, 0x200, "with_lines", "a.js", 10);
	expect_line(s, 0x203, "with_lines", "a.js", 10);
	expect_line(s, 0x204, "with_lines", "a.js", 11);
	expect_line(s, 0x20f, "with_lines", "lib.js", 5);
	expect_line(s, 0x210, "", "", 0);
	/* It moves, and other code takes its place. */
	dump_move(0x200, 0x400, 0x10);
	dump_load(0x200, 0x10, "late");
	dump_move(0x9000, 0x9100, 1);
	dump_move(0x400, 0x600, 0x10);
	await_code(s, 0x600, "with_lines");
	expect_line(s, 0x604, "with_lines", "a.js", 11);
	expect_line(s, 0x200, "late", "", 0);
	put(&end, sizeof(end));
	symbolizer_trim(s);
	expect_line(s, 0x608, "with_lines", "lib.js", 5);
	symbolizer_stats(s, &st);
	assert_int_equal(st.jit.ignored, 1);
	/* A perf map beside it names what it does not. */
	append("%lx 10 of the map\n%lx 10 not this\n", (long)code + 0x800, (long)code + 0x200);
	await_code(s, 0x800, "of the map");
	expect_line(s, 0x200, "late", "", 0);
	dump_end();
	symbolizer_free(s);
}

/* A dump that is cut anywhere, or changed anywhere, is no more than a dump without some names. */
static void test_damaged_dump(void **state)
{
	cleanup_buf struct buf whole = {};

	dump_start();
	dump_lines(0x200);
	dump_load(0x200, 0x10, "with_lines");
	dump_move(0x200, 0x400, 0x10);
	assert_int_equal(io_read_file(dump_path, 1 << 16, &whole), 0);
	for (size_t i = 0; i < 2 * whole.len; i++) {
		int fd = memfd_create("dump", MFD_CLOEXEC);
		bool cut = i < whole.len;
		struct jitdump d = {};
		code_range_vec batch = {};
		char text[100];
		uint32_t line;

		assert_int_equal(io_write_all(fd, whole.data, cut ? i : whole.len), 0);
		if (!cut)
			assert_int_equal(pwrite(fd, "\xff\xff\xff", 3, (off_t)(i - whole.len)), 3);
		int r = jitdump_read(&d, fd, 100, &batch);

		assert_true(cut ? r == 0 : r == 0 || r == -EBADMSG || r == -EFBIG);
		for (size_t k = 0; k < batch.len; k++) {
			jitdump_name(fd, batch.data[k].value, text, sizeof(text));
			jitdump_line(&d, fd, batch.data[k].value, batch.data[k].start,
				     batch.data[k].start + 5, text, sizeof(text), &line);
		}
		vec_fini(&batch);
		jitdump_fini(&d);
		close(fd);
	}
	dump_end();
}

/* ---- Node.js ---- */

/* The addresses of "hot" that its own map tells, with the names behind them. */
static void node_truths(pid_t pid, struct target *t)
{
	cleanup_free char *path = mem_asprintf("/tmp/perf-%d.map", (int)pid);
	cleanup_fclose FILE *f = fopen(path, "r");
	char line[1000];

	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		struct truth truth;
		char *name = strstr(line, "JS:");

		if (!name || !strstr(name, "glim_hot"))
			continue;
		truth.address = strtoull(line, NULL, 16);
		snprintf(truth.name, sizeof(truth.name), "%.*s", (int)strcspn(name, "\n"), name);
		vec_push(&t->truths, truth);
	}
}

static void test_node(void **state)
{
	static const char script[] =
		"function glim_hot(n) { let x = 0; for (let i = 0; i < n; i++) "
		"x += i % 7; return x; } let s = 0; for (let i = 0; i < 3000; "
		"i++) s += glim_hot(1000); console.log(s); setInterval(() => "
		"glim_hot(1000), 10);";
	struct symbolizer *s = new_symbolizer(24 << 20);
	char log_folder[] = "/tmp/glim-node-XXXXXX";
	struct target t = {};
	int fds[2];
	char byte;

	assert_non_null(mkdtemp(log_folder));
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	t.pid = fork();
	if (!t.pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(fds[1], STDOUT_FILENO);
		/* It leaves a log in the folder that it runs in. */
		if (!chdir(log_folder))
			execlp("node", "node", "--perf-basic-prof", "-e", script, (char *)NULL);
		_exit(127);
	}
	close(fds[1]);
	assert_int_equal(read(fds[0], &byte, 1), 1);
	close(fds[0]);
	assert_int_equal(process_read(t.pid, &t.process, NULL), 0);
	node_truths(t.pid, &t);
	assert_true(t.truths.len > 0);
	/* The last of them: code that V8 made better took the place of nothing, so all are there.
	 */
	struct truth *last = &t.truths.data[t.truths.len - 1];

	await_name(s, &t.process, last->address, last->name);
	assert_string_equal(ask(s, &t.process, last->address).module, "[jit]");
	assert_memory_equal(last->name, "JS:", 3);
	cleanup_free char *map = mem_asprintf("/tmp/perf-%d.map", (int)t.pid);

	target_end(&t);
	unlink(map);
	run("rm -r %s", log_folder);
	symbolizer_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_perf_map, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_mappings, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_not_believed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_hostile_lines, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_bound, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_namespaces, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_jitdump, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_damaged_dump, set_up, tear_down),
		cmocka_unit_test(test_node),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
