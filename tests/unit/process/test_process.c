/* Names and mappings of real processes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "child.h"
#include "process/process.h"
#include "process/process_priv.h"

enum { PAGE = 4096, MANY = 20000 };

static void read_ok(pid_t pid, struct process *p)
{
	struct err e;

	if (process_read(pid, p, &e))
		fail_msg("%s", e.msg);
}

static int refresh_ok(struct process *p)
{
	struct err e;
	int r = process_refresh(p, &e);

	if (r < 0)
		fail_msg("%s", e.msg);
	return r;
}

static const struct mapping *mapping_of(const struct process *p, const void *address)
{
	const struct mapping *m = process_find_mapping(p, (uintptr_t)address);

	assert_non_null(m);
	return m;
}

static void test_self(void **state)
{
	struct process p;
	char exe[256] = "";

	assert_true(readlink("/proc/self/exe", exe, sizeof(exe) - 1) > 0);
	assert_int_equal(prctl(PR_SET_NAME, "o) 1 2 (\n)"), 0);
	read_ok(getpid(), &p);
	assert_string_equal(p.comm, "o) 1 2 (\n)");
	assert_int_equal(p.pid, getpid());
	assert_true(p.start_time > 0);
	const struct mapping *m = mapping_of(&p, (void *)test_self);

	assert_string_equal(m->path, exe);
	assert_false(m->deleted);
	for (size_t i = 0; i < p.mappings.len; i++) {
		const struct mapping *x = &p.mappings.data[i];

		assert_true(x->start < x->end);
		assert_true(!i || x[-1].end <= x->start);
		assert_ptr_equal(process_find_mapping(&p, x->start), x);
		assert_ptr_equal(process_find_mapping(&p, x->end - 1), x);
		assert_ptr_not_equal(process_find_mapping(&p, x->end), x);
	}
	assert_null(process_find_mapping(&p, 0));
	assert_null(process_find_mapping(&p, UINT64_MAX));
	/* Data is not kept. */
	assert_null(process_find_mapping(&p, (uintptr_t)&p));
	assert_int_equal(refresh_ok(&p), 0);
	process_fini(&p);
}

/* Make a file of one page and map it executable; its descriptor is closed again. */
static void *map_file(const char *path, char fill)
{
	char text[PAGE];
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);

	assert_true(fd >= 0);
	memset(text, fill, PAGE);
	assert_int_equal(write(fd, text, PAGE), PAGE);
	void *p = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	close(fd);
	return p;
}

static char first_byte(int fd)
{
	char c = 0;

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &c, 1, 0), 1);
	close(fd);
	return c;
}

/* A folder for files with all kinds of names. */
static char folder[64];

static int setup(void **state)
{
	strcpy(folder, "/tmp/glim-test-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
	return rmdir(folder);
}

static void test_names(void **state)
{
	static const char *const names[] = {"with space",
					    "new\nline",
					    "tab\tand \\ backslash",
					    " (deleted) not at the end",
					    "(x)",
					    "  ",
					    "\xff\xfe"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		cleanup_free char *path = mem_asprintf("%s/%s", folder, names[i]);
		void *at = map_file(path, 'n');
		struct process p;

		read_ok(getpid(), &p);
		const struct mapping *m = mapping_of(&p, at);

		assert_string_equal(m->path, path);
		assert_false(m->deleted);
		assert_int_equal(first_byte(process_open_mapping(&p, m)), 'n');
		unlink(path);
		/* The same mapping, but of a file that is gone: that is a change. */
		assert_int_equal(refresh_ok(&p), 1);
		m = mapping_of(&p, at);
		assert_string_equal(m->path, path);
		assert_true(m->deleted);
		munmap(at, PAGE);
		assert_int_equal(refresh_ok(&p), 1);
		assert_null(process_find_mapping(&p, (uintptr_t)at));
		process_fini(&p);
	}
}

/* The file that was mapped, not the one that has its name now. Only the kernel can lead there, and
 * it leads root alone: others must get no file rather than a wrong one. */
static void test_replaced(void **state)
{
	cleanup_free char *path = mem_asprintf("%s/file", folder);
	void *old = map_file(path, 'o');
	struct process p;

	unlink(path);
	void *new = map_file(path, 'n');

	read_ok(getpid(), &p);
	int fd = process_open_mapping(&p, mapping_of(&p, old));

	if (geteuid())
		assert_int_equal(fd, -ENOENT);
	else
		assert_int_equal(first_byte(fd), 'o');
	assert_int_equal(first_byte(process_open_mapping(&p, mapping_of(&p, new))), 'n');
	unlink(path);
	munmap(old, PAGE);
	munmap(new, PAGE);
	process_fini(&p);
}

/* Without the way through the kernel (another page was mapped there) the name is tried, and what
 * it leads to is compared. */
static void test_by_path(void **state)
{
	cleanup_free char *path = mem_asprintf("%s/file", folder);
	void *at = map_file(path, 'p');
	struct process p;

	read_ok(getpid(), &p);
	struct mapping m = *mapping_of(&p, at);

	m.start = PAGE;
	m.end = 2 * PAGE;
	assert_int_equal(first_byte(process_open_mapping(&p, &m)), 'p');
	m.inode++;
	assert_int_equal(process_open_mapping(&p, &m), -ESTALE);
	m.inode--;
	m.deleted = true;
	assert_int_equal(process_open_mapping(&p, &m), -ENOENT);
	m.deleted = false;
	unlink(path);
	assert_int_equal(process_open_mapping(&p, &m), -ENOENT);
	munmap(at, PAGE);
	process_fini(&p);
}

static void test_what_is_no_file(void **state)
{
	void *anon = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int zero = open("/dev/zero", O_RDWR | O_CLOEXEC);
	void *device = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, zero, 0);
	struct process p;

	close(zero);
	read_ok(getpid(), &p);
	assert_string_equal(mapping_of(&p, anon)->path, "");
	assert_int_equal(process_open_mapping(&p, mapping_of(&p, anon)), -ENOENT);
	assert_string_equal(mapping_of(&p, device)->path, "/dev/zero");
	assert_int_equal(process_open_mapping(&p, mapping_of(&p, device)), -ENODEV);
	size_t vdsos = 0;

	for (size_t i = 0; i < p.mappings.len; i++)
		if (!strcmp(p.mappings.data[i].path, "[vdso]")) {
			assert_int_equal(first_byte(process_open_mapping(&p, &p.mappings.data[i])),
					 0x7f);
			vdsos++;
		}
	assert_int_equal(vdsos, 1);
	munmap(anon, PAGE);
	munmap(device, PAGE);
	process_fini(&p);
}

/* Every second page executable, so that the kernel cannot merge them. */
static void test_many(void **state)
{
	char *at = mmap(NULL, (size_t)MANY * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct process before, p;

	read_ok(getpid(), &before);
	for (size_t i = 0; i < MANY; i += 2)
		assert_int_equal(mprotect(at + i * PAGE, PAGE, PROT_READ | PROT_EXEC), 0);
	read_ok(getpid(), &p);
	assert_int_equal(p.mappings.len, before.mappings.len + MANY / 2);
	assert_int_equal(p.mappings_dropped, 0);
	for (size_t i = 0; i < MANY; i++)
		assert_int_equal(process_find_mapping(&p, (uintptr_t)at + i * PAGE + 9) != NULL,
				 i % 2 == 0);
	munmap(at, (size_t)MANY * PAGE);
	process_fini(&before);
	process_fini(&p);
}

static bool same(const struct mapping *a, const struct mapping *b)
{
	return a->start == b->start && a->end == b->end && a->offset == b->offset &&
	       a->dev == b->dev && a->inode == b->inode && a->deleted == b->deleted &&
	       !strcmp(a->path, b->path);
}

/* Both ways to read mappings tell the same. Kernels before 6.11 have only one. */
static void test_two_ways(void **state)
{
	cleanup_free char *path = mem_asprintf("%s/some\nfile", folder);
	void *at = map_file(path, 'w');
	struct process asked = {}, text = {};

	unlink(path);
	cleanup_close int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	int r = maps_query(fd, &asked);

	assert_int_equal(maps_read_text(fd, &text), 0);
	if (r) {
		assert_int_equal(r, -ENOTTY);
		assert_int_equal(asked.mappings.len, 0);
	}
	for (size_t i = 0; i < asked.mappings.len; i++)
		assert_true(same(&asked.mappings.data[i], &text.mappings.data[i]));
	/* The vsyscall page is the kernel's: only the text has it. */
	for (size_t i = r ? text.mappings.len : asked.mappings.len; i < text.mappings.len; i++)
		assert_string_equal(text.mappings.data[i].path, "[vsyscall]");
	assert_string_equal(mapping_of(&text, at)->path, path);
	assert_true(mapping_of(&text, at)->deleted);
	munmap(at, PAGE);
	process_fini(&asked);
	process_fini(&text);
}

static void become_sleep(int to_parent, int from_parent)
{
	child_tell(to_parent);
	child_wait(from_parent);
	fcntl(to_parent, F_SETFD, FD_CLOEXEC);
	execl("/bin/sleep", "sleep", "1000", (char *)NULL);
}

static void test_exec_and_end(void **state)
{
	struct child c = child_start(become_sleep);
	struct process p;
	struct err e;
	char byte;

	child_wait(c.from);
	read_ok(c.pid, &p);
	assert_int_equal(refresh_ok(&p), 0);
	child_tell(c.to);
	/* The pipe closes when the new program has begun. */
	assert_int_equal(read(c.from, &byte, 1), 0);
	assert_int_equal(refresh_ok(&p), 1);
	assert_string_equal(p.comm, "sleep");
	assert_int_equal(p.pid, c.pid);
	child_kill(&c);
	siginfo_t info;

	assert_int_equal(waitid(P_PID, (id_t)c.pid, &info, WEXITED | WNOWAIT), 0);
	/* A zombie keeps what it had. */
	assert_int_equal(process_refresh(&p, &e), -ESRCH);
	assert_true(p.mappings.len > 0);
	child_end(&c);
	assert_int_equal(process_refresh(&p, &e), -ESRCH);
	assert_non_null(strstr(e.msg, "does not exist"));
	assert_int_equal(process_read(c.pid, &p, &e), -ESRCH);
	assert_int_equal(process_read(0, &p, &e), -ESRCH);
	assert_int_equal(process_read(-1, &p, NULL), -ESRCH);
	process_fini(&p);
}

static void test_reused_pid(void **state)
{
	struct process p;

	read_ok(getpid(), &p);
	p.start_time--;
	size_t mappings = p.mappings.len;

	assert_int_equal(process_refresh(&p, NULL), -ESRCH);
	assert_int_equal(p.mappings.len, mappings);
	process_fini(&p);
}

static void nothing(int to_parent, int from_parent)
{
}

static bool listed(const pid_vec *pids, pid_t pid)
{
	for (size_t i = 0; i < pids->len; i++)
		if (pids->data[i] == pid)
			return true;
	return false;
}

static void test_list(void **state)
{
	struct child c = child_start(nothing);
	pid_vec pids = {};

	assert_int_equal(process_list(&pids), 0);
	assert_true(listed(&pids, c.pid));
	assert_true(listed(&pids, getpid()));
	assert_false(listed(&pids, 0));
	child_end(&c);
	assert_int_equal(process_list(&pids), 0);
	assert_false(listed(&pids, c.pid));
	vec_fini(&pids);
}

static void have_child(int to, int from)
{
	if (!fork()) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		child_tell(to);
		pause();
		_exit(0);
	}
}

static void test_descendants(void **state)
{
	struct child first = child_start(have_child), other = child_start(nothing);
	pid_vec pids = {};

	child_wait(first.from);
	vec_push(&pids, first.pid);
	assert_int_equal(process_descendants(&pids), 0);
	assert_int_equal(pids.len, 2);
	/* Of ours it is a grandchild. */
	pid_t grandchild = pids.data[1];

	pids.data[0] = getpid();
	pids.len = 1;
	assert_int_equal(process_descendants(&pids), 0);
	assert_int_equal(pids.len, 4);
	assert_true(listed(&pids, first.pid));
	assert_true(listed(&pids, other.pid));
	assert_true(listed(&pids, grandchild));
	child_end(&first);
	child_end(&other);
	vec_fini(&pids);
}

/* A child in a pid namespace of its own, where it is the first. */
static void test_threads(void **state)
{
	process_thread_vec threads = {};
	char ready;
	int up[2];

	assert_int_equal(process_threads(getpid(), &threads), 0);
	assert_true(threads.len >= 1);
	assert_int_equal(threads.data[0].tid, getpid());
	assert_int_equal(process_threads(INT32_MAX, &threads), -ESRCH);
	assert_int_equal(threads.len, 0);
	assert_int_equal(pipe(up), 0);
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, NULL, NULL, NULL, NULL);

	if (!pid) {
		if (write(up[1], "x", 1) == 1)
			pause();
		_exit(1);
	}
	assert_true(pid > 0);
	assert_int_equal(read(up[0], &ready, 1), 1);
	assert_int_equal(process_threads(pid, &threads), 0);
	assert_int_equal(threads.len, 1);
	assert_int_equal(threads.data[0].tid, pid);
	assert_int_equal(threads.data[0].inner, 1);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(up[0]);
	close(up[1]);
	vec_fini(&threads);
}

static void test_stat_line(void **state)
{
	static const char good[] = "7 (a (b) c) S 1 7 7 0 -1 4194560 9 0 0 0 11 22 0 0 20 0 1 0 "
				   "8589934592 99 42 184467 1\n";
	struct stat_line l = {};

	assert_int_equal(stat_line_parse(good, sizeof(good) - 1, &l), 0);
	assert_string_equal(l.comm, "a (b) c");
	assert_int_equal(l.state, 'S');
	assert_int_equal(l.parent, 1);
	assert_int_equal(l.cpu_ticks, 33);
	assert_true(l.start_time == 8589934592);
	assert_int_equal(l.rss_pages, 42);
	/* Cut anywhere: refused, or cut in what Glim does not read. */
	for (size_t n = 0; n < sizeof(good) - 1; n++) {
		cleanup_free char *cut = mem_calloc(n, 1);
		int r = 0;

		memcpy(cut, good, n);
		r = stat_line_parse(cut, n, &l);
		assert_int_equal(r, n < strlen("7 (a (b) c) S 1 7 7 0 -1 4194560 9 0 0 0 11 22 0 0 "
					       "20 0 1 0 8589934592 99 4")
					    ? -EBADMSG
					    : 0);
	}
	assert_int_equal(stat_line_parse("7 )x( S 1", 9, &l), -EBADMSG);
	assert_int_equal(stat_line_parse("7 (x) S one", 11, &l), -EBADMSG);
	static const char long_name[] = "2 (kworker/u8:2-events_unbound) I 2 0 0 0 -1 69238880 0 0 "
					"0 0 0 5 0 0 20 0 1 0 30 0 0 1\n";

	assert_int_equal(stat_line_parse(long_name, sizeof(long_name) - 1, &l), 0);
	assert_string_equal(l.comm, "kworker/u8:2-ev");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_self),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_replaced),
		cmocka_unit_test(test_by_path),
		cmocka_unit_test(test_what_is_no_file),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_two_ways),
		cmocka_unit_test(test_exec_and_end),
		cmocka_unit_test(test_reused_pid),
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_descendants),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_stat_line),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
