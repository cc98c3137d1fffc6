/* capture/target.h - the processes that were sampled: their mappings and their runtimes.
 *
 * A target is made when a process is first seen and dies with its exit or exec. The table is
 * bounded: who was not seen for longest goes first. Memory: targets belong to the table; one that
 * is held outlives its place there, with what is known of it by then. */
#ifndef GLIM_CAPTURE_TARGET_H
#define GLIM_CAPTURE_TARGET_H

#include "base/hash.h"
#include "base/vec.h"
#include "capture/named_threads.h"
#include "capture/newborns.h"
#include "process/process.h"
#include "unwind/python/awaiters.h"
#include "unwind/python/qualname.h"
#include "unwind/unwind.h"

enum {
	TARGETS_MAX = 4096,
	TARGETS_NAMED = 8, /* whose functions are kept, which asking for names looks through */
};

struct code_entry {
	uint64_t address;
	uint32_t check;
	uint32_t id; /* unique among all code objects of all processes */
	int failed;  /* why it could not be read, 0 when it could */
	struct python_code code;
};
struct target {
	uint32_t number; /* unique among all targets */
	struct process process;
	bool readable; /* process holds something */
	bool gone;     /* from the table: it is read no more */
	uint32_t holders;
	uint64_t start_ns; /* since boot, as samples say it */
	int64_t seen_ns;
	/* Reading the mappings again. */
	int64_t next_refresh_ns;
	int64_t refresh_wait_ns;
	pid_t parent; /* it was forked from; 0: it was not, or called exec since */
	bool dirty;   /* its mappings changed, and are to be published */
	bool has_python;
	struct python python;
	bool has_go;
	struct go_layout go;
	VEC(struct code_entry) codes;
	struct hash_index code_index;
	struct python_qualnames *qualnames; /* NULL: not asked for, or not kept */
	char *given_name;		    /* target_given_name */
	int64_t name_ns, name_wait_ns;	    /* when it is read again */
	struct named_threads *threads;	    /* NULL: not asked for */
	struct target_tasks *tasks;	    /* of asyncio; NULL: not asked for */
};
struct targets {
	VEC(struct target *) list;
	struct map64 by_pid; /* index in list */
	uint32_t last_code_id, last_number;
	struct map64 parents;		     /* of children that were not added yet */
	const struct newborns *newborns;     /* not ours; NULL: none are known */
	struct target *named[TARGETS_NAMED]; /* which have qualnames, last asked first */
	pid_t evicted;	       /* to make room for the last that was added; 0: nobody */
	uint64_t names_read;   /* how often names of threads were read, of those that are gone, */
	int64_t names_took_ns; /* and what it took */
};

void targets_fini(struct targets *t);
struct target *targets_find(const struct targets *t, pid_t pid);
/* Start over with a process: an older target of this pid is forgotten. */
struct target *targets_add(struct targets *t, pid_t pid, uint64_t start_ns, int64_t now_ns);
void targets_remove(struct targets *t, pid_t pid);
/* Have it live until it is let go as often, even when it is removed. */
void targets_hold(struct target *held);
void targets_let_go(struct targets *t, struct target *held);
/* A process that runs Python was forked: the child, when it is added, starts as its twin, and what
 * was read of the parent serves for a child that ended already. */
void targets_forked(struct targets *t, pid_t parent, pid_t child);

/* The mapping of an address; reads the mappings again where it has none, but not too often.
 * Sets *ret_changed when they were read and differ. */
const struct mapping *target_mapping(struct target *t, uint64_t address, int64_t now_ns,
				     bool *ret_changed);
/* Would that take the place of code of another file? */
bool target_replaces(const struct target *t, const struct mapping_event *e);
/* The process mapped something; true when that was news. */
bool target_mapped(struct target *t, const struct mapping_event *e);
/* What multiprocessing calls a process that it started, from strangers; NULL where nothing is
 * known. Read a few times in the process's first seconds, and kept. */
const char *target_given_name(struct target *t, int64_t now_ns);
/* What threading calls a thread of it; see named_threads_find. */
const char *target_thread_name(struct target *t, uint64_t id, pid_t tid, int64_t sampled_ns,
			       int64_t now_ns);
/* What awaits the task that was sampled in a step; see python_awaiters_of_step. -ESTALE: nothing
 * can be read of it, too. */
int target_awaiters(struct target *t, const struct python_step *step, struct memory_pages *pages,
		    int64_t now_ns, const struct python_awaiters **ret);
/* The code object's text, read at the first call. The result says in failed whether there is one;
 * it lives until the next call. */
const struct code_entry *target_code(struct targets *all, struct target *t, uint64_t address,
				     uint32_t check);
/* The same of the process that t was forked from, which has the same objects where their check is
 * the same; NULL where there is none. For children that ended before they were read. */
const struct code_entry *target_inherited_code(struct targets *all, const struct target *t,
					       uint64_t address, uint32_t check);

#endif
