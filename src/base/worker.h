/* base/worker.h - a thread that lives for one job, while its maker goes on.
 *
 * It has the priority and the capabilities that its maker has at that moment, and takes no signals
 * (docs/decisions/loader.md). What the job works on belongs to the job from worker_start until
 * worker_wait says that it is over; then all that it wrote is there. Zero bytes are a worker with
 * nothing to do. Where there is no thread to be had, worker_start does the job itself.
 *
 * Memory: belongs to the caller, and must not move while there is a job. Threads: one at a time a
 * worker. */
#ifndef GLIM_BASE_WORKER_H
#define GLIM_BASE_WORKER_H

#include "base/base.h"

typedef void worker_job(void *arg);
struct worker {
	bool busy;	/* a job was started, and nobody has seen yet that it is over */
	bool alone;	/* it had no thread, and is over */
	bool has_fd;	/* done */
	int done;	/* an eventfd: written when a job is over, read when that is seen */
	int64_t cpu_ns; /* that the last job took; not to be read while busy */
	worker_job *job;
	void *arg;
};

/* A descriptor that becomes readable when a job is over, and is so until that is seen. It belongs
 * to the worker. A negative errno: there is none. */
int worker_fd(struct worker *w);
/* Start a job; there must be none. */
void worker_start(struct worker *w, worker_job *job, void *arg);
/* Is there no job (any more)? Waits for the end of one for that long; WORKER_FOREVER: until then.
 */
#define WORKER_FOREVER INT64_MAX
bool worker_wait(struct worker *w, int64_t wait_ns);
/* Waits for the job. */
void worker_fini(struct worker *w);

#endif
