/* A child process for tests: it runs a function and ends with the parent. */
#ifndef GLIM_TEST_CHILD_H
#define GLIM_TEST_CHILD_H

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"

struct child {
	pid_t pid;
	int to, from; /* pipes: one byte makes the child go on, one byte says that it is ready */
};

static inline void child_wait(int fd)
{
	char c;

	CHECK(read(fd, &c, 1) == 1);
}

static inline void child_tell(int fd)
{
	CHECK(write(fd, "x", 1) == 1);
}

/* main(to_parent, from_parent) runs in the child, which then waits to be killed. */
static inline struct child child_start(void (*run)(int to_parent, int from_parent))
{
	int down[2], up[2];

	CHECK(!pipe(down) && !pipe(up));
	struct child c = {fork(), down[1], up[0]};

	CHECK(c.pid >= 0);
	if (!c.pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(down[1]);
		close(up[0]);
		run(up[1], down[0]);
		for (;;)
			pause();
	}
	close(down[0]);
	close(up[1]);
	return c;
}

static inline void child_kill(struct child *c)
{
	CHECK(!kill(c->pid, SIGKILL));
}

static inline void child_end(struct child *c)
{
	kill(c->pid, SIGKILL);
	CHECK(waitpid(c->pid, NULL, 0) == c->pid);
	close(c->to);
	close(c->from);
}

#endif
