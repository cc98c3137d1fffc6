/* A process for benchmarks: `load idle` wakes once a second, `load light` works 1 % of the time,
 * `load busy` works all the time, some 30 calls deep; `load deep N` works N calls deep and nowhere
 * else. Built by bench/load.py with frame pointers.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static volatile uint64_t sink;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

__attribute__((noinline)) static uint64_t spin(unsigned int rounds)
{
	uint64_t x = 88172645463325252;

	for (unsigned int i = 0; i < rounds; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
	}
	return x;
}

__attribute__((noinline)) static uint64_t descend(unsigned int depth)
{
	uint64_t below = depth ? descend(depth - 1) : spin(2000);

	sink += below;
	return below + spin(20);
}

__attribute__((noinline, noreturn)) static void dive(unsigned int depth)
{
	if (depth)
		dive(depth - 1);
	for (;;)
		sink += spin(1000000);
}

static void work(uint64_t ns)
{
	uint64_t end = now_ns() + ns;

	while (now_ns() < end)
		sink += descend(30);
}

static void rest(uint64_t ns)
{
	struct timespec t = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)};

	nanosleep(&t, NULL);
}

int main(int argc, char **argv)
{
	const char *kind = argc > 1 ? argv[1] : "idle";

	if (!strcmp(kind, "deep") && argc > 2)
		dive((unsigned int)strtoul(argv[2], NULL, 10));
	for (;;) {
		if (!strcmp(kind, "busy")) {
			work(100000000);
		} else if (!strcmp(kind, "light")) {
			work(2000000);
			rest(198000000);
		} else {
			rest(1000000000);
		}
	}
}
