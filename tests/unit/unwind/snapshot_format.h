/* A recorded stack: what one walk of a real thread looked at, and what it found.
 *
 * A file is, without gaps, in the byte order of x86-64:
 *	struct snapshot_header
 *	struct snapshot_page [pages]	   code by pages of its table, sorted by start
 *	struct unwind_rule [rules]	   numbered anew
 *	unwind_row [rows]		   of the pages, in their order
 *	struct snapshot_stretch [stretches]  memory that was read, joined where it touches
 *	bytes of the stretches, in their order
 *	struct unwind_entry [entries]	   what the walk must find
 * Only what was touched is there: of a page the rows that were found, of memory the bytes that were
 * read. Memory in no stretch could not be read or was not asked for. */
#ifndef GLIM_TEST_SNAPSHOT_FORMAT_H
#define GLIM_TEST_SNAPSHOT_FORMAT_H

#include "unwind/native/unwind_table_abi.h"
#include "unwind/unwind_abi.h"

#define SNAPSHOT_MAGIC 0x32504e534d494c47ULL /* "GLIMSNP2" */

enum {
	SNAPSHOT_MAX_PAGES = 1024,
	SNAPSHOT_MAX_RULES = 4096,
	SNAPSHOT_MAX_ROWS = 16384,
	SNAPSHOT_MAX_STRETCHES = 8192,
	SNAPSHOT_MAX_BYTES = 1 << 20,
};

struct snapshot_header {
	uint64_t magic;
	uint64_t pc, thread_base;
	uint64_t registers[UNWIND_REGISTERS];
	struct python_process python; /* zeroes where there is none */
	uint32_t has_python;
	uint32_t pages, rules, rows, stretches, bytes, entries;
	uint32_t native_count; /* of the entries */
	uint32_t native_end, python_end;
};
_Static_assert(sizeof(struct snapshot_header) == 280, "a file format");

struct snapshot_page {
	uint64_t start, end; /* addresses of the process */
	uint64_t origin;     /* that the rows count from */
	uint32_t state;	     /* enum unwind_file_state */
	uint32_t rows;
};
_Static_assert(sizeof(struct snapshot_page) == 32, "a file format");

struct snapshot_stretch {
	uint64_t address;
	uint32_t size, unused;
};
_Static_assert(sizeof(struct snapshot_stretch) == 16, "a file format");

#endif
