/* unwind/native/table_cache.h - a folder of unwind tables that were made before.
 *
 * One file a table, named by a hash of what tells its program from others. The folder is bounded:
 * what was not used for longest goes. It holds nothing that cannot be made again, so nothing is
 * waited for until it is on disk; a file that is damaged is removed. Only a folder that nobody else
 * can write to is used. Memory: freed by table_cache_close. Threads: one at a time
 * saves, others may load meanwhile; several processes may share a folder. */
#ifndef GLIM_UNWIND_TABLE_CACHE_H
#define GLIM_UNWIND_TABLE_CACHE_H

#include "unwind/native/table_image.h"

struct table_cache; /* opaque */

/* Make the folder when it is not there (not those above it). -EPERM: others could write to it. */
int table_cache_open(const char *folder, uint64_t max_bytes, struct table_cache **ret,
		     struct err *e);
void table_cache_close(struct table_cache *c);
/* Returns the number of rows, 0 for a file that has none. -ENOENT: not kept. -EFBIG: more than
 * max_bytes. Others: as table_image_read(). */
int table_cache_load(struct table_cache *c, const struct table_image_key *key, uint64_t max_bytes,
		     struct unwind_rules *rules, struct unwind_table *ret);
/* -EFBIG: larger than a quarter of what the folder may hold. */
int table_cache_save(struct table_cache *c, const struct table_image_key *key,
		     const struct unwind_table *t, const struct unwind_rules *rules);

#endif
