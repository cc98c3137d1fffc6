/* Stops a program where it makes a thread, and both threads at each instruction behind the system
 * call, of which glibc describes none: who called has the same callers all the time, and nobody
 * called the new one. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "native_tables.h"

static pid_t target;
#define TABLE_READ(dst, size, address) (process_read_memory(target, (address), (dst), (size)) < 0)
#include "unwind/native/table_walk.h"

#include "table_begin.h"

struct tables tables;

enum { STACK = 64 << 10, MAX_FRAMES = 64, STEPS = 64 };

struct stack {
	uint64_t pcs[MAX_FRAMES];
	size_t len;
	uint8_t end;
};

/* --- programs ----------------------------------------------------------------------------------*/

static void *thread(void *arg)
{
	return arg;
}

static int function(void *arg)
{
	return arg ? 1 : 0;
}

static void by_pthread(void)
{
	pthread_t t;

	if (!pthread_create(&t, NULL, thread, NULL))
		pthread_join(t, NULL);
}

static void by_clone(void)
{
	static _Alignas(16) char stack[STACK];
	const int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD;

	if (clone(function, stack + sizeof(stack), flags, NULL) >= 0)
		pause();
}

static pid_t start(void (*program)(void))
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, NULL, 0);
		raise(SIGSTOP);
		program();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSTOPPED(status));
	return pid;
}

/* --- walks -------------------------------------------------------------------------------------*/

static void walk(pid_t pid, pid_t tid, struct stack *ret)
{
	struct table_walk w;
	struct user_regs_struct r;

	target = tid;
	assert_int_equal(ptrace(PTRACE_GETREGS, tid, NULL, &r), 0);
	table_begin(pid, &r, &w);
	ret->len = 0;
	while (!w.end && ret->len < MAX_FRAMES) {
		ret->pcs[ret->len++] = w.pc;
		table_step(&w);
	}
	ret->end = w.end;
}

static void step(pid_t tid)
{
	int status;

	assert_int_equal(ptrace(PTRACE_SINGLESTEP, tid, NULL, 0), 0);
	assert_int_equal(waitpid(tid, &status, __WALL), tid);
	assert_true(WIFSTOPPED(status));
}

/* From the system call up to its return from the function. */
static void check_parent(pid_t pid)
{
	struct stack first, now;
	int steps = 0;

	walk(pid, pid, &first);
	assert_true(first.len > 3);
	assert_int_equal(first.end, UNWIND_NATIVE_COMPLETE);
	for (;; steps++) {
		step(pid);
		walk(pid, pid, &now);
		assert_int_equal(now.end, UNWIND_NATIVE_COMPLETE);
		if (now.len < first.len)
			break;
		assert_int_equal(now.len, first.len);
		assert_memory_equal(now.pcs + 1, first.pcs + 1, (now.len - 1) * sizeof(now.pcs[0]));
		assert_true(steps < STEPS);
	}
	assert_true(steps >= 3);
	assert_int_equal(now.pcs[0], first.pcs[1]);
	assert_memory_equal(now.pcs + 1, first.pcs + 2, (now.len - 1) * sizeof(now.pcs[0]));
}

/* Up to the first call: it is alone. */
static void check_child(pid_t pid, pid_t tid)
{
	struct stack now = {};
	int steps = 0;

	for (; steps < STEPS; steps++) {
		walk(pid, tid, &now);
		assert_int_equal(now.end, UNWIND_NATIVE_COMPLETE);
		if (now.len > 1)
			break;
		step(tid);
	}
	assert_int_equal(now.len, 2);
	assert_true(steps > 3);
}

static void run(void (*program)(void))
{
	pid_t pid = start(program);
	unsigned long child;
	struct process p;
	int status;

	tables_init(256 << 20, UNWIND_MAX_CHUNKS);
	assert_int_equal(process_read(pid, &p, NULL), 0);
	tables_add_process(&p);
	assert_int_equal(
		ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL), 0);
	assert_int_equal(ptrace(PTRACE_CONT, pid, NULL, 0), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status >> 8, SIGTRAP | PTRACE_EVENT_CLONE << 8);
	assert_int_equal(ptrace(PTRACE_GETEVENTMSG, pid, NULL, &child), 0);
	assert_int_equal(waitpid((pid_t)child, &status, __WALL), (pid_t)child);
	check_child(pid, (pid_t)child);
	check_parent(pid);
	kill(pid, SIGKILL);
	/* The main thread is a zombie until the other was waited for. */
	assert_int_equal(waitpid((pid_t)child, NULL, __WALL), (pid_t)child);
	assert_int_equal(waitpid(pid, NULL, __WALL), pid);
	process_fini(&p);
	tables_fini();
}

static void test_clone3(void **state)
{
	run(by_pthread);
}

static void test_clone(void **state)
{
	run(by_clone);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clone3),
		cmocka_unit_test(test_clone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
