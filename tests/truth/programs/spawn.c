/* Threads that live for a moment, one after the other: by pthread_create, which calls clone3, and
 * by clone. glibc describes neither behind its system call. */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "truth.h"

static const struct truth_place PLACES[] = {
	{"worker leaf", 30},	  {"other leaf", 30},	   {"main created leaf", 20},
	{"main cloned leaf", 20}, {"main created ...", 0}, {"main cloned ...", 0},
};
enum {
	STACK = 64 << 10,
	THREAD = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
		 CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID,
};
static _Alignas(16) char stack[STACK];

KEPT void leaf(int place)
{
	BURN(place);
}

KEPT void *worker(void *arg)
{
	leaf(0);
	HERE();
	return arg;
}

KEPT int other(void *arg)
{
	leaf(1);
	HERE();
	return 0;
}

KEPT void created(void)
{
	pthread_t thread;

	leaf(2);
	if (pthread_create(&thread, NULL, worker, NULL))
		abort();
	pthread_join(thread, NULL);
	HERE();
}

KEPT void cloned(void)
{
	static volatile int running;

	leaf(3);
	running = 1;
	if (clone(other, stack + STACK, THREAD, NULL, NULL, NULL, &running) < 0)
		abort();
	for (int now; (now = running);)
		syscall(SYS_futex, &running, FUTEX_WAIT, now, NULL, NULL, 0);
	HERE();
}

int main(void)
{
	TRUTH_INIT(PLACES);
	while (truth_goes_on()) {
		created();
		cloned();
	}
	truth_print();
#ifndef __GLIBC__
	/* The kernel says that a thread ended before the thread is done with ending: by then musl
	 * unmaps its stack. */
	puts("{\"stack_gone\": [\"pthread_exit\"]}");
#endif
	return 0;
}
