/* memory/memory_run.h - what a run of `glim mem` learnt: the memory of each line, process by
 * process.
 *
 * The library in the target (target/memory_abi.h) writes a file a process into a folder; this is
 * that folder, read. All amounts are bytes. Resident mode: of the whole process, as the kernel
 * counts them, without the library's own. Allocated mode: what malloc and Python's allocators gave
 * out and did not get back since the library began to count.
 * Memory: all of it belongs to the run. Threads: one at a time; a run that nobody changes may be
 * read by many. Invariants: processes in the order of their start; functions by file and first
 * line; lines by number; text is from strangers and may be no UTF-8. */
#ifndef GLIM_MEMORY_RUN_H
#define GLIM_MEMORY_RUN_H

#include <sys/types.h>

#include "base/arena.h"
#include "base/vec.h"
#include "profile/profile.h"

struct memory_line {
	uint32_t line;
	uint64_t occurrences; /* how often it ran */
	int64_t usage;	      /* of the process, the most that was seen when the line was over */
	int64_t increment;    /* what it added, with the functions that it called; recursion once */
	int64_t own;	      /* the same without those whose lines are measured themselves */
	int64_t peak;	      /* the most above its start that was seen while it ran, at least 0 */
};
/* One function, by file, name and first line, however many code objects or calls it had. */
struct memory_function {
	const char *file; /* as Python names it */
	const char *path; /* the same, absolute: where to read the source */
	const char *name; /* qualified from Python 3.11 on; "<module>" for what a file itself does
			   */
	uint32_t first_line, last_line; /* with decorators; functions inside included */
	bool decorated;			/* @profile stands before it */
	uint64_t calls;			/* of a generator: how often it began or went on */
	int64_t entered;		/* usage when it was called for the first time */
	struct memory_line *lines;	/* those that ran */
	size_t nlines;
};
struct memory_point {
	uint64_t time_ns;  /* since the start of the run */
	int64_t resident;  /* -1: not known */
	int64_t allocated; /* -1: not measured */
};
/* The highest that was seen, by the watch or by a line that ended. */
struct memory_peak {
	int64_t bytes;
	uint64_t time_ns;			/* since the start of the run */
	const struct memory_function *function; /* that ran then, NULL: not known */
	uint32_t line;
};
struct memory_process {
	pid_t pid, parent;
	const char *command; /* its arguments, with blanks between */
	const char *name;    /* short: the script or module that a Python runs, else the program */
	int python;	     /* 0xMMmm: 0x030b is 3.11; 0: no interpreter was seen */
	bool allocated;	     /* lines count allocated bytes, not resident memory */
	bool watched;	     /* only from outside: lines are those that were seen to run */
	uint64_t start_ns;   /* since the start of the run */
	uint64_t end_ns;     /* the same; 0: killed, or it still runs */
	uint64_t events;     /* lines that were measured */
	struct memory_function *functions;
	size_t nfunctions;
	VEC(struct memory_point) timeline;
	struct memory_peak peak; /* in the measure of the lines */
	int64_t peak_resident;	 /* the most that the watch saw, -1: not seen */
	/* Who held what at the peak, and what was never freed; NULL unless asked for. Type
	 * "inuse", unit bytes: value is bytes, count is blocks. */
	struct profile *at_peak, *leaks;
	/* Watched: what grew, by the stacks that were seen to run (count is samples), and what
	 * became less under others; NULL where no stacks could be read. */
	struct profile *growth;
	int64_t shrank;
	uint64_t looks;
	VEC(const char *) remarks; /* sentences on what is not in it */
	/* What is not in the above, and why. */
	uint64_t lost_functions; /* no room for them */
	uint64_t lost_frames;	 /* called too deep */
	uint64_t lost_lines;	 /* outside of what their function said */
	uint64_t lost_blocks;	 /* blocks that no room was for */
	uint64_t lost_peaks;	 /* the peak within a line is only what ends of lines saw */
	uint64_t trace_taken;	 /* the program traced its threads itself: lines are missing */
	const char *problem;	 /* why nothing could be measured, NULL: it could */
};
struct memory_run {
	VEC(struct memory_process) processes;
	uint64_t start_ns; /* CLOCK_REALTIME of the first */
	uint64_t damaged;  /* files that make no sense, which were left out */
	struct arena memory;
};

/* Read the folder of a run that is over, or still goes on. -ENOENT with a sentence when no file is
 * there, which means that the library came into no process. */
int memory_run_read(const char *folder, struct memory_run *ret, struct err *e);
/* Add the process of one such file, of n bytes; -EBADMSG where it makes no sense. */
int memory_run_add(struct memory_run *run, const void *p, size_t n, struct err *e);
/* Begin a run of one process that was only watched from outside. command: n bytes, its arguments
 * with their ends. */
void memory_run_watched(struct memory_run *run, pid_t pid, const char *command, size_t n,
			uint64_t start_ns);
void memory_run_fini(struct memory_run *run);

/* Append a point to the timeline of the process that had this pid at this time (CLOCK_REALTIME);
 * points of processes that are not there are dropped. */
void memory_run_point(struct memory_run *run, pid_t pid, uint64_t realtime_ns, int64_t resident,
		      int64_t allocated);

#endif
