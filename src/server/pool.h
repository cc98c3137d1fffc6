/* server/pool.h - a few threads that run jobs, in the order in which they came.
 *
 * Threads: pool_submit from any; `run` is called on a worker, `done` by whoever calls
 * pool_collect. Memory: a job is embedded in what it works on and belongs to the pool from
 * pool_submit until `done` is called. */
#ifndef GLIM_SERVER_POOL_H
#define GLIM_SERVER_POOL_H

#include "base/err.h"

struct job {
	void (*run)(struct job *j);
	void (*done)(struct job *j);
	struct job *next;
};

struct pool;
/* wake_fd: an eventfd that is written when there is something to collect. */
int pool_new(unsigned int threads, int wake_fd, struct pool **ret, struct err *e);
/* Run what was submitted, then end the threads; jobs that are done stay to be collected. */
void pool_stop(struct pool *p);
void pool_free(struct pool *p);
void pool_submit(struct pool *p, struct job *j);
/* Call `done` of all jobs that have run. */
void pool_collect(struct pool *p);
/* Jobs that no worker has taken yet. */
size_t pool_waiting(struct pool *p);

#endif
