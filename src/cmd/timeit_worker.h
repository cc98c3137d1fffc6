/* cmd/timeit_worker.h - an interpreter that times a statement for us: timeit_driver.py runs in it.
 *
 * Requests and answers are lines of JSON through two pipes; times are nanoseconds, setup seconds:
 *	(it was started)                        {"name", "version", "executable"}
 *	{"setup", "statement", "own_seed"}      {"ready"}
 *	{"do": "calibrate", "clock"}            {"loops", "wall", "cpu", "setup"}
 *	{"do": "run", "loops": [n, ...]}        {"setup", "laps": [[loops, wall, cpu, waited,
 *	                                        switches], ...], "empty": [[loops, wall, cpu], ...]}
 *	{"do": "laps", "loops": [n, ...]}       the same, of the same run
 *	{"do": "end"}                           {"done"}
 *	{"do": "memory", "loops": n, "counter"} {"memory": {"kept", "peak", "allocated"}}, or null
 * counter: the path of a library (timeit_counter.c), without which allocated is null.
 * and {"failed"} or {"interrupted"} to any. What it answers is not trusted: a statement can write
 * there, too. Memory: in the struct. Threads: the main thread. */
#ifndef GLIM_CMD_TIMEIT_WORKER_H
#define GLIM_CMD_TIMEIT_WORKER_H

#include <signal.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/vec.h"

/* Some loops in a row, timed together. */
struct timeit_lap {
	uint64_t loops;
	int64_t wall, cpu;     /* nanoseconds of all of them */
	int64_t waited;	       /* of the wall time: for a CPU that others had */
	unsigned int switches; /* how often the CPU was taken away */
};
typedef VEC(struct timeit_lap) timeit_laps;

struct timeit_memory {
	bool known;
	/* Bytes of a loop: still held after it, and at most above those before. */
	double kept, peak;
	double allocated; /* asked for, all in all; below 0: unknown */
};
struct worker_config {
	const char *python;	 /* a program's path */
	unsigned int seed;	 /* of its hashes, where the environment says nothing of them */
	bool quiet;		 /* what it writes to standard output goes to standard error */
	const sigset_t *signals; /* that it starts with; the caller has blocked those of ppoll */
	const volatile sig_atomic_t *stop; /* set by a signal: nothing is waited for any more */
};
struct worker {
	const struct worker_config *config;
	pid_t pid;
	int to, from, ended; /* the last: a pidfd */
	struct buf input;
	size_t line; /* what is before it in input was read */
	char name[32], version[32], executable[256];
};

/* Start it and build the statement. Errors of all that follow: -ECANCELED, Python has shown what is
 * wrong with the statement; -EINTR, it was interrupted; -ECHILD, the interpreter is gone. */
int worker_open(const struct worker_config *config, const char *setup, const char *statement,
		struct worker *ret, struct err *e);
/* Let it end by itself, and end it when it does not. */
void worker_close(struct worker *w);

/* The loops that take 0.2 s by this clock, and what they took; setup is in seconds. */
int worker_calibrate(struct worker *w, bool cpu, struct timeit_lap *ret, double *ret_setup,
		     struct err *e);
/* Laps of so many loops each; the first are those of a new run when begin is set. Appends. */
int worker_laps(struct worker *w, bool begin, const uint64_t *loops, size_t n, timeit_laps *laps,
		timeit_laps *empty, double *ret_setup, struct err *e);
int worker_end_run(struct worker *w, struct err *e);
/* Of at most so many loops. */
int worker_memory(struct worker *w, uint64_t loops, struct timeit_memory *ret, struct err *e);

#endif
