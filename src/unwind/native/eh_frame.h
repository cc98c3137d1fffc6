/* unwind/native/eh_frame.h - makes the unwind table of an ELF file from its call frame information.
 *
 * .eh_frame first, found as a section or through PT_GNU_EH_FRAME; .debug_frame, of the file itself
 * or of its debug file, for the code that it does not describe; code_flow.h for the rest. What is
 * damaged is left out and counted. Memory: a few times the section while it works, sections over a
 * bound are refused. Threads: one at a time a rules. */
#ifndef GLIM_UNWIND_EH_FRAME_H
#define GLIM_UNWIND_EH_FRAME_H

#include <stdatomic.h>

#include "symbol/elf_file.h"
#include "unwind/native/unwind_table.h"

/* debug: the file's debug file, or NULL. stop: another thread may set it, then the table is soon
 * given up with -ECANCELED; or NULL. Returns the number of rows; 0 for a file without any such
 * information, whose ret is empty. -ENOTSUP: not x86-64. -EFBIG: over a bound. */
int unwind_table_build(const struct elf_file *f, const struct elf_file *debug,
		       const atomic_bool *stop, struct unwind_rules *rules,
		       struct unwind_table *ret, struct err *e);

/* Where the code of a file is. A table begins with the page of its first code, so that addresses in
 * a process can be counted from there before the table is made. */
enum { UNWIND_CODE_SEGMENTS = 8 }; /* files have one, rewritten ones a few; more are left out */
struct unwind_code {
	uint64_t base; /* virtual address of the table's first page */
	uint32_t len;
	struct {
		uint64_t offset, size; /* in the file */
		uint64_t address;
	} segments[UNWIND_CODE_SEGMENTS];
};
void unwind_code_read(const struct elf_file *f, struct unwind_code *ret);
/* Where in a process the first page of the table would be, for a mapping of the file that has code:
 * the origin of a struct unwind_mapping. -ENOENT: the mapping has none. */
int unwind_code_origin(const struct unwind_code *c, uint64_t start, uint64_t end, uint64_t offset,
		       uint64_t *ret);

#endif
