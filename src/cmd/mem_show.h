/* cmd/mem_show.h - what glim mem shows of a run that is over, and where.
 *
 * Threads: the main thread. */
#ifndef GLIM_CMD_MEM_SHOW_H
#define GLIM_CMD_MEM_SHOW_H

#include "format/format.h"
#include "memory/report/report.h"

struct mem_show {
	/* As they were given; NULL: not. */
	const char *precision, *own, *peak_in_line, *json, *html, *plot, *peak, *leaks, *rows,
		*output;
	/* What they mean; mem_show_check fills it in. */
	struct memory_report how;
	unsigned int max_rows;
	const struct format *format; /* of output, with peak or leaks; NULL: as text */
};

/* Do the options go together, and can their files be written? -EINVAL with a sentence. */
int mem_show_check(struct mem_show *s, struct err *e);
/* Write it all: the report to standard output or its file, the summary to standard error. */
int mem_show(const struct mem_show *s, const struct memory_run *run, struct err *e);

#endif
