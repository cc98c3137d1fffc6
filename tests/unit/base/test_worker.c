/* A thread for one job: what its maker sees of it, and when. */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/worker.h"

/* A job that does not end before it is told to. */
struct held {
	int gate;
	pthread_t thread;
	sigset_t blocked;
	int result;
};

static void job(void *arg)
{
	struct held *h = arg;
	eventfd_t told;

	h->thread = pthread_self();
	pthread_sigmask(SIG_BLOCK, NULL, &h->blocked);
	if (!eventfd_read(h->gate, &told))
		h->result += (int)told;
}

static bool is_readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

static void test_job(void **state)
{
	struct worker w = {};
	struct held h = {.gate = eventfd(0, EFD_CLOEXEC)};
	int fd = worker_fd(&w);

	assert_true(fd > 0);
	assert_int_equal(worker_fd(&w), fd);
	assert_true(worker_wait(&w, 0));
	for (int i = 1; i <= 3; i++) {
		worker_start(&w, job, &h);
		assert_false(worker_wait(&w, 0));
		assert_false(worker_wait(&w, 1000000));
		assert_false(is_readable(fd));
		eventfd_write(h.gate, 5);
		struct pollfd p = {.fd = fd, .events = POLLIN};

		assert_int_equal(poll(&p, 1, -1), 1);
		assert_true(worker_wait(&w, i == 2 ? 60 * NSEC_PER_SEC : WORKER_FOREVER));
		assert_int_equal(h.result, 5 * i);
		assert_true(w.cpu_ns > 0);
		assert_false(is_readable(fd));
		assert_false(pthread_equal(h.thread, pthread_self()));
		assert_true(sigismember(&h.blocked, SIGTERM));
	}
	worker_fini(&w);
	close(h.gate);
}

/* The end waits for the job; a worker without a descriptor works, too. */
static void test_end(void **state)
{
	struct worker w = {};
	struct held h = {.gate = eventfd(7, EFD_CLOEXEC)};

	worker_start(&w, job, &h);
	worker_fini(&w);
	assert_int_equal(h.result, 7);
	assert_false(w.busy);
	close(h.gate);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_job), cmocka_unit_test(test_end)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
