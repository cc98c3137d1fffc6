/* unwind/python/lines.h - the line tables of CPython. Pure functions; bad tables give some line
 * near the first one, never a read outside. */
#ifndef GLIM_UNWIND_PYTHON_LINES_H
#define GLIM_UNWIND_PYTHON_LINES_H

#include "base/base.h"

/* 2.7, and 3.6 to 3.9, where lines may go back: Objects/lnotab_notes.txt. 3.10: the same file
 * there. 3.11: Objects/locations.md. lasti is the byte offset of the instruction. */
int64_t lines_27(const uint8_t *table, size_t len, int64_t first_line, uint32_t lasti);
int64_t lines_39(const uint8_t *table, size_t len, int64_t first_line, uint32_t lasti);
int64_t lines_310(const uint8_t *table, size_t len, int64_t first_line, uint32_t lasti);
int64_t lines_311(const uint8_t *table, size_t len, int64_t first_line, uint32_t lasti);

/* The part of the source that an instruction is of. Columns are bytes of UTF-8, the first is 0. */
struct line_range {
	int64_t line, end_line;
	int64_t column, end_column; /* -1: not told */
};
void lines_range_311(const uint8_t *table, size_t len, int64_t first_line, uint32_t lasti,
		     struct line_range *ret);

#endif
