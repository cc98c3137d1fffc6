/* cmd/cmd.h - the table of subcommands. One file a command: cmd_NAME.c with int cmd_NAME(argc,
 * argv).
 *
 * argv[0] is the command's name. The value is the exit status: 0 done, 1 failed (the reason was
 * printed), 2 wrong usage. A command prints its own help on standard output for --help.
 * To add one: a line here, a file in meson.build. */
#ifndef GLIM_CMD_H
#define GLIM_CMD_H

/* X(name, summary), in the order in which help lists them. */
/* clang-format off */
#define GLIM_COMMANDS(X)                                                                           \
	X(agent, "profile this host and send it to a server")                                      \
	X(server, "keep profiles and show them in a browser")                                      \
	X(record, "profile into a file")                                                           \
	X(top, "show live where the time goes")                                                    \
	X(mem, "the memory of each line of a Python program")                                      \
	X(time, "what a command takes: time, memory, processes; and which of two takes less")        \
	X(dump, "the stacks of a Python process as they are now")                                  \
	X(report, "say where the time of a profile file went, or convert it")                      \
	X(diff, "say what changed between two profile files")                                      \
	X(timeit, "time a Python statement, compare statements and interpreters")                  \
	X(doctor, "say what works on this host, and how to mend what does not")
/* clang-format on */

#define X(name, summary) int cmd_##name(int argc, char **argv);
GLIM_COMMANDS(X)
#undef X

/* Say on standard error what was wrong and where the help is; returns 2. */
int cmd_usage_error(const char *command, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
