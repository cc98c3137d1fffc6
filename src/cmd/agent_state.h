/* cmd/agent_state.h - what a running agent leaves in a file, for `glim doctor` and for people.
 *
 * One file an agent, in JSON, replaced at each window; the agent holds a lock beside it for as long
 * as it runs, so that a second one for the same server, service and host does not start.
 * Threads: one. */
#ifndef GLIM_CMD_AGENT_STATE_H
#define GLIM_CMD_AGENT_STATE_H

#include "capture/capture.h"
#include "sink/push.h"

#define AGENT_RUN_DIR "/run/glim"

struct agent_identity {
	const char *server, *service, *host;
};
struct agent_state {
	struct agent_identity who;
	unsigned int hz;
	int64_t started_ns;
	struct capture_stats capture;
	struct capture_refusal refusals[CAPTURE_MAX_REFUSALS];
	size_t nrefusals;
	struct push_stats push;
};

/* The name without suffix of the files of an agent: AGENT_RUN_DIR/agent-ID. */
char *agent_state_base(const struct agent_identity *who) __attribute__((malloc));
/* Take the lock; ret_fd holds it until agent_state_unlock, or the end of the process. -EEXIST:
 * another agent has it. */
int agent_state_lock(const char *base, int *ret_fd, struct err *e);
/* Give the lock back and take its file away. */
void agent_state_unlock(const char *base, int fd);
int agent_state_write(const char *path, const struct agent_state *s, struct err *e);

#endif
