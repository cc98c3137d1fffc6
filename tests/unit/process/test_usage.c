/* CPU and memory of processes that are known to use some. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <time.h>

#include "base/clock.h"
#include "child.h"
#include "process/usage.h"

enum { BURN_MS = 300, TOUCH_MIB = 64 };

static const struct process_usage *find(const struct usage *u, pid_t pid)
{
	for (size_t i = 0; i < u->processes.len; i++)
		if (u->processes.data[i].pid == pid)
			return &u->processes.data[i];
	return NULL;
}

static void burn_now(void)
{
	while (clock_cpu_ns() < BURN_MS * (NSEC_PER_SEC / 1000))
		;
}

/* The clock of a fork starts at 0: what it then shows is all that the child used. */
static void burn_when_told(int to_parent, int from_parent)
{
	child_tell(to_parent);
	child_wait(from_parent);
	burn_now();
	child_tell(to_parent);
}

static void burn(int to_parent, int from_parent)
{
	burn_now();
	child_tell(to_parent);
}

static void touch(int to_parent, int from_parent)
{
	size_t n = (size_t)TOUCH_MIB << 20;
	char *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	memset(p, 1, n);
	prctl(PR_SET_NAME, "a) b (c");
	child_tell(to_parent);
}

static void read_ok(struct usage *u)
{
	struct err e;

	if (usage_read(u, &e))
		fail_msg("%s", e.msg);
}

/* CPU seconds of a process as the kernel counts them, before and after a reading. */
struct counted {
	double before, after;
};

static double count(pid_t pid)
{
	struct timespec t;
	clockid_t id;

	assert_int_equal(clock_getcpuclockid(pid, &id), 0);
	assert_int_equal(clock_gettime(id, &t), 0);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct counted read_counted(struct usage *u, pid_t pid)
{
	struct counted c = {.before = count(pid)};

	read_ok(u);
	c.after = count(pid);
	return c;
}

/* What was used between two readings, to the microsecond, however busy the machine is. */
static void assert_used(const struct usage *u, pid_t pid, struct counted first, struct counted now)
{
	const struct process_usage *p = find(u, pid);

	assert_non_null(p);
	assert_true(p->cpu_seconds >= now.before - first.after - 1e-6);
	assert_true(p->cpu_seconds <= now.after - first.before + 1e-6);
}

static const struct counted from_its_start = {};

static void test_known_time(void **state)
{
	struct child c = child_start(burn_when_told);
	struct counted first, second, third;
	struct usage u = {};
	int64_t start = clock_mono_ns();

	child_wait(c.from);
	first = read_counted(&u, c.pid);
	assert_int_equal(u.interval_ns, 0);
	assert_true(find(&u, c.pid)->cpu_seconds == 0);
	child_tell(c.to);
	child_wait(c.from);
	second = read_counted(&u, c.pid);
	assert_used(&u, c.pid, first, second);
	assert_true(second.before >= BURN_MS / 1e3);
	assert_in_range(u.interval_ns, 1, clock_mono_ns() - start);
	/* The kernel counts these in ticks, of which a host that has not all of its CPUs loses
	 * some. */
	assert_true(u.host_cpu_seconds > BURN_MS / 1e3 / 2);
	assert_true(u.host_cpu_seconds <
		    (double)u.cpus * ((double)(clock_mono_ns() - start) / 1e9 + 0.05));
	/* It sleeps now, or will in a moment. */
	third = read_counted(&u, c.pid);
	assert_used(&u, c.pid, second, third);
	child_end(&c);
	usage_fini(&u);
}

/* One that started after the first reading: all its time counts. */
static void test_new_process(void **state)
{
	struct usage u = {};

	read_ok(&u);
	struct child c = child_start(burn);

	child_wait(c.from);
	assert_used(&u, c.pid, from_its_start, read_counted(&u, c.pid));
	assert_true(find(&u, c.pid)->cpu_seconds >= BURN_MS / 1e3);
	child_end(&c);
	usage_fini(&u);
}

static void test_reused_pid(void **state)
{
	struct child c = child_start(burn_when_told);
	struct usage u = {};

	child_wait(c.from);
	read_ok(&u);
	/* As if the number had belonged to an older process with much CPU time. */
	for (size_t i = 0; i < u.processes.len; i++)
		if (u.processes.data[i].pid == c.pid) {
			u.seen.data[i].start_time--;
			u.seen.data[i].cpu_ns = 1000 * NSEC_PER_SEC;
		}
	child_tell(c.to);
	child_wait(c.from);
	assert_used(&u, c.pid, from_its_start, read_counted(&u, c.pid));
	child_end(&c);
	usage_fini(&u);
}

static void test_ended(void **state)
{
	struct child a = child_start(burn), b = child_start(burn);
	struct usage u = {};

	read_ok(&u);
	assert_non_null(find(&u, a.pid));
	child_wait(a.from);
	child_end(&a);
	read_ok(&u);
	assert_null(find(&u, a.pid));
	/* Dead but not yet waited for: there, without memory. */
	child_wait(b.from);
	child_kill(&b);
	siginfo_t info;

	assert_int_equal(waitid(P_PID, (id_t)b.pid, &info, WEXITED | WNOWAIT), 0);
	read_ok(&u);
	assert_non_null(find(&u, b.pid));
	assert_int_equal(find(&u, b.pid)->rss_bytes, 0);
	child_end(&b);
	usage_fini(&u);
}

static void test_memory(void **state)
{
	struct child c = child_start(touch);
	struct usage u = {};
	struct sysinfo info;

	child_wait(c.from);
	read_ok(&u);
	const struct process_usage *p = find(&u, c.pid);

	assert_true(p->rss_bytes >= (uint64_t)TOUCH_MIB << 20);
	assert_true(p->rss_bytes < (uint64_t)TOUCH_MIB << 22);
	assert_string_equal(p->comm, "a) b (c");
	assert_int_equal(sysinfo(&info), 0);
	assert_true(u.memory_total / 1024 == info.totalram * info.mem_unit / 1024);
	assert_true(u.memory_used > (uint64_t)TOUCH_MIB << 20 && u.memory_used < u.memory_total);
	assert_true(u.cpus == (unsigned int)sysconf(_SC_NPROCESSORS_ONLN));
	assert_true(llabs(u.time_ns - clock_real_ns()) < 60 * NSEC_PER_SEC);
	child_end(&c);
	usage_fini(&u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_time), cmocka_unit_test(test_new_process),
		cmocka_unit_test(test_reused_pid), cmocka_unit_test(test_ended),
		cmocka_unit_test(test_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
