/* unwind/native/go_table.h - unwind rules of Go code, from the table that its runtime unwinds by.
 *
 * .gopclntab says how deep the stack is at every instruction. Frames are counted from the stack
 * pointer, never from rbp, which functions without a frame leave to their caller. The functions
 * that change stacks have rules of their own: see go_code.h. Damaged records are left out and
 * counted. Memory: freed by go_table_close; the parts of the table that are read while it works,
 * which are bounded. Threads: one at a time. */
#ifndef GLIM_UNWIND_GO_TABLE_H
#define GLIM_UNWIND_GO_TABLE_H

#include "symbol/elf_file.h"
#include "unwind/native/go_code.h"
#include "unwind/native/unwind_table.h"

struct go_table; /* opaque */

/* -ENOENT: no Go code. -EFBIG: over a bound. f must live as long. */
int go_table_open(const struct elf_file *f, struct go_table **ret);
void go_table_close(struct go_table *t);
/* Runs of functions without gaps but for code that is not Go's: their number, and each. */
uint32_t go_table_runs(const struct go_table *t);
void go_table_run(const struct go_table *t, uint32_t i, uint64_t *ret_start, uint64_t *ret_end);
/* Is there a rule for this address? */
bool go_table_covers(const struct go_table *t, uint64_t address);
/* What its code says of the runtime's structures. */
const struct go_runtime *go_table_runtime(const struct go_table *t);
/* Write the rules of a run, from floor on. */
int go_table_write(struct go_table *t, uint32_t run, uint64_t floor, struct unwind_writer *w);

#endif
