#include "base/clock.h"

#include <time.h>

#include "base/base.h"

static int64_t now(clockid_t id)
{
	struct timespec ts;

	CHECK(clock_gettime(id, &ts) == 0);
	return (int64_t)ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

int64_t clock_real_ns(void)
{
	return now(CLOCK_REALTIME);
}

int64_t clock_mono_ns(void)
{
	return now(CLOCK_MONOTONIC);
}

/* The clocks are read one after the other, and between them the CPU may be taken away: the two
 * readings that lie closest together count. */
int64_t clock_real_at(int64_t mono_ns)
{
	enum { TRIES = 8, CLOSE_NS = 1000 };
	int64_t best_ns = INT64_MAX, real_at = 0;

	for (int i = 0; i < TRIES && best_ns > CLOSE_NS; i++) {
		int64_t before = clock_mono_ns(), real = clock_real_ns(), after = clock_mono_ns();

		if (after - before >= best_ns)
			continue;
		best_ns = after - before;
		real_at = real - (before + best_ns / 2 - mono_ns);
	}
	return real_at;
}

int64_t clock_cpu_ns(void)
{
	return now(CLOCK_PROCESS_CPUTIME_ID);
}

int64_t clock_thread_cpu_ns(void)
{
	return now(CLOCK_THREAD_CPUTIME_ID);
}
