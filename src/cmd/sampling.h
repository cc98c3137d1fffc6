/* cmd/sampling.h - whom `glim record` and `glim top` sample, and how: their common options.
 *
 * Memory: values point where options_parse says. Threads: the main thread. */
#ifndef GLIM_SAMPLING_H
#define GLIM_SAMPLING_H

#include "capture/capture.h"
#include "cmd/options.h"

struct sampling_options {
	const char *pid, *gil, *native, *children, *mode, *all, *frequency;
};

/* Rows of a table of options, for those at o. */
/* clang-format off */
#define SAMPLING_SPECS(o) \
	{"pid", 'p', "PID", "one process; needs no root for your own Python", &(o)->pid}, \
	{"gil", 0, NULL, "only threads that hold the global interpreter lock", &(o)->gil}, \
	{"native", 0, NULL, "native functions, too; of the kernel as root", &(o)->native}, \
	{"subprocesses", 0, NULL, "and the processes that it starts", &(o)->children}, \
	{"mode", 0, "MODE", "cpu counts threads that run, wall those that wait, too (cpu)", &(o)->mode}, \
	{"all", 'a', NULL, "every process of this machine; needs root", &(o)->all}, \
	{"frequency", 'F', "HZ", "samples a second and CPU (99)", &(o)->frequency}
/* clang-format on */

/* What they ask for; the process and the cache are still to be said. starts: a command is there to
 * be started; verb: what is done with whom, "watch". */
int sampling_config(const struct sampling_options *o, bool starts, const char *verb,
		    struct capture_config *ret, struct err *e);
/* Open a capture by the engine that sees most of what may be seen, which is put into c. command:
 * what stands behind "glim", for the advice where it is refused. */
int sampling_open(struct capture_config *c, const char *command, struct capture **ret,
		  struct err *e);
/* "cpu", "wall". */
const char *sampling_clock_name(enum capture_clock clock);

#endif
