#include "base/worker.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

int worker_fd(struct worker *w)
{
	if (!w->has_fd) {
		int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

		if (fd < 0)
			return -errno;
		w->done = fd;
		w->has_fd = true;
	}
	return w->done;
}

static void do_job(struct worker *w)
{
	int64_t start = clock_thread_cpu_ns();

	w->job(w->arg);
	w->cpu_ns = clock_thread_cpu_ns() - start;
}

static void *run(void *arg)
{
	struct worker *w = arg;

	do_job(w);
	/* Whoever waits goes on from here, and not when the thread has ended: on a busy machine
	 * that may be much later. */
	eventfd_write(w->done, 1);
	return NULL;
}

static bool start_thread(struct worker *w)
{
	sigset_t all, old;
	pthread_t thread;

	if (worker_fd(w) < 0)
		return false;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int r = pthread_create(&thread, NULL, run, w);

	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!r)
		pthread_detach(thread);
	return !r;
}

void worker_start(struct worker *w, worker_job *job, void *arg)
{
	CHECK(!w->busy);
	w->busy = true;
	w->job = job;
	w->arg = arg;
	w->alone = false;
	if (start_thread(w))
		return;
	do_job(w);
	w->alone = true;
	if (w->has_fd)
		eventfd_write(w->done, 1);
}

static bool is_over(struct worker *w, int64_t wait_ns)
{
	int64_t until = wait_ns < WORKER_FOREVER ? clock_mono_ns() + wait_ns : WORKER_FOREVER;
	struct pollfd p = {.fd = w->done, .events = POLLIN};
	eventfd_t ignored;

	while (eventfd_read(w->done, &ignored)) {
		int64_t left = until == WORKER_FOREVER ? NSEC_PER_SEC : until - clock_mono_ns();
		const struct timespec wait = {left / NSEC_PER_SEC, left % NSEC_PER_SEC};

		if (left <= 0)
			return false;
		ppoll(&p, 1, &wait, NULL);
	}
	return true;
}

bool worker_wait(struct worker *w, int64_t wait_ns)
{
	if (w->busy && (w->has_fd ? is_over(w, wait_ns) : w->alone))
		w->busy = false;
	return !w->busy;
}

void worker_fini(struct worker *w)
{
	worker_wait(w, WORKER_FOREVER);
	if (w->has_fd)
		close(w->done);
	*w = (struct worker){};
}
