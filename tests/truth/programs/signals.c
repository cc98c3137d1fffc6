/* Signal handlers on a stack of their own: after a system call, and in the middle of a loop. */
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

#include "truth.h"

static const struct truth_place PLACES[] = {
	{"main raises ... on_user handler_leaf", 300},
	{"main spins", 400},
	{"main spins ... on_timer timer_leaf", 100},
	{"main raises", 50},
};

static volatile uint64_t in_timer;

KEPT void handler_leaf(void)
{
	BURN(0);
}

KEPT void on_user(int number)
{
	handler_leaf();
	HERE();
}

KEPT void timer_leaf(void)
{
	BURN(2);
}

KEPT void on_timer(int number)
{
	uint64_t before = truth_places[2].ns;

	timer_leaf();
	HERE();
	in_timer += truth_places[2].ns - before;
}

/* The system call without a function of libc. */
KEPT void raises(void)
{
	long pid = getpid(), ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "0"((long)SYS_tgkill), "D"(pid), "S"(pid), "d"((long)SIGUSR1)
			 : "rcx", "r11", "memory");
	BURN(3);
}

/* Interrupted anywhere; what the handler used is not this function's. */
KEPT void spins(void)
{
	const struct itimerval on = {{0, 4000}, {0, 4000}}, off = {{0, 0}, {0, 0}};
	uint64_t before = in_timer, mine;

	setitimer(ITIMER_REAL, &on, NULL);
	BURN(1);
	setitimer(ITIMER_REAL, &off, NULL);
	mine = in_timer - before;
	truth_places[1].ns -= mine < truth_places[1].ns ? mine : truth_places[1].ns;
}

static void handle(int number, void (*handler)(int))
{
	struct sigaction action = {0};

	action.sa_handler = handler;
	action.sa_flags = SA_ONSTACK | SA_RESTART;
	if (sigaction(number, &action, NULL))
		abort();
}

int main(void)
{
	stack_t stack = {0};

	TRUTH_INIT(PLACES);
	truth_places[1].us = 20000;
	stack.ss_size = 64 << 10;
	stack.ss_sp = malloc(stack.ss_size);
	if (!stack.ss_sp || sigaltstack(&stack, NULL))
		abort();
	handle(SIGUSR1, on_user);
	handle(SIGALRM, on_timer);
	while (truth_goes_on()) {
		for (int i = 0; i < 20; i++)
			raises();
		spins();
	}
	truth_print();
	return 0;
}
