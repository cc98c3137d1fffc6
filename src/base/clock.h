/* base/clock.h - what time it is, in nanoseconds. */
#ifndef GLIM_BASE_CLOCK_H
#define GLIM_BASE_CLOCK_H

#include <stdint.h>

int64_t clock_real_ns(void); /* since 1970, UTC */
int64_t clock_mono_ns(void); /* since some start, never back; CLOCK_MONOTONIC */
int64_t
clock_real_at(int64_t mono_ns);	   /* what clock_real_ns was, or would be now, at such a moment */
int64_t clock_cpu_ns(void);	   /* CPU time of this process */
int64_t clock_thread_cpu_ns(void); /* CPU time of the thread that asks */

#endif
