/* Three functions that use 70, 20 and 10 % of the CPU time, by the thread's own clock; a thread
 * with a name beside it when an argument says so. Says "ready", works until it is killed. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define KEPT __attribute__((noinline, noclone))

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

KEPT void use(double seconds)
{
	double end = now() + seconds;
	volatile unsigned int x = 0;

	while (now() < end)
		for (int i = 0; i < 2000; i++)
			x += i;
}

KEPT void seventy(void)
{
	use(0.0259);
	__asm__ volatile("");
}

KEPT void twenty(void)
{
	use(0.0074);
	__asm__ volatile("");
}

KEPT void ten(void)
{
	use(0.0037);
	__asm__ volatile("");
}

KEPT void cycle(void)
{
	seventy();
	twenty();
	ten();
}

static int compare(const void *a, const void *b)
{
	use(0.001);
	return *(const int *)a - *(const int *)b;
}

/* libc calls us back: a function without frame pointers between two that have them. */
KEPT void sort_slowly(void)
{
	int numbers[] = {3, 1, 2, 5, 4};

	qsort(numbers, 5, sizeof(numbers[0]), compare);
	__asm__ volatile("");
}

static void *in_thread(void *arg)
{
	pthread_setname_np(pthread_self(), arg);
	for (;;)
		sort_slowly();
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t thread;

	if (argc > 1 && pthread_create(&thread, NULL, in_thread, argv[1]))
		return 1;
	puts("ready");
	fflush(stdout);
	for (;;)
		cycle();
}
