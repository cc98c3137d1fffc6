/* The program that native_live.c stops and walks. Its functions note themselves on a list of their
 * own while they run, so that the true stack is known at every instruction; only at the very start
 * and end of a function, where it is not noted, does the list lack the innermost one.
 *
 * usage: native_target MODE; prints the addresses of its list, and
 * runs when it is given a byte, until it is killed. */
#define _GNU_SOURCE
#include <alloca.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

enum { MAX_NOTED = 8192 };

static void *volatile noted[MAX_NOTED];
static volatile unsigned long noted_len;
static volatile unsigned long sink;

#ifdef __clang__
#define FUNCTION __attribute__((noinline, used, section("noted_text")))
#else /* no copies of a function either */
#define FUNCTION __attribute__((noipa, used, section("noted_text")))
#endif
#define ENTER(f)                                                                                   \
	do {                                                                                       \
		noted[noted_len] = (void *)(f);                                                    \
		noted_len = noted_len + 1;                                                         \
	} while (0)
#define LEAVE()                                                                                    \
	do {                                                                                       \
		noted_len = noted_len - 1;                                                         \
	} while (0)

FUNCTION unsigned long leaf(unsigned long n)
{
	ENTER(leaf);
	for (unsigned long i = 0; i < 20; i++)
		sink += n * i;
	LEAVE();
	return sink + n;
}

/* Pushes all registers that it must preserve. */
FUNCTION unsigned long many_registers(unsigned long a, unsigned long b, unsigned long c)
{
	unsigned long d = a ^ b, e = b ^ c, f = a + c, g = a * b, r;

	ENTER(many_registers);
	r = leaf(a) + d;
	r += leaf(b) + e;
	r += leaf(c) + f + g;
	r += leaf(d) + a + e;
	LEAVE();
	return r + b + c + d + e + f + g;
}

FUNCTION unsigned long large_frame(unsigned long n)
{
	volatile char room[70000];

	ENTER(large_frame);
	memset((void *)room, (int)n, sizeof(room) / 64);
	n += many_registers(n, room[3], n + 2);
	n += (unsigned long)room[n % sizeof(room)];
	LEAVE();
	return n;
}

/* Keeps a frame pointer, because its frame has no fixed size. */
FUNCTION unsigned long variable_frame(unsigned long n)
{
	volatile char *room;

	ENTER(variable_frame);
	room = alloca(n % 300 + 16);
	room[n % 16] = 1;
	n += large_frame(n) + (unsigned long)room[1];
	LEAVE();
	return n;
}

/* Aligns its stack: the CFA is in memory. */
FUNCTION unsigned long aligned_frame(unsigned long n)
{
	_Alignas(64) volatile char room[128];
	volatile char *more;

	ENTER(aligned_frame);
	more = alloca(n % 100 + 8);
	more[0] = room[n % 128] = (char)n;
	n += variable_frame(n) + (unsigned long)(room[n % 100] + more[0]);
	LEAVE();
	return n;
}

FUNCTION unsigned long many_arguments(unsigned long n, ...)
{
	va_list args;

	ENTER(many_arguments);
	va_start(args, n);
	for (int i = 0; i < 9; i++)
		n += va_arg(args, unsigned long);
	va_end(args);
	n += aligned_frame(n);
	LEAVE();
	return n;
}

/* Called by libc. */
FUNCTION int compare(const void *a, const void *b)
{
	int r;

	ENTER(compare);
	r = *(const int *)a - *(const int *)b;
	if (r == 17)
		sink += many_arguments(1, 2UL, 3UL, 4UL, 5UL, 6UL, 7UL, 8UL, 9UL, 10UL);
	LEAVE();
	return r;
}

FUNCTION void calls(void)
{
	int numbers[64];

	ENTER(calls);
	for (int i = 0; i < 64; i++)
		numbers[i] = (i * 37 + (int)sink) % 64;
	qsort(numbers, 64, sizeof(numbers[0]), compare);
	sink += many_arguments(1, 2UL, 3UL, 4UL, 5UL, 6UL, 7UL, 8UL, 9UL, 10UL);
	LEAVE();
}

FUNCTION unsigned long recurse(unsigned long n)
{
	unsigned long r;

	ENTER(recurse);
	r = n ? recurse(n - 1) * 3 + n : leaf(n);
	LEAVE();
	return r;
}

FUNCTION void on_signal(int number)
{
	ENTER(on_signal);
	sink += many_registers((unsigned long)number, 2, 3);
	LEAVE();
}

FUNCTION void signals(void)
{
	ENTER(signals);
	sink += recurse(5);
	raise(SIGUSR1);
	sink += leaf(7);
	LEAVE();
}

FUNCTION void faults(void)
{
	ENTER(faults);
	/* The interrupted instruction is the first one of its block. */
	__asm__ volatile("ud2" ::: "memory");
	sink += leaf(1);
	LEAVE();
}

FUNCTION void on_fault(int number, siginfo_t *info, void *context)
{
	ENTER(on_fault);
	sink += leaf((unsigned long)number);
	((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] += 2;
	LEAVE();
}

FUNCTION void clocks(void)
{
	struct timespec t;

	ENTER(clocks);
	for (int i = 0; i < 10; i++) {
		clock_gettime(CLOCK_MONOTONIC, &t);
		sink += (unsigned long)t.tv_nsec;
	}
	LEAVE();
}

/* Calls through the PLT, some for the first time: the dynamic linker resolves them. */
FUNCTION void libraries(void)
{
	char text[64];

	ENTER(libraries);
	snprintf(text, sizeof(text), "%lu %f", sink, (double)sink);
	sink += strlen(text) + (unsigned long)strtol(text, NULL, 10);
	sink += (unsigned long)getppid();
	LEAVE();
}

static const char *mode;

FUNCTION void run(void)
{
	ENTER(run);
	if (!strcmp(mode, "calls"))
		calls();
	else if (!strcmp(mode, "deep"))
		sink += recurse(5000);
	else if (!strcmp(mode, "signals"))
		signals();
	else if (!strcmp(mode, "faults"))
		faults();
	else if (!strcmp(mode, "clocks"))
		clocks();
	else
		libraries();
	LEAVE();
}

/* Starts when it is told to. */
static void announce(void)
{
	char go;

	printf("%p %p %d\n", (void *)noted, (void *)&noted_len, (int)gettid());
	fflush(stdout);
	if (read(0, &go, 1) != 1)
		_exit(1);
}

FUNCTION void *thread_main(void *arg)
{
	ENTER(thread_main);
	announce();
	for (;;)
		run();
	return arg;
}

FUNCTION int main(int argc, char **argv);

int main(int argc, char **argv)
{
	static char stack[1 << 16];
	stack_t alternate = {.ss_sp = stack, .ss_size = sizeof(stack)};
	struct sigaction own = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};
	struct sigaction fault = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
	pthread_t thread;

	if (argc < 2)
		return 2;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	mode = argv[1];
	sigaltstack(&alternate, NULL);
	sigaction(SIGUSR1, &own, NULL);
	sigaction(SIGILL, &fault, NULL);
	if (argc > 2) {
		pthread_create(&thread, NULL, thread_main, NULL);
		pthread_join(thread, NULL);
	}
	ENTER(main);
	announce();
	for (;;)
		run();
}
