/* A shell, more or less: starts a program again and again and waits for it.
 * usage: parent TIMES PROGRAM */
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>

extern char **environ;

int main(int argc, char **argv)
{
	int times = argc > 2 ? atoi(argv[1]) : 0, status;
	pid_t pid;

	for (int i = 0; i < times; i++) {
		if (posix_spawn(&pid, argv[2], NULL, NULL, argv + 2, environ))
			return 1;
		if (waitpid(pid, &status, 0) != pid || status)
			return 1;
	}
	return 0;
}
