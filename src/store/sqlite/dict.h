/* store/sqlite/dict.h - what the writer of a day file remembers of its tables of names.
 *
 * Finds the number of a string, function, frame, stack or label set that was written before and
 * writes what is new. Memory is bounded: entries that were not needed for long are forgotten, and
 * then get a new number when they come back (label sets are looked up on disk first, so that they
 * have one number each). Threads: under the store's write lock.
 * Invariant: numbers are only right as long as the transactions that made them were committed:
 * after a rollback the dictionary is thrown away. */
#ifndef GLIM_STORE_SQLITE_DICT_H
#define GLIM_STORE_SQLITE_DICT_H

#include "profile/profile.h"
#include "store/sqlite/db.h"

/* Two generations of an open hash table: when the young one is full, the old one is forgotten. */
struct cache_slot {
	uint64_t hi, lo;
	uint32_t id; /* 0: free */
};
struct cache_table {
	struct cache_slot *slots;
	size_t len, cap;
};
struct cache {
	struct cache_table young, old;
	size_t limit; /* of entries, in a generation */
};
uint32_t cache_get(struct cache *c, uint64_t hi, uint64_t lo); /* 0: not there */
void cache_put(struct cache *c, uint64_t hi, uint64_t lo, uint32_t id);
void cache_fini(struct cache *c);

struct dict {
	struct cache strings, functions, frames, stacks, labels;
	uint32_t last_string, last_function, last_frame, last_stack;
};
/* Read the latest rows of the file. */
int dict_load(struct dict *d, struct db *db, struct err *e);
void dict_fini(struct dict *d);

int dict_labels(struct dict *d, struct db *db, const char *pairs, size_t len, uint32_t *ret_id,
		struct err *e);

/* Numbers in the file of what a profile holds, by number in the profile; 0: not asked for yet. */
struct dict_map {
	uint32_t *strings, *functions, *frames, *stacks;
};
void dict_map_init(struct dict_map *m, const struct profile *p);
void dict_map_fini(struct dict_map *m);
#define cleanup_dict_map cleanup(dict_map_fini)
/* Fill in the stacks that have samples, and their callers. */
int dict_stacks(struct dict *d, struct db *db, const struct profile *p, struct dict_map *m,
		struct err *e);

#endif
