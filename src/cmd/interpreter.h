/* cmd/interpreter.h - which Python a person means. Memory: of the arena. Threads: the main thread.
 */
#ifndef GLIM_CMD_INTERPRETER_H
#define GLIM_CMD_INTERPRETER_H

#include "base/arena.h"
#include "base/err.h"

/* The program that `what` stands for: a path, a name that is on PATH, or a version such as 3.11,
 * 3.11.7 or 2.7, which is pythonX.Y on PATH or the newest fitting one in pyenv's folder. NULL: the
 * python3 or python of PATH. */
int interpreter_find(const char *what, struct arena *a, const char **ret_path, struct err *e);

/* The first line of a script, "#!...", says in what it runs. */
enum { INTERPRETER_WORDS = 8 };
/* The interpreter that a script names so, and the options for it, as the system or /usr/bin/env
 * would start them. Returns how many words these are, 0 where it names none; -EINVAL where that is
 * no Python, -ENOENT where there is no such one. */
int interpreter_of_script(const char *script, struct arena *a, const char *ret[INTERPRETER_WORDS],
			  struct err *e);

#endif
