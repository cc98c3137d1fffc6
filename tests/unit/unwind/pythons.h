/* Interpreters that run a script which tells about itself on its standard output and ends with its
 * input. */
#ifndef GLIM_TESTS_UNWIND_PYTHONS_H
#define GLIM_TESTS_UNWIND_PYTHONS_H

#include <fcntl.h>
#include <glob.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"

struct child {
	pid_t pid;
	int in;
	FILE *out;
};

/* script NULL: the program alone. */
static void start(const char *program, const char *script, struct child *c)
{
	int in[2], out[2];

	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	c->pid = fork();
	assert_true(c->pid >= 0);
	if (!c->pid) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		setenv("PYTHONUTF8", "1", 1);
		if (script)
			execl(program, program, "-B", script, (char *)NULL);
		else
			execl(program, program, (char *)NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	c->in = in[1];
	c->out = fdopen(out[0], "r");
	assert_non_null(c->out);
}

static void stop(struct child *c)
{
	int status;

	fclose(c->out);
	close(c->in);
	waitpid(c->pid, &status, 0);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static inline void unhex(const char *hex, char *out, size_t max)
{
	unsigned int byte;

	for (; max > 1 && sscanf(hex, "%2x", &byte) == 1; hex += 2, max--)
		*out++ = (char)byte;
	*out = '\0';
}

/* Those in a folder that are called so. */
static void each_of(const char *folder, const char *pattern, void (*test)(const char *python))
{
	cleanup_free char *path = mem_asprintf("%s/%s", folder, pattern);
	glob_t found = {};

	if (glob(path, 0, NULL, &found) == 0)
		for (size_t i = 0; i < found.gl_pathc; i++)
			test(found.gl_pathv[i]);
	globfree(&found);
}

static void each_of_pyenv(const char *pattern, void (*test)(const char *python))
{
	const char *home = getenv("HOME");
	cleanup_free char *folder = mem_asprintf("%s/.pyenv/versions", home ? home : "");

	each_of(folder, pattern, test);
}

/* Every Python 3 on this machine, and those that ./dev pythons fetched. */
static void each_python(void (*test)(const char *python))
{
	test("/usr/bin/python3");
	each_of_pyenv("3.*/bin/python3", test);
	each_of(PYTHONS_FOLDER, "*/python", test);
}

#endif
