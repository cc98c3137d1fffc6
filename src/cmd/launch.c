#include "cmd/launch.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NOT_FOUND = 127, NOT_RUNNABLE = 126 };

static bool redirect(int output)
{
	int input = open("/dev/null", O_RDONLY | O_CLOEXEC);

	return input >= 0 && dup2(input, STDIN_FILENO) >= 0 && dup2(output, STDOUT_FILENO) >= 0 &&
	       dup2(output, STDERR_FILENO) >= 0;
}

static _Noreturn void run(char *const *argv, int output, int go, int failed)
{
	char byte;
	int error;

	/* Nothing comes: it is closed when the command may run. */
	if (read(go, &byte, 1) != 0)
		_exit(NOT_RUNNABLE);
	if (output < 0 || redirect(output))
		execvp(argv[0], argv);
	error = errno;
	if (write(failed, &error, sizeof(error)) < 0)
		_exit(NOT_RUNNABLE);
	_exit(error == ENOENT ? NOT_FOUND : NOT_RUNNABLE);
}

int launch_open(char *const *argv, int output, struct launch *ret, struct err *e)
{
	struct launch l = {.go = -1, .failed = -1, .ended = -1};
	int go[2], failed[2];

	if (pipe2(go, O_CLOEXEC))
		return err_sys(e, -errno, "cannot start a command");
	if (pipe2(failed, O_CLOEXEC)) {
		int code = err_sys(e, -errno, "cannot start a command");

		close(go[0]);
		close(go[1]);
		return code;
	}
	l.go = go[1];
	l.failed = failed[0];
	l.pid = fork();
	if (!l.pid) {
		/* Else it would hold its own go. */
		close(go[1]);
		run(argv, output, go[0], failed[1]);
	}
	close(go[0]);
	close(failed[1]);
	if (l.pid > 0)
		l.ended = (int)syscall(SYS_pidfd_open, l.pid, 0);
	if (l.pid < 0 || l.ended < 0) {
		int code = err_sys(e, -errno, "cannot start a command");

		launch_close(&l);
		return code;
	}
	*ret = l;
	return 0;
}

int launch_go(struct launch *l, struct err *e)
{
	int error = 0;
	ssize_t n;

	close(l->go);
	l->go = -1;
	do
		n = read(l->failed, &error, sizeof(error));
	while (n < 0 && errno == EINTR);
	return n == sizeof(error) ? err_sys(e, -error, "cannot run the command") : 0;
}

int launch_wait(struct launch *l)
{
	int status;

	while (waitpid(l->pid, &status, 0) < 0)
		if (errno != EINTR)
			return NOT_RUNNABLE;
	l->pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void launch_close(struct launch *l)
{
	int *const fds[] = {&l->failed, &l->ended};

	/* It ends by itself when nobody will tell it to go. */
	if (l->go >= 0 && l->pid > 0) {
		if (write(l->go, "x", 1) == 1)
			launch_wait(l);
	}
	if (l->go >= 0)
		close(l->go);
	l->go = -1;
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
}
