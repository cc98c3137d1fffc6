/* symbol/source.h - the source functions and lines of one file: from its own debug information, or
 * from that of its debug file.
 *
 * Memory: freed by source_fini; text is the pool's. Threads: one at a time a pool. */
#ifndef GLIM_SYMBOL_SOURCE_H
#define GLIM_SYMBOL_SOURCE_H

#include "symbol/debug_file.h"
#include "symbol/debug_info.h"

struct source {
	bool tried;	/* to find debug information */
	uint32_t owner; /* user that the file belongs to */
	bool separate;
	struct debug_info *info; /* NULL: there is none */
	struct debug_link link;
	uint64_t dev, inode, size, mtime_ns; /* of the separate file, to know it again */
};

/* Is the file itself wanted by source_find? */
bool source_wants_own(const struct source *s);
/* As debug_info_lookup. own: a descriptor of the file itself, which stays the caller's; only read
 * where it is wanted. */
int source_find(struct source *s, struct debug_pool *pool, int own,
		const struct debug_search *where, uint64_t address, struct debug_function *ret,
		size_t max);
/* Close what keeps a file system busy. */
void source_close(struct source *s);
void source_fini(struct source *s);

#endif
