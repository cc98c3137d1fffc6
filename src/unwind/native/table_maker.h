/* unwind/native/table_maker.h - makes the unwind table of one file, or takes it from the folder
 * where it was kept.
 *
 * Written to run in another thread than the store that ordered the table: an order holds all that
 * it works on, with a copy of the machine's rules. Three things are shared, and fit for it: the
 * folder (one order at a time saves), `stop`, and space->chunk, which nobody else calls meanwhile
 * for a chunk that was not there before. Memory: an order belongs to its maker.
 * Threads: one at a time an order, but for `stop`. */
#ifndef GLIM_UNWIND_TABLE_MAKER_H
#define GLIM_UNWIND_TABLE_MAKER_H

#include <stdatomic.h>
#include <sys/types.h>

#include "unwind/native/table_cache.h"
#include "unwind/native/table_store.h"

struct table_order {
	struct table_image_key key;
	int fd;			   /* the file, open */
	pid_t pid;		   /* who maps it, and where it says that it is: */
	char *path;		   /* for its debug file; NULL: it has none */
	struct table_cache *cache; /* not ours; or NULL */
	struct unwind_rules *rules;
	/* For its rows, which are put there later: making chunks may take long, too. Of `chunks`
	 * that there are so many rows are free; NULL: no more are made here. */
	const struct table_space *space;
	uint32_t chunks;
	size_t free_rows, max_rows;
	atomic_bool stop; /* give up soon */
	/* What came of it. */
	struct unwind_table table;
	int rows;	/* how many, or why there are none */
	bool from_file; /* it was not kept, and is by now */
	bool cache_failed;
};

/* Fill in what comes of it. */
void table_order_make(struct table_order *o);
/* Closes the file. The rules are not the order's. */
void table_order_fini(struct table_order *o);

#endif
