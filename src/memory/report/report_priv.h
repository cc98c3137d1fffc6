/* memory/report/report_priv.h - what the reports of memory have in common. Threads: any. */
#ifndef GLIM_MEMORY_REPORT_PRIV_H
#define GLIM_MEMORY_REPORT_PRIV_H

#include "base/json.h"
#include "memory/report/report.h"

#define MIB 1048576.0

/* Were functions marked with @profile? Then only these are shown. */
bool report_marked(const struct memory_run *run);
static inline bool report_shows(bool marked, const struct memory_function *f)
{
	return f->nlines && (!marked || f->decorated);
}
/* Points of a timeline of at most max of them, which keep its highest: indices into it. */
typedef VEC(uint32_t) point_list;
void report_thin(const struct memory_process *p, size_t max, point_list *ret);
/* What a process is measured by: "resident", "allocated". */
const char *report_measure(const struct memory_process *p);
/* "3.11", empty where no interpreter was seen. */
void report_python(const struct memory_process *p, char *ret, size_t n);
/* What is not in the report, and why: a sentence for each, one after the other. Returns false when
 * there is no (i+1)th. */
bool report_remark(const struct memory_process *p, size_t i, struct buf *ret);
/* The peak of a process as far as anything saw it; bytes is 0 when nothing did. */
struct memory_peak report_peak(const struct memory_process *p);

/* The keys of the run within an object that is open; what is more than the limits is thinned out,
 * or the least of it left out. */
struct report_limits {
	size_t points; /* of a timeline */
	size_t stacks; /* of holders */
	bool interned; /* what stacks share is there once, for a page */
};
/* The heaviest stacks that hold something, and what is left out: a program may have as many as it
 * made calls. Interned, a stack is the number of a node, -1 for none; "callers" has the node that
 * called each, "nodes" the frame of each, "frames" function and line, "functions" name and file. */
void report_put_holders(struct json *j, const char *key, const struct profile *p,
			struct report_limits limits);
void report_put_run(struct json *j, const struct memory_run *run, struct report_limits limits);

#endif
