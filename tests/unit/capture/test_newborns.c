/* Mappings as the kernel tells them: of a real process that is gone, and crafted ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "capture/newborns.h"

static struct newborns newborns;

static void take(const struct mapping_event *e, void *arg)
{
	newborns_take(&newborns, e, clock_mono_ns());
}

static bool has(const struct process *p, const char *name)
{
	for (size_t i = 0; i < p->mappings.len; i++)
		if (strstr(p->mappings.data[i].path, name))
			return true;
	return false;
}

static struct mapping_events *follow_all(void)
{
	struct mapping_events *events = mapping_events_new();
	struct err e;

	for (int i = 0; i < get_nprocs_conf(); i++)
		if (mapping_events_add(events, (unsigned int)i, &e))
			fail_msg("%s", e.msg);
	return events;
}

/* It ran and was waited for. */
static pid_t run_true(void)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		execl("/bin/true", "true", (char *)NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	return pid;
}

/* It ended before anybody looked. */
static void test_process_that_is_gone(void **state)
{
	struct mapping_events *events = follow_all();
	struct process p;

	for (int seen = 0, runs = 0; seen < 20; seen++) {
		pid_t pid = run_true();

		/* All CPUs are followed: where much starts meanwhile, records may be lost, and that
		 * is told. */
		while (mapping_events_drain(events, take, NULL)) {
			newborns_fini(&newborns);
			newborns = (struct newborns){};
			assert_true(++runs < 200);
			pid = run_true();
		}
		assert_true(newborns_process(&newborns, pid, &p));
		assert_true(has(&p, "/bin/true") && has(&p, "/libc") && has(&p, "[vdso]"));
		for (size_t k = 1; k < p.mappings.len; k++)
			assert_true(p.mappings.data[k - 1].end <= p.mappings.data[k].start);
		/* Its files can still be opened, and its vdso can be read. */
		for (size_t k = 0; k < p.mappings.len; k++) {
			int fd = process_open_mapping(&p, &p.mappings.data[k]);

			assert_true(fd >= 0);
			close(fd);
		}
		process_fini(&p);
	}
	mapping_events_free(events);
	newborns_fini(&newborns);
	newborns = (struct newborns){};
}

/* What was recorded on a CPU before it went is handed over, once, and so is what comes after. */
static void test_cpus_that_come_back(void **state)
{
	struct mapping_events *events = follow_all();
	struct err e;
	pid_t before, after;
	struct process p;

	before = run_true();
	for (int i = 0; i < get_nprocs_conf(); i++) {
		mapping_events_remove(events, (unsigned int)i);
		if (mapping_events_add(events, (unsigned int)i, &e))
			fail_msg("%s", e.msg);
	}
	after = run_true();
	for (int i = 0; i < 2; i++)
		assert_int_equal(mapping_events_drain(events, take, NULL), 0);
	for (int i = 0; i < 2; i++) {
		assert_true(newborns_process(&newborns, i ? after : before, &p));
		assert_true(has(&p, "/bin/true") && has(&p, "/libc"));
		process_fini(&p);
	}
	mapping_events_free(events);
	newborns_fini(&newborns);
	newborns = (struct newborns){};
}

static void event(pid_t pid, uint64_t start, uint64_t end, uint64_t inode, int64_t now)
{
	newborns_take(&newborns,
		      &(struct mapping_event){.pid = pid,
					      .exec = !end,
					      .start = start,
					      .end = end,
					      .inode = inode,
					      .path = inode ? "/x" : "//anon"},
		      now);
}

static void expect(pid_t pid, size_t n, ...)
{
	struct process p;
	va_list args;

	assert_int_equal(newborns_process(&newborns, pid, &p), n > 0);
	if (!n)
		return;
	assert_int_equal(p.mappings.len, n);
	va_start(args, n);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(p.mappings.data[i].start, va_arg(args, int));
		assert_int_equal(p.mappings.data[i].inode, va_arg(args, int));
	}
	va_end(args);
	process_fini(&p);
}

static void test_replaced(void **state)
{
	/* Only who called exec is followed. */
	event(1, 0x1000, 0x2000, 1, 0);
	expect(1, 0);
	event(1, 0, 0, 0, 0);
	expect(1, 0);
	event(1, 0x5000, 0x6000, 5, 0);
	event(1, 0x1000, 0x2000, 1, 0);
	event(1, 0x3000, 0x4000, 3, 0);
	expect(1, 3, 0x1000, 1, 0x3000, 3, 0x5000, 5);
	/* Over one, and a part of another; within one. */
	event(1, 0x2800, 0x5800, 4, 0);
	expect(1, 3, 0x1000, 1, 0x2800, 4, 0x5800, 5);
	event(1, 0x1800, 0x1900, 0, 0);
	expect(1, 5, 0x1000, 1, 0x1800, 0, 0x1900, 1, 0x2800, 4, 0x5800, 5);
	event(1, 0x1000, 0x2800, 6, 0);
	expect(1, 3, 0x1000, 6, 0x2800, 4, 0x5800, 5);
	/* Nonsense. */
	event(1, 0x9000, 0x9000, 1, 0);
	event(1, 0x9000, 0x8000, 1, 0);
	expect(1, 3, 0x1000, 6, 0x2800, 4, 0x5800, 5);
	event(1, 0, 0, 0, 0);
	expect(1, 0);
	newborns_fini(&newborns);
	newborns = (struct newborns){};
}

static void test_old_ones_go(void **state)
{
	for (int i = 1; i <= 3; i++) {
		event(i, 0, 0, 0, i * NSEC_PER_SEC);
		event(i, 0x1000, 0x2000, (uint64_t)i, i * NSEC_PER_SEC);
	}
	/* The first starts anew. */
	event(1, 0, 0, 0, 4 * NSEC_PER_SEC);
	event(1, 0x1000, 0x2000, 9, 4 * NSEC_PER_SEC);
	newborns_tick(&newborns, 4 * NSEC_PER_SEC + 1);
	expect(1, 1, 0x1000, 9);
	expect(2, 0);
	expect(3, 1, 0x1000, 3);
	/* Never more than there is room for. */
	for (int i = 10; i < 10000; i++)
		event(i, 0, 0, 0, 4 * NSEC_PER_SEC);
	assert_true(newborns.dropped > 5000);
	newborns_tick(&newborns, 10 * NSEC_PER_SEC);
	assert_int_equal(newborns.list.len, 0);
	newborns_fini(&newborns);
	newborns = (struct newborns){};
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_process_that_is_gone),
		cmocka_unit_test(test_cpus_that_come_back),
		cmocka_unit_test(test_replaced),
		cmocka_unit_test(test_old_ones_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
