/* store/sqlite/read.h - from the numbers of a day file to a profile. Threads: one a reading. */
#ifndef GLIM_STORE_SQLITE_READ_H
#define GLIM_STORE_SQLITE_READ_H

#include "store/sqlite/sqlite_priv.h"

/* All rows of a table, by number: read when so many were looked up one by one that the table is
 * read faster as a whole. */
struct whole_frames {
	struct whole_frame {
		uint64_t address;
		uint32_t function; /* 0: no such row */
		uint32_t line;
	} * rows;
	size_t len, lookups;
};
struct whole_stacks {
	struct whole_stack {
		uint32_t parent;
		uint32_t frame; /* 0: no such row */
	} * rows;
	size_t len, lookups;
};

/* One day file that is being read, with what was looked up so far. */
struct reading {
	struct reader rd;
	struct map64 strings, functions, frames, stacks; /* number in the file: in the profile */
	struct whole_frames whole_frames;
	struct whole_stacks whole_stacks;
	struct map64 labels; /* number in the file: whatever the caller keeps for it */
};
void reading_fini(struct reading *g);
#define cleanup_reading cleanup(reading_fini)
/* The stack of p that is number id in the file. */
int reading_stack(struct reading *g, struct profile *p, uint32_t id, uint32_t *ret_stack,
		  struct err *e);
/* The label set number id; replaces out. */
int reading_labels(struct reading *g, uint32_t id, struct buf *out, struct err *e);

#endif
