/* cmd/fetch.h - debug files by debuginfod, for commands that have --debuginfod.
 *
 * The servers are those of DEBUGINFOD_URLS. What they send is kept in the folder debuginfod of the
 * cache (cmd/cache.h).
 * Threads: the main thread. */
#ifndef GLIM_CMD_FETCH_H
#define GLIM_CMD_FETCH_H

#include "capture/capture.h"
#include "sink/debuginfod.h"

/* Check before anything is started: -EINVAL when no server is named. */
int fetch_check(struct err *e);
/* Start fetching for a capture, with the rights that this thread has now. Stop it (debuginfod_stop)
 * after the capture is closed. */
int fetch_start(struct capture *c, struct debuginfod **ret, struct err *e);

#endif
