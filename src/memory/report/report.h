/* memory/report/report.h - what a run of `glim mem` is shown as: tables of text, JSON, a page, a
 * plot, and who held what.
 *
 * Everything is written into a buffer; sources are read from the disk, within bounds, and said to
 * be missing or changed where they are. Names and sources are from strangers: what goes to a
 * terminal is escaped. Where a function was marked with @profile, only marked ones are shown.
 * Threads: one call at a time a run. */
#ifndef GLIM_MEMORY_REPORT_H
#define GLIM_MEMORY_REPORT_H

#include "memory/memory_run.h"

struct memory_report {
	unsigned int precision; /* decimals of a MiB */
	bool own;		/* the column of growth without callees */
	bool peak;		/* the column of the peak within a line */
};

/* A table a function: Line #, Mem usage, Increment, Occurrences, Line Contents. */
void memory_report_text(const struct memory_run *run, const struct memory_report *how,
			struct buf *out);
/* An object, whose keys glim-mem(1) explains; all amounts are bytes. stacks: of the holders of a
 * process, the heaviest; what is left out of them is summed up. */
void memory_report_json(const struct memory_run *run, size_t stacks, struct buf *out);
/* One page that is a file: timeline, lines that matter, sources with heat. */
void memory_report_html(const struct memory_run *run, struct buf *out);
/* Memory over time as SVG, a line a process, the peak marked. */
void memory_report_plot(const struct memory_run *run, struct buf *out);
/* A few sentences about all of it: the peak and its line, what was lost and why. */
void memory_report_summary(const struct memory_run *run, const struct memory_report *how,
			   struct buf *out);
/* Of processes that were only watched: the lines that they grew under, with their heaviest stack,
 * the largest first, max rows. */
void memory_report_growth(const struct memory_run *run, size_t max, struct buf *out);
/* Who holds the blocks of a profile of the type inuse: a row a line with its heaviest stack, the
 * largest first, max rows and one for the rest. title: "at the peak", "never freed". */
void memory_report_holders(const struct profile *p, const char *title, size_t max, struct buf *out);

#endif
