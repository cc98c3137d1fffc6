/* Runs and families of processes of which all is known: what they spin, write, touch and fork. Only
 * CPU times, bytes and counts are compared, and these only with what holds on a busy machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "process/run.h"

enum { MS = NSEC_PER_SEC / 1000, BURN_MS = 60, WRITTEN = 3 << 20, TOUCHED = 48 << 20 };

/* ---- what the child does; it executes this very program with one of these names ---- */

static void burn(unsigned int ms)
{
	int64_t end = clock_cpu_ns() + (int64_t)ms * MS;

	while (clock_cpu_ns() < end)
		;
}

static void do_burn(void)
{
	burn(BURN_MS);
}

static void do_write(void)
{
	static char data[1 << 16];
	int fd = open("/dev/null", O_WRONLY);

	for (size_t n = 0; n < WRITTEN; n += sizeof(data))
		CHECK(write(fd, data, sizeof(data)) == sizeof(data));
}

static void do_touch(void)
{
	char *p = mmap(NULL, TOUCHED, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	for (size_t i = 0; i < TOUCHED; i += 4096)
		p[i] = 1;
}

static void do_killed(void)
{
	kill(getpid(), SIGKILL);
}

static void *burn_thread(void *arg)
{
	burn(BURN_MS);
	return NULL;
}

/* Two children, one of them with a child of its own, and a thread; in order, each with its name. */
static void do_tree(void)
{
	pthread_t thread;

	if (!fork()) {
		execl("/proc/self/exe", "test_family", "nothing", NULL);
		_exit(1);
	}
	wait(NULL);
	if (!fork()) {
		if (!fork()) {
			execl("/proc/self/exe", "test_family", "burn", NULL);
			_exit(1);
		}
		wait(NULL);
		execl("/proc/self/exe", "test_family", "burn", NULL);
		_exit(1);
	}
	wait(NULL);
	CHECK(!pthread_create(&thread, NULL, burn_thread, NULL));
	pthread_join(thread, NULL);
}

/* A process that outlives it, until its input ends. */
static void do_daemon(void)
{
	char byte;

	if (!fork()) {
		if (read(STDIN_FILENO, &byte, 1) < 0)
			_exit(1);
		_exit(0);
	}
}

static void do_nothing(void)
{
}

static const struct {
	const char *name;
	void (*run)(void);
} programs[] = {
	{"burn", do_burn}, {"write", do_write},	  {"touch", do_touch},	   {"killed", do_killed},
	{"tree", do_tree}, {"daemon", do_daemon}, {"nothing", do_nothing},
};

/* ---- a run of one of them ---- */

static struct run run(const char *program, struct family *ret)
{
	int go[2], input[2];
	struct run_watch watch;
	struct run r;
	struct err e;

	CHECK(!pipe2(go, O_CLOEXEC) && !pipe2(input, O_CLOEXEC));
	pid_t pid = fork();

	if (!pid) {
		char byte;

		close(go[1]);
		dup2(input[0], STDIN_FILENO);
		CHECK(read(go[0], &byte, 1) == 0);
		execl("/proc/self/exe", "test_family", program, NULL);
		_exit(127);
	}
	int ended = (int)syscall(SYS_pidfd_open, pid, 0);

	if (family_open(pid, ret, &e))
		fail_msg("%s", e.msg);
	run_begin(&watch, pid, ended, ret);
	close(go[0]);
	close(go[1]);
	if (run_wait(&watch, &r, &e))
		fail_msg("%s", e.msg);
	assert_int_equal(ret->lost, 0);
	close(ended);
	close(input[0]);
	close(input[1]);
	return r;
}

static int64_t sum(const struct family *f)
{
	int64_t all = 0;

	for (size_t i = 0; i < f->members.len; i++)
		all += f->members.data[i].cpu_ns;
	return all;
}

/* Sanitizers add what they need to start, and the kernel's clocks, each in its own way, interrupts
 * and the time that a hypervisor takes away: above, only another unit is seen. */
static void assert_cpu(int64_t ns, int64_t ms)
{
	assert_in_range(ns, ms * MS, (4 * ms + 5000) * MS);
}

/* All its threads, where the kernel accounts to us, or it is counted that accounts were lost. */
static void assert_accounted(const struct family *f, size_t i)
{
	const struct family_member *m = &f->members.data[i];

	if (f->accounted != family_accounted(m) && !f->accounts_lost)
		fail_msg("%u accounts of %u threads, %u of them alive", m->accounts, m->threads,
			 m->alive);
}

static void test_cpu_time(void **state)
{
	struct family f;
	struct run r = run("burn", &f);

	assert_int_equal(r.status, 0);
	assert_cpu(r.cpu_ns, BURN_MS);
	assert_true(r.user_ns + r.system_ns == r.cpu_ns);
	assert_true(r.main_cpu_ns >= BURN_MS * MS && r.main_cpu_ns <= r.wall_ns);
	assert_int_equal(f.members.len, 1);
	assert_cpu(f.members.data[0].cpu_ns, BURN_MS);
	assert_string_equal(f.members.data[0].comm, "exe"); /* of /proc/self/exe */
	assert_true(f.members.data[0].end_ns > f.members.data[0].start_ns);
	family_close(&f);
}

static void test_bytes(void **state)
{
	struct family f;
	struct run r = run("nothing", &f), w;

	family_close(&f);
	assert_in_range(r.written_bytes, 0, 4096);
	w = run("write", &f);
	/* Without what the run itself and our own asking take. */
	assert_int_equal(w.written_bytes - r.written_bytes, WRITTEN);
	if (family_accounted(&f.members.data[0]))
		assert_in_range(f.members.data[0].account.written_bytes, WRITTEN, WRITTEN + 4096);
	family_close(&f);
}

static void test_memory(void **state)
{
	struct family f;
	struct run r = run("nothing", &f), t;

	family_close(&f);
	t = run("touch", &f);
	assert_in_range(t.peak_rss - r.peak_rss, TOUCHED - (4 << 20), TOUCHED + (4 << 20));
	assert_true(t.minor_faults > r.minor_faults);
	/* Also while the kernel takes back what it has, which may be after its end is written. */
	assert_true(t.main_cpu_ns <= t.wall_ns);
	if (family_accounted(&f.members.data[0]))
		assert_in_range(f.members.data[0].account.peak_rss, TOUCHED,
				t.peak_rss + (1 << 20));
	family_close(&f);
}

static void test_signal(void **state)
{
	struct family f;
	struct run r = run("killed", &f);

	assert_true(r.signal == SIGKILL && r.status == 128 + SIGKILL);
	family_close(&f);
}

static void test_tree(void **state)
{
	struct family f;
	struct run r = run("tree", &f);
	const struct family_member *m = f.members.data;

	assert_int_equal(f.members.len, 4);
	assert_true(m[1].parent == 0 && m[2].parent == 0 && m[3].parent == 2);
	assert_true(m[0].threads == 2 && m[1].threads == 1 && m[3].threads == 1);
	assert_cpu(m[0].cpu_ns, BURN_MS);
	assert_true(m[1].cpu_ns > 0);
	assert_cpu(m[2].cpu_ns, BURN_MS);
	assert_cpu(m[3].cpu_ns, BURN_MS);
	for (size_t i = 0; i < f.members.len; i++) {
		assert_true(!m[i].alive && m[i].end_ns > m[i].start_ns);
		assert_accounted(&f, i);
		assert_true(!family_accounted(&m[i]) || m[i].account.peak_rss > 0);
	}
	/* All of it, no more and no less, but for the ways in which the kernel counts. */
	assert_in_range(sum(&f), r.cpu_ns * 7 / 10, 3 * r.cpu_ns + 1000 * MS);
	family_close(&f);
}

/* Root is told more of each, unless it is root of a container. */
static void test_accounts(void **state)
{
	thread_accounts list = {};
	struct family f;
	int fd = exits_open();
	pid_t pid;

	run("nothing", &f);
	pid = f.members.data[0].pid;
	assert_true(f.accounted == (fd >= 0));
	assert_accounted(&f, 0);
	family_close(&f);
	if (fd < 0) {
		assert_true(fd == -EPERM || fd == -ENXIO || fd == -ENOENT);
		return;
	}
	bool found = false;

	bool lost = exits_drain(fd, &list) > 0; /* all threads of the machine that ended */
	for (size_t i = 0; i < list.len; i++)
		found |= list.data[i].pid == pid;
	assert_true(found || lost);
	vec_fini(&list);
	close(fd);
}

/* The command ended, and that is the end: who it left behind is seen, and goes on. */
static void test_daemon(void **state)
{
	struct family f;
	struct run r = run("daemon", &f);

	assert_int_equal(r.status, 0);
	assert_int_equal(f.members.len, 2);
	assert_true(f.members.data[1].alive == 1 && f.members.data[1].end_ns == 0);
	family_close(&f);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cpu_time), cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_memory),	 cmocka_unit_test(test_signal),
		cmocka_unit_test(test_tree),	 cmocka_unit_test(test_daemon),
		cmocka_unit_test(test_accounts),
	};

	for (size_t i = 0; argc > 1 && i < ARRAY_SIZE(programs); i++)
		if (!strcmp(argv[1], programs[i].name)) {
			programs[i].run();
			_exit(0); /* a sanitizer that looks for leaks has a thread for it */
		}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
