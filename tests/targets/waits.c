/* Threads that wait in system calls, for a moment each, over and over: says after how many of them
 * one ended early, when standard input ends; "ready" when all have begun. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static atomic_ulong turns, early;

static long in_epoll(int fd)
{
	struct epoll_event e;

	return epoll_wait(fd, &e, 1, 2);
}

static long in_signal(int fd)
{
	const struct timespec t = {.tv_nsec = 2000000};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	return sigtimedwait(&set, NULL, &t);
}

static long in_recv(int fd)
{
	char c;

	return recv(fd, &c, 1, 0);
}

static long in_poll(int fd)
{
	return poll(NULL, 0, 2);
}

static long in_sleep(int fd)
{
	const struct timespec t = {.tv_nsec = 2000000};

	return nanosleep(&t, NULL);
}

struct way {
	long (*wait)(int fd);
	int fd;
};

static void *waits(void *arg)
{
	const struct way *w = arg;

	for (;;) {
		/* A stop that comes while it runs may find it in its call. */
		for (volatile int i = 0; i < 50000; i++)
			;
		if (w->wait(w->fd) < 0 && errno == EINTR)
			early++;
		turns++;
	}
	return NULL;
}

int main(void)
{
	const struct timeval timeout = {.tv_usec = 2000};
	static struct way ways[] = {{in_epoll}, {in_signal}, {in_recv}, {in_poll}, {in_sleep}};
	unsigned long n = sizeof(ways) / sizeof(ways[0]);
	pthread_t t;
	int fds[2];
	char c;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds))
		return 1;
	setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	ways[0].fd = epoll_create1(0);
	ways[2].fd = fds[0];
	for (unsigned long i = 0; i < n; i++)
		pthread_create(&t, NULL, waits, &ways[i]);
	while (turns < n)
		;
	puts("ready");
	fflush(stdout);
	while (read(0, &c, 1) > 0)
		;
	printf("%lu turns, %lu early\n", (unsigned long)turns, (unsigned long)early);
	return 0;
}
