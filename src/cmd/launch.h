/* cmd/launch.h - a command that Glim starts and looks at: `glim record -- CMD ARGUMENT...`
 *
 * The command keeps the terminal, the signals and the environment as if it was started alone, and
 * is never killed. It waits with its first instruction until it is told to go. Threads: the main
 * thread. */
#ifndef GLIM_CMD_LAUNCH_H
#define GLIM_CMD_LAUNCH_H

#include <sys/types.h>

#include "base/err.h"

struct launch {
	pid_t pid;
	int go;	    /* closed: go */
	int failed; /* the errno of exec comes out, or nothing */
	int ended;  /* a pidfd: readable when the command ended */
};

/* Start the process; it does not run the command before launch_go. output: where it writes to
 * instead of our standard output and error, and then it has nothing to read; -1: it has ours. */
int launch_open(char *const *argv, int output, struct launch *ret, struct err *e);
/* Let it run. Fails when the command cannot be run; the status is then 127 (not found) or 126. */
int launch_go(struct launch *l, struct err *e);
/* Wait for its end, however long that takes. Returns the exit status as a shell tells it: 128 and
 * the signal's number when it died of one. */
int launch_wait(struct launch *l);
/* A command that was not told to go never runs. */
void launch_close(struct launch *l);

#endif
