/* unwind/unwind.h - the user-space half of unwinding: which runtimes a process has, and the names
 * of their frames.
 *
 * What a file holds (an interpreter, its version, its layout) is looked up once a file and kept, so
 * that a new process of a known program costs a few reads. Memory: a runtimes belongs to its maker;
 * text of a code object belongs to whoever asked. Threads: one at a time. */
#ifndef GLIM_UNWIND_H
#define GLIM_UNWIND_H

#include "process/memory.h"
#include "process/process.h"
#include "unwind/native/go_labels_walk.h"
#include "unwind/unwind_abi.h"

/* What is understood, for people. */
#define PYTHON_VERSIONS "CPython 2.7 and 3.6 to 3.15"

enum { PYTHON_EVAL_RANGES = 8 };

struct runtimes; /* what is known of files */
struct runtimes *runtimes_new(void);
void runtimes_free(struct runtimes *r);

/* A Python in a process. */
struct python {
	uint32_t version; /* PY_VERSION_HEX; 0 or another where the layout is not supported */
	struct python_process
		process; /* for the walk; PYTHON_UNSUPPORTED: a version we do not know */
	uint64_t eval_start[PYTHON_EVAL_RANGES]; /* code of the interpreter's loop */
	uint64_t eval_end[PYTHON_EVAL_RANGES];
	bool eval_calls; /* what the loop calls last is a part of it: its instructions are functions
			  */
};
/* Look for a Python interpreter among the mappings of p, whose memory is m. Returns 1 and fills
 * ret, 0 when there is none (yet). */
int runtimes_find_python(struct runtimes *r, const struct process *p, const struct memory *m,
			 struct python *ret);

/* Look for a Go program whose labels can be found among the mappings of p. Returns 1 and fills ret,
 * 0 when there is none; a version that is not known is none. */
int runtimes_find_go(struct runtimes *r, const struct process *p, struct go_layout *ret);

/* Whether its interpreter is PyPy, whose frames are not read. */
bool runtimes_has_pypy(struct runtimes *r, const struct process *p);
/* Whether a program that just started will map an interpreter by itself: it is linked with one. */
bool runtimes_expect_python(struct runtimes *r, const struct process *p);

/* A code object's text. Everything belongs to the struct. */
struct python_code {
	char *name; /* qualified where the version knows that (3.11); UTF-8 */
	char *file;
	uint32_t first_line;
	uint32_t version; /* PY_VERSION_HEX: how the table is to be read */
	uint8_t *lines;	  /* the line table as CPython keeps it */
	size_t lines_len;
};
/* -EFAULT, -ESRCH...: not readable; -ESTALE: another object lies there now (its check differs);
 * -EINVAL: what is there is no code object. */
int python_code_read(const struct memory *m, uint32_t version, const struct python_layout *layout,
		     uint64_t address, uint32_t check, struct python_code *ret);
void python_code_fini(struct python_code *c);
/* Line of the instruction at this byte offset; the first line where the table has none. Of
 * UNWIND_LASTI_UNKNOWN: 0, unless all of the code is on one line. */
uint32_t python_code_line(const struct python_code *c, uint32_t lasti);

/* The part of the source that this instruction is of. Columns are bytes of UTF-8, the first is 0.
 */
struct python_range {
	uint32_t line, end_line;
	uint32_t column, end_column;
};
/* False: that is not told, as before 3.11. */
bool python_code_range(const struct python_code *c, uint32_t lasti, struct python_range *ret);

#endif
