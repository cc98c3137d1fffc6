/* What threads wait for of which that is known: they are looked at when they sleep. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>

#include "child.h"
#include "process/activity.h"

static int a_socket(void)
{
	int pair[2];

	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	return pair[0];
}

static int a_pipe(void)
{
	int ends[2];

	CHECK(!pipe(ends));
	return ends[0];
}

static void in_recv(int to, int from)
{
	char c;

	recv(a_socket(), &c, 1, 0);
}

static void in_read(int to, int from)
{
	child_wait(from);
}

static void in_sleep(int to, int from)
{
	nanosleep(&(struct timespec){.tv_sec = 1000}, NULL);
}

static void in_futex(int to, int from)
{
	int word = 1;

	syscall(SYS_futex, &word, 0 /* FUTEX_WAIT */, 1, NULL, NULL, 0);
}

static void in_wait(int to, int from)
{
	pid_t parent = getpid();

	if (!fork()) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		while (getppid() == parent) /* else it was killed before */
			pause();
		_exit(0);
	}
	wait(NULL);
}

/* The socket counts, not the pipe beside it. */
static void in_poll(int to, int from)
{
	struct pollfd fds[] = {{a_pipe(), POLLIN, 0}, {a_socket(), POLLIN, 0}};

	poll(fds, 2, -1);
}

static void in_poll_of_nothing(int to, int from)
{
	poll(NULL, 0, 1000000);
}

static void in_select(int to, int from)
{
	int fd = a_socket();
	fd_set set;

	FD_ZERO(&set);
	FD_SET(fd, &set);
	select(fd + 1, &set, NULL, NULL, NULL);
}

static void in_select_of_nothing(int to, int from)
{
	select(0, NULL, NULL, NULL, &(struct timeval){.tv_sec = 1000});
}

static void in_epoll(int to, int from)
{
	struct epoll_event event = {.events = EPOLLIN};
	int fd = epoll_create1(0);

	CHECK(!epoll_ctl(fd, EPOLL_CTL_ADD, a_pipe(), &event));
	CHECK(!epoll_ctl(fd, EPOLL_CTL_ADD, a_socket(), &event));
	epoll_wait(fd, &event, 1, -1);
}

static void in_pause(int to, int from)
{
}

static const struct {
	void (*run)(int to, int from);
	int calls[3]; /* that it may be in: the C library chooses */
	enum activity_reason reason;
} cases[] = {
	{in_recv, {SYS_recvfrom}, ACTIVITY_SOCKETS},
	{in_read, {SYS_read}, ACTIVITY_PIPES},
	{in_sleep, {SYS_nanosleep, SYS_clock_nanosleep}, ACTIVITY_TIMERS},
	{in_futex, {SYS_futex}, ACTIVITY_LOCKS},
	{in_wait, {SYS_wait4, SYS_waitid}, ACTIVITY_CHILDREN},
	{in_poll, {SYS_poll, SYS_ppoll}, ACTIVITY_SOCKETS},
	{in_poll_of_nothing, {SYS_poll, SYS_ppoll}, ACTIVITY_TIMERS},
	{in_select, {SYS_select, SYS_pselect6}, ACTIVITY_SOCKETS},
	{in_select_of_nothing, {SYS_select, SYS_pselect6}, ACTIVITY_TIMERS},
	{in_epoll, {SYS_epoll_wait, SYS_epoll_pwait}, ACTIVITY_SOCKETS},
	{in_pause, {SYS_pause}, ACTIVITY_ELSE},
};

static bool is_in(const struct activity *a, const int calls[3])
{
	for (size_t i = 0; i < 3; i++)
		if (calls[i] == a->call && (calls[i] || !i))
			return a->state == 'S';
	return false;
}

static void test_reasons(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct child c = child_start(cases[i].run);
		struct activity a;

		do {
			sched_yield();
			assert_int_equal(activity_read(c.pid, c.pid, &a), 0);
		} while (!is_in(&a, cases[i].calls));
		assert_string_equal(activity_reasons[activity_reason(c.pid, &a)],
				    activity_reasons[cases[i].reason]);
		child_end(&c);
	}
}

/* Addresses and numbers are the program's own. */
static void test_arguments_of_strangers(void **state)
{
	struct child c = child_start(in_read);
	static const int calls[] = {SYS_poll, SYS_select, SYS_epoll_wait, SYS_recvfrom, -1, 99999};

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		struct activity a = {.call = calls[i]};

		memset(a.arguments, 0xff, sizeof(a.arguments));
		assert_in_range(activity_reason(c.pid, &a), 0, ACTIVITY_REASON_COUNT - 1);
	}
	child_end(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reasons),
		cmocka_unit_test(test_arguments_of_strangers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
