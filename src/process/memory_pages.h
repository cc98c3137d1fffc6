/* process/memory_pages.h - memory that is read by whole pages, each once, until it is forgotten:
 * for many short reads of what lies close together, where all are to be of about the same moment.
 *
 * What a stranger has in its memory may lead on and on: who starts says how much may be read in
 * all. Memory: a large struct of the caller; it may not be moved. Threads: one at a time. */
#ifndef GLIM_PROCESS_MEMORY_PAGES_H
#define GLIM_PROCESS_MEMORY_PAGES_H

#include "process/memory.h"

enum { MEMORY_PAGE = 4096, MEMORY_PAGES = 128, MEMORY_PAGE_COST = 16 };

struct memory_pages {
	struct memory memory; /* reads through the pages */
	const struct memory *from;
	uint32_t left; /* that may be read: one for each read, MEMORY_PAGE_COST for each page */
	uint64_t numbers[MEMORY_PAGES]; /* of the pages that are here; 0: none */
	uint8_t bytes[MEMORY_PAGES][MEMORY_PAGE];
};

/* Begin with no page of this memory, which must stay as long as it is read. When `left` comes to 0,
 * reads fail with -E2BIG. */
void memory_pages_start(struct memory_pages *p, const struct memory *from, uint32_t left);

#endif
