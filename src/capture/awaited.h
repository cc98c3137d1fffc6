/* capture/awaited.h - samples of the kernel's engine with the frames of what awaits their task.
 *
 * They are read from the process a moment after the sample, and believed while the step that was
 * sampled lasts (unwind/python/awaiters.h); the kernel wakes the reader for such samples. It takes
 * a twentieth of a CPU at most. Memory: a sample that is handed out lives until the next call.
 * Threads: one at a time. */
#ifndef GLIM_CAPTURE_AWAITED_H
#define GLIM_CAPTURE_AWAITED_H

#include "capture/target.h"
#include "probe/probe_abi.h"

struct awaited {
	struct probe_sample *sample; /* the last that was handed out */
	size_t room;
	struct memory_pages *pages; /* NULL: no task was sampled yet */
	int64_t paid_ns;	    /* until when its share of time is used up */
	/* Samples whose step was over, in which no task was found, or that have too many; or for
	 * which there was no time. */
	uint64_t gone;
};

void awaited_fini(struct awaited *a);
/* The sample of t, or one that is the same but for more Python entries. */
const struct probe_sample *awaited_add(struct awaited *a, const struct probe_sample *s,
				       struct target *t, int64_t now_ns);

#endif
