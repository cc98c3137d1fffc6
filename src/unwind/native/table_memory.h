/* unwind/native/table_memory.h - a table space in memory of our own, for walks on the host alone.
 *
 * Memory: belongs to its maker; pages of it are there when they are used. Threads: as the store
 * that fills it. */
#ifndef GLIM_UNWIND_TABLE_MEMORY_H
#define GLIM_UNWIND_TABLE_MEMORY_H

#include "unwind/native/table_store.h"

struct table_memory {
	struct table_space space;
	unwind_row *chunks[UNWIND_MAX_CHUNKS];
};

struct table_memory *table_memory_new(void);
/* The store that filled it must be gone. */
void table_memory_free(struct table_memory *m);

#endif
