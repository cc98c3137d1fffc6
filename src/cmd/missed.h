/* cmd/missed.h - what a capture did not see, for commands to say. Threads: any. */
#ifndef GLIM_MISSED_H
#define GLIM_MISSED_H

#include "capture/capture.h"

/* Samples that were not taken, or came too late and are part of the next. */
uint64_t missed_samples(const struct capture_stats *s);
/* Seconds of CPU time that are in no sample, of a capture that lasts `seconds` so far; 0: none, or
 * too little to be worth a word. */
double missed_cpu(const struct capture_stats *s, double seconds);

#endif
