/* unwind/native/table_store_priv.h - what the files of the store share.
 *
 *	table_store.c	processes and their runs of mappings; the public functions
 *	table_files.c	which file a mapping is of; numbers of files
 *	table_queue.c	tables that are to be made: which is next, and the thread that makes it
 *	table_rows.c	rows and pages: where they lie, what goes when there are too many
 *
 * While a table is made (table_maker.h), its order and order_rules belong to the worker, and
 * nothing else does. */
#ifndef GLIM_UNWIND_TABLE_STORE_PRIV_H
#define GLIM_UNWIND_TABLE_STORE_PRIV_H

#include "base/worker.h"
#include "symbol/budget.h"
#include "symbol/debug_file.h"
#include "unwind/native/eh_frame.h"
#include "unwind/native/places.h"
#include "unwind/native/table_cache.h"
#include "unwind/native/table_maker.h"
#include "unwind/native/table_store.h"

/* How a file is known again without opening it. A mapping may tell other numbers than stat does
 * (overlayfs, btrfs). The [vdso] has no file: size and content stand for it. */
struct table_identity {
	uint64_t map_dev, map_inode;
	uint64_t dev, inode;
	uint64_t size;
	uint64_t changed; /* ns; of the [vdso] the hash of its first page */
};
struct table_known {
	struct table_identity identity;
	uint32_t file;
	uint32_t generation; /* of the file's number */
};

/* Number 0 stands for all that has no table for a reason which needs no file. */
enum { TABLE_FILE_NONE = 0 };

struct table_file {
	/* Two files with the same of these have the same table. */
	struct build_id id;
	struct table_identity identity; /* where there is no build id; else only its size counts */
	struct unwind_code code;
	uint32_t generation; /* goes up when the number stands for another file */
	uint32_t refs;	     /* mappings in runs that may be looked at */
	uint32_t rows;
	uint32_t hits;	   /* of struct unwind_file, when last read */
	uint64_t recent;   /* hits lately: halved and added to with every tick */
	int64_t retry_ns;  /* no use to load it before */
	int64_t unused_ns; /* when refs became 0 */
};

struct table_run {
	struct unwind_process place;
	uint32_t refs; /* processes, and who holds it; 0: not in use */
	int64_t verified_ns;
};

/* A file whose table is to be made, open: its process may end meanwhile. */
struct table_wish {
	uint32_t file;
	uint32_t generation; /* of its number */
	int fd;
	pid_t pid;
	char *path; /* ours, as the process sees it; NULL: of no file */
};

/* Something to give up when no walk can be looking at it. */
struct table_given {
	int64_t ns;
	bool is_run; /* elements of the array of mappings; else of pages, and their rows */
	uint32_t first, count;
};

struct table_store {
	struct table_space space;
	size_t max_bytes;
	struct table_cache *cache; /* or NULL */
	uint64_t builder;	   /* this program */
	struct table_store_stats stats;

	/* table_files.c */
	VEC(struct table_file) files;
	struct hash_index file_index;
	VEC(struct table_known) known;
	struct hash_index known_index;

	/* table_rows.c */
	struct unwind_rules rules;
	size_t rules_shared;
	struct places pages;
	unwind_row *chunks[UNWIND_MAX_CHUNKS];
	struct places chunk_places[UNWIND_MAX_CHUNKS];
	uint64_t least; /* recent hits of the table that would go next */

	/* table_store.c */
	struct places mappings;
	struct map64 processes; /* pid -> index of a run */
	VEC(struct table_run) runs;
	VEC(uint32_t) free_runs;
	uint32_t last_number; /* of a run */
	VEC(struct unwind_mapping) scratch;
	VEC(struct table_given) given; /* oldest first, from given_done on */
	size_t given_done;

	/* table_queue.c */
	bool background;
	VEC(struct table_wish) wishes;
	struct budget making;
	struct worker worker;
	bool making_one;
	struct table_wish made; /* which; what it opened is the order's */
	struct table_order order;
	struct unwind_rules order_rules; /* a copy, with what the table needs more */
	size_t common_rules;		 /* that it had when it was made */
};

/* --- table_files.c -----------------------------------------------------------------------------*/

void table_files_init(struct table_store *s);
void table_files_fini(struct table_store *s);
/* The number of the file behind a mapping, and the index of how it is known. TABLE_FILE_NONE, with
 * the reason counted, where it can have no table. */
int table_files_find(struct table_store *s, const struct process *p, const struct mapping *m,
		     int64_t now_ns, uint32_t *ret_identity);
/* The file that a mapping was known to be of, by index; negative where it is not the one. */
int table_files_again(const struct table_store *s, const struct mapping *m, uint32_t identity);
/* Open the file behind a mapping if it still is that file; -ESTALE where it is not. */
int table_files_open(struct table_store *s, const struct process *p, const struct mapping *m,
		     uint32_t file);

/* What tells the file from all others, at any time. */
void table_files_key(const struct table_store *s, uint32_t file, struct table_image_key *ret);

/* --- table_queue.c -----------------------------------------------------------------------------*/

void table_queue_fini(struct table_store *s);
/* Have the table of a file that has none so far; as table_store_load(). */
int table_queue_ask(struct table_store *s, const struct process *p, const struct mapping *m,
		    uint32_t file, int64_t now_ns, int64_t *patience_ns);
bool table_queue_has(const struct table_store *s, uint32_t file);

/* --- table_rows.c ------------------------------------------------------------------------------*/

void table_rows_init(struct table_store *s);
void table_rows_fini(struct table_store *s);
/* Copy a table where BPF programs see it, and say so. -ENOSPC: no room. -EBUSY: it would take a new
 * chunk, but that takes long, and it was to be done at once. */
int table_rows_publish(struct table_store *s, uint32_t file, const struct unwind_table *t,
		       bool at_once);
/* Of the chunks that there are. */
size_t table_rows_free(const struct table_store *s);
/* Its rows go; it can be asked for again. */
void table_rows_evict(struct table_store *s, uint32_t file, int64_t now_ns);
/* Evict what was used least until rows are well below the bound. */
void table_rows_trim(struct table_store *s, int64_t now_ns);
bool table_rows_full(const struct table_store *s);
/* Pages that no walk looks at any more. */
void table_rows_reclaim(struct table_store *s, uint32_t first, uint32_t count);

/* --- table_store.c -----------------------------------------------------------------------------*/

void table_store_give(struct table_store *s, bool is_run, uint32_t first, uint32_t count,
		      int64_t now_ns);

#endif
