/* unwind/native/table_store.h - the unwind tables of the machine, kept where BPF programs see them.
 *
 * It knows the mappings of processes and the files behind them, and fills the arrays of
 * unwind_table_abi.h: a run of mappings for each process, and rows for the files that were asked
 * for. Processes share the rows of a file, and so do copies of one file (same build id, size and
 * code). A file without a table yet is UNWIND_FILE_UNKNOWN; walks count what they miss, and the
 * caller asks for the table by table_store_load(). It is made in that call or, when the store was
 * told so, by a thread that lives for one table (table_maker.h), one at a time, in the order of how
 * often walks asked for the file. Making tables has a share of one CPU's time: a second at once, a
 * seventh of all time after that.
 *
 * What a walk may be looking at is never changed: a run, rows and pages are written to free places,
 * then pointed at; what was there before is free again TABLE_GRACE_NS later. Nor does the number of
 * a file change its meaning while a run that names it may be looked at.
 *
 * Memory: all arrays are bounded, what does not fit is refused and counted. Files come from
 * strangers, and any process may end at any moment (-ESRCH). Times are of any clock that does not
 * go back. Threads: one at a time a store; BPF programs at any time. Its own thread sees
 * nothing of the store but the order it was given. */
#ifndef GLIM_UNWIND_TABLE_STORE_H
#define GLIM_UNWIND_TABLE_STORE_H

#include "process/process.h"
#include "unwind/native/unwind_table_abi.h"

/* A walk takes microseconds; it is not interrupted for longer than a scheduler's turn. */
#define TABLE_GRACE_NS NSEC_PER_SEC

/* The memory that is shared, all of it zero at first. It must outlive the store. */
struct table_space {
	struct unwind_mapping *mappings; /* [UNWIND_MAX_MAPPINGS] */
	struct unwind_page *pages;	 /* [UNWIND_MAX_PAGES] */
	struct unwind_rule *rules;	 /* [UNWIND_MAX_RULES] */
	struct unwind_file *files;	 /* [UNWIND_MAX_FILES] */
	uint32_t max_chunks;		 /* UNWIND_MAX_CHUNKS at most */
	/* The chunk of a number, made at the first call, zeroed, for good; NULL: no memory. Making
	 * one may take long: a store with a thread does it there, one at a time, while others may
	 * be asked for here. */
	unwind_row *(*chunk)(void *arg, uint32_t number);
	/* Say which run of mappings a process has; NULL: it is not known. A negative errno where
	 * that cannot be said. */
	int (*publish)(void *arg, pid_t pid, const struct unwind_process *run);
	void *arg;
};

struct table_store; /* opaque */

/* max_bytes bounds the rows: over it, what was used least goes. */
struct table_store *table_store_new(const struct table_space *space, size_t max_bytes);
void table_store_free(struct table_store *s);
/* Keep tables in a folder of at most that many bytes, and take them from there: see table_cache.h.
 * Without it, or where it fails, tables are made anew. */
int table_store_set_cache(struct table_store *s, const char *folder, uint64_t max_bytes,
			  struct err *e);

/* Publish the mappings of a process as they are in p, for the first time or again. What differs is
 * another run, with a number of its own. -ENOSPC: the array of mappings is full; the process is not
 * known then. -ESRCH: it is gone; what is known of it stays until it is forgotten. */
int table_store_process(struct table_store *s, const struct process *p, int64_t now_ns);
/* The child has the mappings of its parent: it shares the run. Nothing happens where the parent is
 * not known. */
void table_store_fork(struct table_store *s, pid_t parent, pid_t child, int64_t now_ns);
/* The process ended, or it is another program by now. */
void table_store_forget(struct table_store *s, pid_t pid, int64_t now_ns);

/* Keep a run beyond the end of its process, for walks that could not be finished: by index;
 * HASH_NONE where the process is not known, which is a run without mappings. */
uint32_t table_store_hold(struct table_store *s, pid_t pid);
void table_store_held(const struct table_store *s, uint32_t run, struct unwind_process *ret);
void table_store_let_go(struct table_store *s, uint32_t run, int64_t now_ns);

/* From now on tables are made in a thread, and what it made is taken in by table_store_collect.
 * Returns a descriptor that becomes readable when there is something, or a negative errno: it must
 * be looked at now and then. */
int table_store_set_background(struct table_store *s);
/* Have the table of the file behind a mapping of a run. 0: it is there, or the file has none, which
 * is counted. -EINPROGRESS: it is being made, or will be. -EAGAIN: ask later, the share of CPU time
 * is used up, or too many files wait. -ENOSPC: ask later, there is no room and all that is there is
 * used more. Other errors: the file cannot be reached through this process, another one may do.
 * patience_ns: how long the caller may be kept waiting, less how long it was; for what is made in
 * a thread. */
int table_store_load(struct table_store *s, const struct unwind_process *run,
		     const struct process *p, const struct mapping *m, int64_t now_ns,
		     int64_t *patience_ns);
/* Is the table of a file being made, or will it be? */
bool table_store_awaits(const struct table_store *s, const struct unwind_process *run,
			const struct mapping *m);
/* Wait for the table that is being made, at most so long; false where there is none. */
bool table_store_wait(struct table_store *s, int64_t wait_ns);
/* Take in what was made, and begin with the next. True: some file is no longer awaited. */
bool table_store_collect(struct table_store *s, int64_t now_ns);
/* To be called about once a second: gives up places, reads how often files were looked up, and
 * evicts tables when rows are over the bound. */
void table_store_tick(struct table_store *s, int64_t now_ns);

/* The run of a process, for a walk on the host; false where it is not known. */
bool table_store_run(const struct table_store *s, pid_t pid, struct unwind_process *ret);

/* Why something has no table. */
enum table_refusal {
	TABLE_REFUSED_MAPPINGS,	  /* processes: the array of mappings is full */
	TABLE_REFUSED_PUBLISH,	  /* processes: could not be published */
	TABLE_REFUSED_FILES,	  /* mappings: too many files are in use */
	TABLE_REFUSED_UNREADABLE, /* mappings: file could not be opened, or is another one */
	TABLE_REFUSED_FORMAT,	  /* files: not ELF for x86-64 */
	TABLE_REFUSED_EMPTY,	  /* files: no call frame information */
	TABLE_REFUSED_BROKEN,	  /* files: cannot be read as what they say they are */
	TABLE_REFUSED_SIZE,	  /* files: the table would be too large */
	TABLE_REFUSED_ROOM,	  /* loads: no room for rows */
	TABLE_REFUSED_BUDGET,	  /* loads: put off */
	TABLE_REFUSED_COUNT,
};
extern const char *const table_refusal_names[TABLE_REFUSED_COUNT];

struct table_store_stats {
	/* What is there now. */
	size_t processes, runs, mappings; /* mappings: elements of the array that are in use */
	size_t files, ready;
	size_t rows, bytes, pages, rules, chunks;
	size_t waiting; /* files whose tables are to be made */
	/* Counted since the start. */
	uint64_t published, loaded, evicted;
	uint64_t cached;       /* of loaded: taken from the folder */
	uint64_t beside;       /* made by the thread, or found to be none */
	uint64_t cache_failed; /* tables that could not be read from or written to it */
	uint64_t damaged;      /* records of files that could not be used */
	uint64_t unsupported;  /* states that have no rule */
	uint64_t refused[TABLE_REFUSED_COUNT];
	int64_t load_ns; /* CPU time of all threads, with what the folder took */
};
void table_store_get_stats(const struct table_store *s, struct table_store_stats *ret);

#endif
