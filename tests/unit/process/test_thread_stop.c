/* Threads that stand still: nothing of what a stopped thread does may come out differently. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>

#include "base/clock.h"
#include "child.h"
#include "process/process.h"
#include "process/thread_stop.h"

enum { STOPS = 300, SIGNALS = 300, FOREVER_S = 600 };

/* Ways to wait, each in a thread of its own until it is woken. */
enum {
	IN_READ,
	IN_EPOLL,
	IN_EPOLL_TIMED,
	IN_POLL,
	IN_FUTEX,
	IN_RECV_TIMED,
	IN_SLEEP,
	IN_SIGNAL,
	WAYS
};

/* What parent and child share. */
static struct shared {
	_Atomic pid_t tids[WAYS];
	_Atomic long results[WAYS]; /* of the call: at least 0, or negative errno */
	_Atomic bool done[WAYS];
	_Atomic uint32_t futex;
	_Atomic uint64_t turns, failures, signals;
	_Atomic pid_t busy; /* thread */
} * shared;
static int event, sockets[2], pipes[2];

static int setup(void **state)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	assert_ptr_not_equal(shared, MAP_FAILED);
	event = eventfd(0, 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
	assert_int_equal(pipe(pipes), 0);
	return 0;
}

static int teardown(void **state)
{
	munmap(shared, sizeof(*shared));
	close(event);
	close(sockets[0]);
	close(sockets[1]);
	close(pipes[0]);
	close(pipes[1]);
	return 0;
}

static long wait_epoll(int timeout_ms)
{
	int fd = epoll_create1(0);
	struct epoll_event e = {.events = EPOLLIN};

	epoll_ctl(fd, EPOLL_CTL_ADD, event, &e);
	return epoll_wait(fd, &e, 1, timeout_ms);
}

static long wait_in(int way)
{
	struct pollfd poll_fd = {.fd = event, .events = POLLIN};
	struct timespec second = {.tv_sec = 1}, forever = {.tv_sec = FOREVER_S};
	struct timeval late = {.tv_sec = FOREVER_S};
	sigset_t user;
	char c;

	switch (way) {
	case IN_READ:
		return read(pipes[0], &c, 1);
	case IN_EPOLL:
		return wait_epoll(-1);
	case IN_EPOLL_TIMED:
		return wait_epoll(FOREVER_S * 1000);
	case IN_POLL:
		return poll(&poll_fd, 1, -1);
	case IN_FUTEX:
		return syscall(SYS_futex, &shared->futex, FUTEX_WAIT, 0, NULL, NULL, 0);
	case IN_RECV_TIMED:
		setsockopt(sockets[1], SOL_SOCKET, SO_RCVTIMEO, &late, sizeof(late));
		return recv(sockets[1], &c, 1, 0);
	case IN_SLEEP:
		return nanosleep(&second, NULL);
	default:
		sigemptyset(&user);
		sigaddset(&user, SIGUSR1);
		return sigtimedwait(&user, NULL, &forever);
	}
}

static void *waits(void *arg)
{
	int way = (int)(intptr_t)arg;
	long r;

	shared->tids[way] = (pid_t)syscall(SYS_gettid);
	r = wait_in(way);
	shared->results[way] = r < 0 ? -errno : r;
	shared->done[way] = true;
	return NULL;
}

static void start_waits(int to_parent, int from_parent)
{
	sigset_t user;
	pthread_t t;

	sigemptyset(&user);
	sigaddset(&user, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &user, NULL);
	for (int way = 0; way < WAYS; way++)
		pthread_create(&t, NULL, waits, (void *)(intptr_t)way);
	child_tell(to_parent);
}

/* Until the thread waits in a system call. */
static void wait_asleep(pid_t pid, pid_t tid)
{
	struct thread_stop s;
	struct thread_registers r = {};

	do {
		sched_yield();
		if (!thread_stop_begin(&s, pid, tid, THREAD_STOP_ANY, &r))
			thread_stop_end(&s);
	} while (!r.only_stack);
}

static void wake_all(pid_t pid)
{
	uint64_t one = 1;

	assert_int_equal(write(pipes[1], "x", 1), 1);
	assert_int_equal(write(sockets[0], "x", 1), 1);
	assert_int_equal(write(event, &one, sizeof(one)), sizeof(one));
	shared->futex = 1;
	syscall(SYS_futex, &shared->futex, FUTEX_WAKE, 1, NULL, NULL, 0);
	syscall(SYS_tgkill, pid, shared->tids[IN_SIGNAL], SIGUSR1);
}

static void test_waiting_calls_go_on(void **state)
{
	struct child c = child_start(start_waits);
	struct thread_registers r;
	struct thread_stop s;

	child_wait(c.from);
	for (int way = 0; way < WAYS; way++) {
		while (!shared->tids[way])
			sched_yield();
		wait_asleep(c.pid, shared->tids[way]);
	}
	for (int i = 0; i < STOPS; i++)
		for (int way = 0; way < WAYS; way++) {
			int code =
				thread_stop_begin(&s, c.pid, shared->tids[way],
						  i % 2 ? THREAD_STOP_ANY : THREAD_STOP_TRACE, &r);

			/* The one that sleeps for a second may be at its end. */
			if (way == IN_SLEEP && code)
				continue;
			assert_true(!code || (code == -EAGAIN && i % 2 == 0));
			if (code)
				continue;
			assert_true(r.in_call || !r.only_stack);
			/* After a stop it may be on its way back into its call. */
			if (way == IN_EPOLL || way == IN_EPOLL_TIMED || way == IN_SIGNAL)
				assert_true(r.only_stack);
			else if (i % 2 == 0 && way != IN_SLEEP)
				assert_false(r.only_stack);
			code = thread_stop_end(&s);
			assert_true(!code || way == IN_SLEEP);
			if (way != IN_SLEEP)
				assert_false(shared->done[way]);
		}
	wake_all(c.pid);
	for (int way = 0; way < WAYS; way++) {
		while (!shared->done[way])
			sched_yield();
		assert_true(shared->results[way] >= 0);
	}
	child_end(&c);
}

/* Works, and waits for moments in calls that a stop would end. */
static __attribute__((noreturn)) void *works(void *arg)
{
	struct timespec t = {.tv_nsec = 100000};
	struct epoll_event e;
	sigset_t none;
	int fd = epoll_create1(0);

	sigemptyset(&none);
	sigaddset(&none, SIGUSR2);
	shared->busy = (pid_t)syscall(SYS_gettid);
	for (;;) {
		for (volatile int i = 0; i < 20000; i++)
			;
		if (epoll_wait(fd, &e, 1, 1) < 0)
			shared->failures++;
		if (sigtimedwait(&none, NULL, &t) < 0 && errno == EINTR)
			shared->failures++;
		if (nanosleep(&t, NULL))
			shared->failures++;
		shared->turns++;
	}
}

static void start_works(int to_parent, int from_parent)
{
	pthread_t t;

	shared->turns = shared->failures = 0;
	pthread_create(&t, NULL, works, NULL);
	child_tell(to_parent);
}

static void test_calls_that_begin(void **state)
{
	struct child c = child_start(start_works);
	struct thread_registers r;
	struct thread_stop s;
	uint64_t traced = 0, turns;

	child_wait(c.from);
	while (!shared->turns)
		sched_yield();
	turns = shared->turns;
	/* Now and then it is running when it is looked at. */
	while (traced < STOPS) {
		int code = thread_stop_begin(&s, c.pid, shared->busy, THREAD_STOP_ANY, &r);

		assert_int_equal(code, 0);
		traced += s.traced;
		assert_int_equal(r.only_stack, !s.traced);
		code = thread_stop_end(&s);
		assert_true(!code || (code == -EAGAIN && !s.traced));
	}
	assert_true(shared->turns > turns);
	assert_int_equal(shared->failures, 0);
	child_end(&c);
}

static __attribute__((noinline, noreturn)) void spin(void)
{
	shared->busy = (pid_t)syscall(SYS_gettid);
	for (;;)
		shared->turns++;
}

static void on_signal(int number)
{
	shared->signals++;
}

static void start_spin(int to_parent, int from_parent)
{
	signal(SIGUSR2, on_signal);
	shared->turns = shared->signals = 0;
	child_tell(to_parent);
	spin();
}

/* It waits for its memory, too. */
static void stop_and_go(pid_t pid, enum thread_stop_way way)
{
	struct thread_registers r;
	struct thread_stop s;
	int code;

	do {
		assert_int_equal(thread_stop_begin(&s, pid, pid, way, &r), 0);
		code = thread_stop_end(&s);
	} while (code == -EAGAIN);
	assert_int_equal(code, 0);
}

static void wait_turns(void)
{
	uint64_t turns = shared->turns;

	while (shared->turns == turns)
		sched_yield();
}

static void test_running(void **state)
{
	struct child c = child_start(start_spin);
	struct thread_registers r;
	struct thread_stop s;
	uint64_t at;

	child_wait(c.from);
	wait_turns();
	assert_int_equal(thread_stop_begin(&s, c.pid, c.pid, THREAD_STOP_TRACE, &r), 0);
	assert_true(s.traced && !r.only_stack && !r.in_call);
	assert_in_range(r.pc, (uintptr_t)spin, (uintptr_t)spin + 256);
	assert_int_not_equal(r.thread_base, 0);
	at = shared->turns;
	usleep(2000);
	assert_int_equal(shared->turns, at);
	assert_int_equal(thread_stop_end(&s), 0);
	wait_turns();
	child_end(&c);
}

static void test_signals_arrive(void **state)
{
	struct child c = child_start(start_spin);
	struct thread_registers r;
	struct thread_stop s;

	child_wait(c.from);
	wait_turns();
	for (uint64_t i = 0; i < SIGNALS; i++) {
		int code;

		/* Before a stop, or while it lasts. */
		if (i % 2)
			kill(c.pid, SIGUSR2);
		assert_int_equal(thread_stop_begin(&s, c.pid, c.pid, THREAD_STOP_ANY, &r), 0);
		if (i % 2 == 0)
			kill(c.pid, SIGUSR2);
		code = thread_stop_end(&s);
		assert_true(!code || (code == -EAGAIN && !s.traced));
		while (shared->signals <= i)
			sched_yield();
		assert_int_equal(shared->signals, i + 1);
	}
	child_end(&c);
}

/* Job control: who is stopped stays so, and its parent is told once. */
static void test_stopped_job(void **state)
{
	struct child c = child_start(start_spin);
	struct thread_registers r;
	struct thread_stop s;
	int status;
	uint64_t turns;

	child_wait(c.from);
	wait_turns();
	kill(c.pid, SIGSTOP);
	assert_int_equal(waitpid(c.pid, &status, WUNTRACED), c.pid);
	assert_true(WIFSTOPPED(status));
	turns = shared->turns;
	for (int i = 0; i < STOPS; i++)
		stop_and_go(c.pid, i % 2 ? THREAD_STOP_ANY : THREAD_STOP_TRACE);
	assert_int_equal(shared->turns, turns);
	assert_int_equal(waitpid(c.pid, &status, WUNTRACED | WCONTINUED | WNOHANG), 0);
	kill(c.pid, SIGCONT);
	wait_turns();
	/* One that stops while it is traced. */
	assert_int_equal(thread_stop_begin(&s, c.pid, c.pid, THREAD_STOP_TRACE, &r), 0);
	kill(c.pid, SIGSTOP);
	assert_int_equal(thread_stop_end(&s), 0);
	do
		assert_int_equal(waitpid(c.pid, &status, WUNTRACED), c.pid);
	while (!WIFSTOPPED(status));
	kill(c.pid, SIGCONT);
	wait_turns();
	child_end(&c);
}

static void test_killed_meanwhile(void **state)
{
	struct child c = child_start(start_spin);
	struct thread_registers r;
	struct thread_stop s;
	siginfo_t how = {};

	child_wait(c.from);
	wait_turns();
	assert_int_equal(thread_stop_begin(&s, c.pid, c.pid, THREAD_STOP_TRACE, &r), 0);
	child_kill(&c);
	assert_true(thread_stop_end(&s) <= 0);
	/* How it ended is there for its parent. */
	assert_int_equal(waitid(P_PID, (id_t)c.pid, &how, WEXITED | WNOWAIT), 0);
	thread_stop_sweep();
	assert_int_equal(thread_stop_begin(&s, c.pid, c.pid, THREAD_STOP_ANY, &r), -ESRCH);
	how = (siginfo_t){};
	assert_int_equal(waitid(P_PID, (id_t)c.pid, &how, WEXITED | WNOWAIT), 0);
	assert_int_equal(how.si_status, SIGKILL);
	child_end(&c);
}

static pid_t traced;

static void start_tracer(int to_parent, int from_parent)
{
	CHECK(!ptrace(PTRACE_SEIZE, traced, NULL, NULL));
	child_tell(to_parent);
}

static void test_traced_by_another(void **state)
{
	struct child c = child_start(start_spin), tracer;
	struct thread_registers r;
	struct thread_stop s;

	child_wait(c.from);
	wait_turns();
	traced = c.pid;
	tracer = child_start(start_tracer);
	child_wait(tracer.from);
	assert_int_equal(thread_stop_begin(&s, c.pid, c.pid, THREAD_STOP_TRACE, &r), -EBUSY);
	child_end(&tracer);
	stop_and_go(c.pid, THREAD_STOP_TRACE);
	child_end(&c);
}

/* Threads that come and go, and programs that become others, while they are stopped. */
static void *ends(void *arg)
{
	for (volatile int i = 0; i < 2000; i++)
		;
	return NULL;
}

static void start_churn(int to_parent, int from_parent)
{
	pthread_t t;

	shared->turns = 0;
	child_tell(to_parent);
	for (;;) {
		if (!pthread_create(&t, NULL, ends, NULL))
			pthread_join(t, NULL);
		shared->turns++;
	}
}

static void test_threads_that_end(void **state)
{
	struct child c = child_start(start_churn);
	pid_vec tids = {};
	struct thread_registers r;
	struct thread_stop s;
	uint64_t met = 0, traced_ones = 0;

	child_wait(c.from);
	while (met < 5000 || traced_ones < STOPS) {
		assert_int_equal(process_tids(c.pid, &tids), 0);
		for (size_t i = 0; i < tids.len; i++) {
			int code = thread_stop_begin(&s, c.pid, tids.data[i], THREAD_STOP_ANY, &r);

			if (code != -ESRCH)
				assert_int_equal(code, 0);
			if (!code)
				thread_stop_end(&s);
			traced_ones += !code && s.traced;
			met++;
		}
		thread_stop_sweep();
	}
	wait_turns();
	vec_fini(&tids);
	child_end(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_waiting_calls_go_on),
		cmocka_unit_test(test_calls_that_begin),
		cmocka_unit_test(test_running),
		cmocka_unit_test(test_signals_arrive),
		cmocka_unit_test(test_stopped_job),
		cmocka_unit_test(test_killed_meanwhile),
		cmocka_unit_test(test_traced_by_another),
		cmocka_unit_test(test_threads_that_end),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
