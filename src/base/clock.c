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

int64_t clock_cpu_ns(void)
{
	return now(CLOCK_PROCESS_CPUTIME_ID);
}

int64_t clock_thread_cpu_ns(void)
{
	return now(CLOCK_THREAD_CPUTIME_ID);
}
