/* process/faults.h - says when threads of a process touch new memory, while they do.
 *
 * The kernel counts page faults of each thread that is followed, and tells of every
 * FAULTS_A_TIME-th (perf_event_open(2), PERF_COUNT_SW_PAGE_FAULTS); the thread is not stopped. It
 * needs no root for one's own processes where kernel.perf_event_paranoid is 2 or less; then faults
 * of the kernel on its behalf, such as by read(2), are not told.
 * Memory: belongs to the struct. Threads: one at a time. */
#ifndef GLIM_PROCESS_FAULTS_H
#define GLIM_PROCESS_FAULTS_H

#include "base/perf_ring.h"
#include "base/vec.h"

enum { FAULTS_A_TIME = 16 };

struct faults_thread {
	pid_t tid;
	struct perf_ring ring;
};
struct faults {
	int epoll; /* readable when something is told; below 0: there is none */
	VEC(struct faults_thread) threads;
};

void faults_open(struct faults *ret);
void faults_close(struct faults *f);
/* From now on, until it ends. Again does nothing. A negative errno: the kernel refuses. */
int faults_follow(struct faults *f, pid_t tid);
/* Was something told since the last call? */
bool faults_take(struct faults *f);

#endif
