/* Sampling one process, alone or with its children, and nobody else. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <time.h>

#include <cmocka.h>

#include "../process/child.h"
#include "capture/capture.h"

enum { HZ = 997, DRAIN_MS = 50 };

static int64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void burn_ms(int ms)
{
	int64_t end = cpu_ns() + ms * 1000000LL;

	while (cpu_ns() < end)
		;
}

static void burn_for_ever(int to, int from)
{
	child_tell(to);
	for (;;)
		burn_ms(1000);
}

/* Waits to be told, has a child that burns and a grandchild that burns longer, says so. */
static void burn_in_children(int to, int from)
{
	pid_t child;

	child_tell(to);
	child_wait(from);
	child = fork();
	if (!child) {
		pid_t grandchild = fork();

		if (!grandchild) {
			burn_ms(200);
			_exit(0);
		}
		burn_ms(100);
		waitpid(grandchild, NULL, 0);
		_exit(0);
	}
	waitpid(child, NULL, 0);
	child_tell(to);
}

static struct capture *open_ok(const struct capture_config *cfg)
{
	struct capture *c;
	struct err e = {};

	if (capture_open(cfg, &c, &e))
		fail_msg("%s", e.msg);
	return c;
}

/* Drain until fd can be read, or, without one, until so many samples are there. */
static void drain_until(struct capture *c, int fd, uint64_t samples)
{
	struct pollfd fds[] = {{capture_fd(c), POLLIN, 0}, {fd, POLLIN, 0}};
	struct capture_stats s = {};

	while (!(fds[1].revents & POLLIN) && (fd >= 0 || s.samples < samples)) {
		assert_true(poll(fds, 2, DRAIN_MS) >= 0);
		assert_true(capture_drain(c, NULL) >= 0);
		capture_stats(c, &s);
	}
}

/* Milliseconds of CPU by process: of pid, of all others. */
struct shares {
	double its, others;
};

static struct shares take_shares(struct capture *c, pid_t pid)
{
	struct profile *p = capture_take(c);
	struct shares r = {};

	for (size_t i = 0; i < p->samples.len; i++) {
		const struct profile_sample *s = &p->samples.data[i];
		bool is = atoi(profile_label_value(p, s->labels, "pid")) == pid;

		*(is ? &r.its : &r.others) += (double)s->value / 1e6;
	}
	profile_free(p);
	return r;
}

static void test_one_process(void **state)
{
	struct child target = child_start(burn_for_ever), other = child_start(burn_for_ever);
	struct capture *c;
	struct shares s;

	child_wait(target.from);
	child_wait(other.from);
	c = open_ok(&(struct capture_config){.hz = HZ, .pid = target.pid, .kernel_stacks = true});
	drain_until(c, -1, 200);
	s = take_shares(c, target.pid);
	assert_true(s.its >= 190);
	assert_true(s.others == 0);
	capture_close(c);
	child_end(&target);
	child_end(&other);
}

static void test_children_are_not_followed(void **state)
{
	struct child target = child_start(burn_in_children);
	struct capture *c;

	child_wait(target.from);
	c = open_ok(&(struct capture_config){.hz = HZ, .pid = target.pid});
	child_tell(target.to);
	drain_until(c, target.from, 0);
	assert_true(take_shares(c, target.pid).others == 0);
	capture_close(c);
	child_end(&target);
}

/* A child and a grandchild from their first moment to their last. */
static void test_children(void **state)
{
	struct child target = child_start(burn_in_children), other = child_start(burn_for_ever);
	struct capture *c;
	struct shares s;

	child_wait(target.from);
	c = open_ok(&(struct capture_config){.hz = HZ, .pid = target.pid, .children = true});
	child_tell(target.to);
	drain_until(c, target.from, 0);
	s = take_shares(c, target.pid);
	/* 300, each once: when a turn on a CPU ends is chance, and what the host takes away
	 * meanwhile is counted here but not by the clock that they burn by. */
	assert_in_range(s.others, 250, 500);
	capture_close(c);
	child_end(&target);
	child_end(&other);
}

/* Who runs already when the capture starts. */
static void have_child_that_burns(int to, int from)
{
	if (!fork()) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		burn_for_ever(to, from);
	}
}

static void test_children_that_are_there(void **state)
{
	struct child target = child_start(have_child_that_burns);
	struct capture *c;

	child_wait(target.from);
	c = open_ok(&(struct capture_config){.hz = HZ, .pid = target.pid, .children = true});
	drain_until(c, -1, 100);
	assert_true(take_shares(c, target.pid).others > 90);
	capture_close(c);
	child_end(&target);
}

/* A process that gets the number of the chosen one is another. */
static void test_number_in_use_again(void **state)
{
	struct child target = child_start(burn_for_ever);
	pid_t pid = target.pid;
	struct clone_args args = {
		.exit_signal = SIGCHLD, .set_tid = (uintptr_t)&pid, .set_tid_size = 1};
	struct capture *c;
	int up[2];

	child_wait(target.from);
	c = open_ok(&(struct capture_config){.hz = HZ, .pid = pid});
	drain_until(c, -1, 20);
	child_end(&target);
	/* What it did since it was looked at last, which may be long ago on a full machine. */
	while (capture_drain(c, NULL) > 0)
		;
	assert_true(take_shares(c, pid).its > 0);
	assert_int_equal(pipe(up), 0);
	if (!syscall(SYS_clone3, &args, sizeof(args))) {
		burn_ms(200);
		child_tell(up[1]);
		_exit(0);
	}
	drain_until(c, up[0], 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	/* The last of the first one may have waited for something when its profile was taken. */
	assert_true(take_shares(c, pid).its < 20);
	capture_close(c);
	close(up[0]);
	close(up[1]);
}

static void test_nobody(void **state)
{
	struct child target = child_start(burn_for_ever);
	struct capture *c;
	struct err e = {};

	child_end(&target);
	assert_int_equal(capture_open(&(struct capture_config){.hz = HZ, .pid = target.pid}, &c,
				      &e),
			 -ESRCH);
	assert_non_null(strstr(e.msg, "does not exist"));
}

/* In a pid namespace of its own, /proc and the caller number processes otherwise than the kernel
 * does. The first process there asks for the second. */
static void profile_in_namespace(void)
{
	struct child target, other;
	struct capture *c;
	struct shares s;

	assert_int_equal(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	assert_int_equal(mount("proc", "/proc", "proc", 0, NULL), 0);
	target = child_start(burn_for_ever);
	other = child_start(burn_for_ever);
	assert_int_equal(target.pid, 2);
	child_wait(target.from);
	child_wait(other.from);
	c = open_ok(&(struct capture_config){.hz = HZ, .pid = target.pid});
	drain_until(c, -1, 100);
	s = take_shares(c, target.pid);
	assert_true(s.its >= 90);
	assert_true(s.others == 0);
	struct capture_stats stats;

	/* Its memory was found by that number, too. */
	capture_stats(c, &stats);
	assert_true(stats.outcomes[OUTCOME_COMPLETE] * 100 >= stats.samples * 90);
	capture_close(c);
	child_end(&target);
	child_end(&other);
}

static void test_pid_namespace(void **state)
{
	int status;
	pid_t keeper = fork();

	assert_true(keeper >= 0);
	if (!keeper) {
		CHECK(!unshare(CLONE_NEWPID | CLONE_NEWNS));
		pid_t first = fork();

		if (!first) {
			profile_in_namespace();
			_exit(0);
		}
		CHECK(waitpid(first, &status, 0) == first);
		_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
	}
	assert_int_equal(waitpid(keeper, &status, 0), keeper);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_process),
		cmocka_unit_test(test_children_are_not_followed),
		cmocka_unit_test(test_children),
		cmocka_unit_test(test_children_that_are_there),
		cmocka_unit_test(test_number_in_use_again),
		cmocka_unit_test(test_nobody),
		cmocka_unit_test(test_pid_namespace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
