/* unwind/rows.h - the rows of all code that was sampled, kept by file.
 *
 * A row is found once and remembered; files stay open in a bounded number. The [vdso] has no file:
 * its image is copied from the first process that is asked. Memory: belongs to the struct.
 * Threads: one at a time. */
#ifndef GLIM_UNWIND_ROWS_H
#define GLIM_UNWIND_ROWS_H

#include "process/process.h"
#include "unwind/native/row.h"

struct rows; /* opaque */
struct rows *rows_new(void);
void rows_free(struct rows *r);
void rows_find(struct rows *r, const struct process *p, const struct mapping *m, uint64_t address,
	       struct row *ret);

#endif
