/* symbol/debug_unit.h - units of debug information that are in memory: for debug_*.c only.
 *
 * A unit is read when something of it is wanted and stays until its pool has too much. Pointers to
 * units live until debug_pool_make_room. Threads: one at a time a pool. */
#ifndef GLIM_SYMBOL_DEBUG_UNIT_H
#define GLIM_SYMBOL_DEBUG_UNIT_H

#include "base/hash.h"
#include "base/strtab.h"
#include "symbol/debug_info.h"
#include "symbol/dwarf_function.h"
#include "symbol/dwarf_line.h"

struct debug_pool {
	struct dwarf_pool dwarf;
	size_t max_bytes;
	size_t bytes; /* of units and indexes */
	uint64_t clock;
	int64_t lookup_work, slice_work, window_work; /* allowed */
	int64_t window_left, slice_left;
	int64_t slice_ns; /* when the slice began; 0: there are none */
	struct strtab text;
	struct map64 names;  /* entry of a file -> text << 32 | line */
	uint64_t generation; /* of text: numbers of earlier ones mean nothing */
	VEC(struct debug_unit *) units;
	struct debug_pool_stats stats;
};

/* A file beside the program: the other half of units, or what files share. */
struct debug_side {
	struct dwarf_file file;
	char *path;
	uint64_t dev, inode, size, mtime_ns; /* to know it again */
};

struct debug_unit {
	struct debug_info *owner;
	uint32_t number; /* in the index of its owner */
	bool broken;
	struct dwarf_unit main;	 /* the program's half, or all of it */
	struct dwarf_unit split; /* the other half; file is NULL where there is none */
	struct debug_side *side; /* a .dwo file of its own, or NULL */
	struct dwarf_functions functions;
	struct dwarf_lines lines;
	struct map64 files; /* number -> text */
	uint64_t generation;
	size_t bytes;
	uint64_t last_used;
};

struct debug_info {
	struct debug_pool *pool;
	struct dwarf_file file;
	struct dwarf_index index;
	size_t index_bytes;	    /* as counted in the pool */
	struct map64 loaded;	    /* number of a unit -> struct debug_unit * */
	struct debug_side *package; /* the .dwp file */
	bool package_tried;
	/* What it shares with others. */
	char *alt_path; /* or NULL */
	uint8_t alt_id[20];
	size_t alt_id_len;
	struct debug_info *alt; /* or NULL */
	bool alt_tried;
};

/* Drop what was used longest ago until the bound is kept. */
void debug_pool_make_room(struct debug_pool *p);
/* Was far more done or kept than is allowed? A file that chains all to all could else make one
 * look-up last. */
bool debug_pool_exhausted(const struct debug_pool *p);
/* The unit with a number, read when it is not there. NULL where it cannot be read, or not now. */
struct debug_unit *debug_unit_get(struct debug_info *d, uint32_t number,
				  const struct debug_opener *o);
/* Count what the unit holds now. */
void debug_unit_weigh(struct debug_unit *u);
void debug_units_drop(struct debug_info *d);
/* The half that has the entries. */
static inline const struct dwarf_unit *debug_unit_entries(const struct debug_unit *u)
{
	return u->split.file ? &u->split : &u->main;
}

/* debug_split.c: open a file beside the program, close it for a while, open it again. */
int debug_side_open(struct debug_pool *p, const struct debug_opener *o, const char *path,
		    bool split, struct debug_side **ret);
bool debug_side_reopen(struct debug_side *s, const struct debug_opener *o);
void debug_side_close(struct debug_side *s);
/* Find the other half of a unit; u->split.file stays NULL where it is not to be had. */
void debug_split_find(struct debug_unit *u, const struct debug_opener *o);

/* debug_name.c: name (a number in p->text) and line of the entry at an offset of the file that
 * `from` has its entries in, or of the shared one. */
void debug_name(struct debug_unit *from, uint64_t offset, bool alt, const struct debug_opener *o,
		uint32_t *ret_name, uint32_t *ret_line);

#endif
