/* A child with a thread, which touches pages when it is told to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process/faults.h"

enum { PAGE = 4096, LONG_MS = 60000 };

static int orders[2], answers[2];

static void touch(size_t pages)
{
	char *p = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		       0);

	CHECK(p != MAP_FAILED);
	CHECK(!madvise(p, pages * PAGE, MADV_NOHUGEPAGE));
	for (size_t i = 0; i < pages; i++)
		p[i * PAGE] = 1;
}

/* Says its number, then touches as many pages as each byte says; ends with the orders. */
static void *obey(void *arg)
{
	pid_t tid = (pid_t)syscall(SYS_gettid);
	uint8_t pages;

	CHECK(write(answers[1], &tid, sizeof(tid)) == sizeof(tid));
	while (read(orders[0], &pages, 1) == 1) {
		if (pages)
			touch(pages);
		CHECK(write(answers[1], &pages, 1) == 1);
	}
	return NULL;
}

static pid_t start(pid_t *ret_tid)
{
	pthread_t thread;
	pid_t pid;

	CHECK(!pipe(orders) && !pipe(answers));
	pid = fork();
	if (!pid) {
		close(orders[1]);
		CHECK(!pthread_create(&thread, NULL, obey, NULL));
		pthread_join(thread, NULL);
		pause();
		_exit(0);
	}
	close(orders[0]);
	close(answers[1]);
	assert_int_equal(read(answers[0], ret_tid, sizeof(*ret_tid)), sizeof(*ret_tid));
	return pid;
}

static void order(uint8_t pages)
{
	uint8_t done;

	assert_int_equal(write(orders[1], &pages, 1), 1);
	assert_int_equal(read(answers[0], &done, 1), 1);
}

static bool is_told(const struct faults *f, int ms)
{
	struct pollfd p = {.fd = f->epoll, .events = POLLIN};

	return poll(&p, 1, ms) == 1;
}

static void test_faults(void **state)
{
	struct faults f;
	pid_t tid, pid = start(&tid);

	faults_open(&f);
	assert_int_equal(faults_follow(&f, tid), 0);
	assert_int_equal(faults_follow(&f, tid), 0);
	assert_int_equal(f.threads.len, 1);
	order(200);
	assert_true(is_told(&f, LONG_MS));
	assert_true(faults_take(&f));
	/* Each is told once, whatever it touched. */
	assert_false(faults_take(&f));
	order(0);
	assert_false(is_told(&f, 0));
	order(200);
	assert_true(is_told(&f, LONG_MS) && faults_take(&f));
	/* The thread ends: nobody is followed any more. */
	close(orders[1]);
	while (f.threads.len) {
		assert_true(is_told(&f, LONG_MS));
		faults_take(&f);
	}
	assert_true(faults_follow(&f, tid) < 0);
	faults_close(&f);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_faults)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
