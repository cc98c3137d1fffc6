/* cmd/agent_points.h - the numbers that go beside each window: CPU and memory of the host and its
 * processes, samples taken and lost.
 *
 * Memory: text and points belong to the struct until the next collect. Threads: one. */
#ifndef GLIM_CMD_AGENT_POINTS_H
#define GLIM_CMD_AGENT_POINTS_H

#include "capture/capture.h"
#include "process/usage.h"
#include "sink/push.h"

struct agent_points {
	struct usage usage;
	struct arena text;
	VEC(struct otlp_point) points;
	struct capture_stats capture; /* as of the last collect */
	struct push_stats push;
	int64_t time_ns, interval_ns;
};

/* Everything since the last call; the first call only takes the starting point of what is counted.
 */
int agent_points_collect(struct agent_points *a, const struct capture_stats *capture,
			 const struct push_stats *push, struct err *e);
void agent_points_fini(struct agent_points *a);

#endif
