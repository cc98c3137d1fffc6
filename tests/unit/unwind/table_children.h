/* Processes for the tests of the store of unwind tables, and what the store says. cmocka and
 * native_tables.h come before. */
#ifndef GLIM_TEST_TABLE_CHILDREN_H
#define GLIM_TEST_TABLE_CHILDREN_H

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "native_tables.h"

static inline struct table_store_stats stats(void)
{
	struct table_store_stats s;

	table_store_get_stats(tables.store, &s);
	return s;
}

/* Time passes until what was given up is free. */
static inline void settle(void)
{
	tables.now += TABLE_GRACE_NS;
	table_store_tick(tables.store, tables.now);
}

static inline void read_process(pid_t pid, struct process *ret)
{
	assert_int_equal(process_read(pid, ret, NULL), 0);
}

/* A child that waits to be killed, after it called prepare. */
static inline pid_t start_child(void (*prepare)(int arg), int arg)
{
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (prepare)
			prepare(arg);
		(void)!write(ready[1], "", 1);
		for (;;)
			pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

static inline void stop_child(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static inline void copy_file(int from, int to)
{
	char bytes[1 << 16];
	ssize_t n;
	off_t at = 0;

	while ((n = pread(from, bytes, sizeof(bytes), at)) > 0) {
		assert_int_equal(pwrite(to, bytes, n, at), n);
		at += n;
	}
	assert_int_equal(n, 0);
}

/* A file in memory that has the content of this program. */
static inline int open_copy(void)
{
	int own = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int copy = memfd_create("copy", MFD_CLOEXEC);

	assert_true(own >= 0 && copy >= 0);
	copy_file(own, copy);
	close(own);
	return copy;
}

/* Two files, in turn: no two mappings are one, and none is of the file of the one before. */
static inline void map_often(int n)
{
	int fds[] = {open("/proc/self/exe", O_RDONLY | O_CLOEXEC), open_copy()};

	for (int i = 0; i < n; i++)
		if (mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fds[i % 2], 0) ==
		    MAP_FAILED)
			_exit(1);
}

/* What is published of a mapping. */
static inline const struct unwind_mapping *element_of(pid_t pid, const void *address)
{
	struct unwind_process run = {};

	assert_true(tables_process(pid, &run));
	for (uint32_t i = 0; i < run.count; i++) {
		const struct unwind_mapping *m = &tables.mappings[run.first + i];

		if (m->start <= (uintptr_t)address && (uintptr_t)address < m->end)
			return m;
	}
	return NULL;
}

#endif
