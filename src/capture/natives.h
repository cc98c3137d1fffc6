/* capture/natives.h - native stacks: tells the probe what it needs to walk them, and walks those
 * that it could not. Without a probe it walks those of threads that stood still.
 *
 * A process is published when a sample of it brings its stack along; tables are loaded when a walk
 * asks for them. With a probe they are made in a thread (table_store_set_background), and a walk
 * that has to wait for one ends there, to be made again. Memory: a natives borrows the probe, and
 * belongs to its owner; the frames of a walk live until the next. Threads: one at a time. */
#ifndef GLIM_CAPTURE_NATIVES_H
#define GLIM_CAPTURE_NATIVES_H

#include "capture/capture.h"
#include "capture/target.h"
#include "probe/probe.h"
#include "unwind/native/table_memory.h"
#include "unwind/thread_copy.h"

struct natives {
	struct probe *probe;	     /* not ours; NULL: there is none, */
	struct table_memory *memory; /* and the tables lie here */
	struct table_space space;
	struct table_store *store;
	int64_t next_tick_ns;
	struct replay *replay;
	int tables_fd; /* readable when a table was made; negative: there is none */
	/* How long this drain of the ring may still be kept waiting by tables. What they took of
	 * it, and the most that they took of any. */
	int64_t patience_ns, took_ns, took_cpu_ns, took_max_ns, took_max_cpu_ns;
	bool made;     /* a table, since the last drain began */
	uint32_t held; /* the run of a process that is gone */
	bool waits;    /* the last walk, for the table of the address that it ended at */
};
/* The native frames of a sample. */
struct native_stack {
	const struct unwind_entry *entries; /* leaf first */
	uint32_t count;
	uint8_t end; /* enum unwind_native_end */
};

/* p may be NULL. cache: a folder for tables, or NULL; one that cannot be used is done without. */
void natives_init(struct natives *n, struct probe *p, const char *cache);
void natives_fini(struct natives *n);
/* A drain of the ring begins, which may wait some milliseconds for tables; and what was made since
 * the last is there. True: some walk that waited may go on. */
bool natives_begin(struct natives *n, int64_t now_ns);
/* The native frames of a sample of t: as the kernel walked them, or walked again. Sets *ret_changed
 * when the mappings of t were read again and differ. Returns true when a table is being made that
 * the stack needs: natives_awaited says where. */
bool natives_walk(struct natives *n, const struct probe_sample *s, struct target *t, int64_t now_ns,
		  struct native_stack *ret, bool *ret_changed);
uint64_t natives_awaited(const struct natives *n);
/* Keep the mappings of a process as they are, for a walk that waits: a number. */
uint32_t natives_hold(struct natives *n, pid_t pid);
void natives_let_go(struct natives *n, uint32_t run, int64_t now_ns);
/* Is the table still being made, or waiting for its turn? */
bool natives_awaits(const struct natives *n, const struct target *t, uint32_t run,
		    uint64_t address);
/* As natives_walk, of a sample whose mappings were held; t may be gone. */
bool natives_walk_held(struct natives *n, const struct probe_sample *s, struct target *t,
		       uint32_t run, int64_t now_ns, struct native_stack *ret, bool *ret_changed);
/* Wait for the table that is being made, at most so long; false where there is none. */
bool natives_wait(struct natives *n, int64_t wait_ns);
/* Have its mappings known, where they are not. */
void natives_publish(struct natives *n, const struct target *t, int64_t now_ns);
/* Load what the last walk of t ended for; true where that may help another one. Sets *ret_changed
 * as above. */
bool natives_load(struct natives *n, struct target *t, int64_t now_ns, bool *ret_changed);
/* The native frames of a thread of t that was copied; tables are loaded as they are asked for. m:
 * what else may be read, because it stands still; NULL: nothing. */
void natives_walk_copy(struct natives *n, const struct thread_copy *c, const struct memory *m,
		       struct target *t, int64_t now_ns, struct native_stack *ret,
		       bool *ret_changed);
/* The same with the tables that are there, for a thread that must not stand still for long. */
void natives_walk_still(struct natives *n, const struct thread_copy *c, const struct memory *m,
			struct target *t, struct native_stack *ret);
/* The mappings of t changed: publish them where they were published before. */
void natives_changed(struct natives *n, const struct target *t, int64_t now_ns);
void natives_forked(struct natives *n, pid_t parent, pid_t child, int64_t now_ns);
/* The process ended, or is another program now. */
void natives_forget(struct natives *n, pid_t pid, int64_t now_ns);
/* All but what is said of parked samples. */
void natives_stats(const struct natives *n, struct capture_tables *ret);
/* See capture_refusals. */
size_t natives_refusals(const struct natives *n, struct capture_refusal *ret, size_t max);
/* To be called often: once a second it tidies up. */
void natives_tick(struct natives *n, int64_t now_ns);

#endif
