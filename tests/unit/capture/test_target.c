/* The table of processes: found, replaced, bounded, forked. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "capture/target.h"

static pid_t start_child(void)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		pause();
		_exit(0);
	}
	return pid;
}

static void end_child(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void test_add_and_remove(void **state)
{
	struct targets all = {};
	pid_t child = start_child();
	struct target *us = targets_add(&all, getpid(), 0, 1);
	struct target *other;

	assert_true(us->readable);
	assert_ptr_equal(targets_find(&all, getpid()), us);
	assert_null(targets_find(&all, child));
	other = targets_add(&all, child, 0, 2);
	assert_true(other->readable);
	assert_int_equal(all.list.len, 2);
	/* The one moves into the other's place. */
	targets_remove(&all, getpid());
	assert_null(targets_find(&all, getpid()));
	assert_ptr_equal(targets_find(&all, child), other);
	targets_remove(&all, getpid());
	targets_remove(&all, child);
	assert_int_equal(all.list.len, 0);
	end_child(child);
	targets_fini(&all);
}

/* Another process has the number now: nothing of it may be taken for the one that was sampled. */
static void test_reused_number(void **state)
{
	struct targets all = {};
	struct process p;
	uint64_t ns, tick = 1000000000 / sysconf(_SC_CLK_TCK);

	assert_int_equal(process_read(getpid(), &p, NULL), 0);
	ns = p.start_time * tick;
	process_fini(&p);
	assert_true(targets_add(&all, getpid(), ns, 1)->readable);
	assert_true(targets_add(&all, getpid(), ns + tick - 1, 1)->readable);
	assert_false(targets_add(&all, getpid(), ns + 2 * tick, 1)->readable);
	assert_false(targets_add(&all, getpid(), ns - 1, 1)->readable);
	assert_int_equal(all.list.len, 1);
	targets_fini(&all);
}

static void test_gone(void **state)
{
	struct targets all = {};
	pid_t child = start_child();
	struct target *t;
	bool changed = false;

	end_child(child);
	t = targets_add(&all, child, 0, 1);
	assert_false(t->readable);
	assert_null(target_mapping(t, (uintptr_t)test_gone, 1LL << 60, &changed));
	assert_false(changed);
	targets_fini(&all);
}

/* The table is bounded; who was seen last stays. */
static void test_bound(void **state)
{
	struct targets all = {};
	pid_t base = 1 << 22; /* above all numbers of processes (Linux, PID_MAX_LIMIT) */

	for (int i = 0; i < TARGETS_MAX + 10; i++) {
		targets_add(&all, base + i, 0, i);
		assert_true(all.list.len <= TARGETS_MAX);
	}
	for (int i = 0; i < 10; i++)
		assert_null(targets_find(&all, base + i));
	for (int i = 10; i < TARGETS_MAX + 10; i++)
		assert_non_null(targets_find(&all, base + i));
	targets_fini(&all);
}

/* Mappings that appear later are found, but they are not read at every miss. */
static void test_new_mapping(void **state)
{
	const size_t size = 4096;
	struct targets all = {};
	struct target *t = targets_add(&all, getpid(), 0, 0);
	bool changed = false;
	void *code;

	assert_non_null(target_mapping(t, (uintptr_t)test_new_mapping, 0, &changed));
	code = mmap(NULL, size, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(code != MAP_FAILED);
	/* Too early to look again. */
	assert_null(target_mapping(t, (uintptr_t)code, 1, &changed));
	assert_false(changed);
	assert_non_null(target_mapping(t, (uintptr_t)code, 1000000000, &changed));
	assert_true(changed);
	/* An address of nobody: the waits become longer. */
	changed = false;
	for (int64_t now = 1000000000, wait = 0; now < 100000000000; now = t->next_refresh_ns) {
		assert_null(target_mapping(t, 4096, now, &changed));
		assert_true(t->next_refresh_ns - now >= wait);
		wait = t->next_refresh_ns - now;
	}
	assert_false(changed);
	assert_true(t->refresh_wait_ns >= 5000000000);
	munmap(code, size);
	targets_fini(&all);
}

/* A child that ended before it was looked at has its parent's mappings and Python. */
static void test_forked(void **state)
{
	struct targets all = {};
	struct target *us = targets_add(&all, getpid(), 0, 1), *child;
	pid_t pid = start_child();
	bool changed = false;

	us->has_python = true;
	us->python.version = 0x030b07f0;
	targets_forked(&all, getpid(), pid);
	end_child(pid);
	child = targets_add(&all, pid, 0, 2);
	assert_true(child->readable);
	assert_true(child->has_python);
	assert_int_equal(child->python.version, 0x030b07f0);
	assert_int_equal(child->parent, getpid());
	assert_non_null(target_mapping(child, (uintptr_t)test_forked, 3, &changed));
	/* No code object lies there, not in the parent either. */
	assert_null(target_inherited_code(&all, child, 4096, 1));
	assert_int_equal(target_code(&all, child, 4096, 1)->failed, -ESRCH);
	/* After an exec it is nobody's child. */
	targets_forked(&all, getpid(), pid);
	targets_remove(&all, pid);
	assert_int_equal(targets_add(&all, pid, 0, 3)->parent, 0);
	/* The parent is forgotten: the child manages without. */
	targets_forked(&all, getpid(), pid);
	targets_remove(&all, getpid());
	child = targets_add(&all, pid, 0, 4);
	assert_false(child->readable);
	assert_null(target_inherited_code(&all, child, 4096, 1));
	targets_fini(&all);
}

/* What could not be read is remembered as such, and read once. */
static void test_code_is_remembered(void **state)
{
	struct targets all = {};
	struct target *us = targets_add(&all, getpid(), 0, 1);
	uint32_t first;

	us->python.version = 0x030b07f0;
	first = target_code(&all, us, 4096, 1)->id;
	assert_int_equal(target_code(&all, us, 4096, 1)->failed, -EFAULT);
	assert_int_equal(target_code(&all, us, 4096, 1)->id, first);
	assert_int_not_equal(target_code(&all, us, 4096, 2)->id, first);
	assert_int_not_equal(target_code(&all, us, 8192, 1)->id, first);
	for (uint64_t i = 0; i < 30000; i++)
		target_code(&all, us, 8 * i, 3);
	assert_true(us->codes.len <= 20000);
	assert_int_equal(target_code(&all, us, 8 * 29999, 3)->address, 8 * 29999);
	targets_fini(&all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_add_and_remove),
		cmocka_unit_test(test_reused_number),
		cmocka_unit_test(test_gone),
		cmocka_unit_test(test_bound),
		cmocka_unit_test(test_new_mapping),
		cmocka_unit_test(test_forked),
		cmocka_unit_test(test_code_is_remembered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
