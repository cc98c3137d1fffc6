/* cmd/dump.h - everything that glim dump shows of a process, as it was at one moment.
 *
 * Read first, as fast as it can be (dump_read.c), written then (dump_text.c, dump_json.c). Text is
 * from strangers: the writers make it printable. Memory: all belongs to the struct dump until
 * dump_fini. Threads: the main thread. */
#ifndef GLIM_CMD_DUMP_H
#define GLIM_CMD_DUMP_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "process/core.h"
#include "process/process.h"
#include "unwind/python/greenlet.h"
#include "unwind/python/lock.h"
#include "unwind/python/python_reader.h"
#include "unwind/python/qualname.h"
#include "unwind/unwind.h"

struct dump_options {
	bool locals;
	bool secrets;		/* values of variables such as "password" are shown, too */
	bool source;		/* lines of the files */
	bool native;		/* native frames, too, and threads and processes without Python */
	pid_t pid;		/* a live process; 0: a core */
	const char *core, *exe; /* core file; where its program is when it was moved, or NULL */
};

enum dump_value_kind { DUMP_ARGUMENT, DUMP_LOCAL, DUMP_CELL };
struct dump_value {
	enum dump_value_kind kind; /* DUMP_CELL: shared with another function */
	const char *name, *text;
};
struct dump_frame {
	uint64_t address; /* of the frame; 0: not known */
	uint64_t code;
	const char *function, *file; /* NULL: what is there is no code object (any more) */
	uint32_t line;
	struct python_range range; /* line 0: not told */
	const char *source;	   /* NULL: not asked for, or not readable */
	bool changed;		   /* the file was changed after the process started */
	bool moved;		   /* it went on while its variables were read: they are left out */
	VEC(struct dump_value) values;
};
struct dump_native_frame {
	size_t before; /* the frame of Python that it called, by way of others; all: behind them */
	const char *function, *module, *file; /* NULL: not known */
	uint64_t address;		      /* in the file of the module */
	uint32_t line;			      /* 0: not known */
	bool gap;			      /* in place of some that are not known */
};
struct dump_stack {
	VEC(struct dump_frame) frames; /* leaf first */
	uint8_t end;		       /* enum unwind_python_end */
	/* With --native, leaf first; those before a frame stand in front of it. */
	VEC(struct dump_native_frame) natives;
	bool natives_cut;   /* the outermost are not known */
	int natives_failed; /* a negative errno: why there are none */
};
struct dump_thread {
	uint64_t id;	  /* pthread_self */
	pid_t tid;	  /* 0: not known */
	const char *name; /* of threading, else the kernel's, else "" */
	const char *activity;
	uint64_t state, interpreter;
	bool running, main, holds_gil, wants_gil;
	struct python_lock lock; /* that it waits for; address 0: for none that is known */
	struct dump_stack stack;
};
/* Threads that wait for each other's locks, in this order, and the last for the first. */
struct dump_deadlock {
	VEC(const struct dump_thread *) threads;
};
/* A task of asyncio. Those that nobody awaits come first, each followed by those that it awaits. */
struct dump_task {
	const char *name;
	uint64_t address, loop;
	uint64_t thread;       /* pthread_self of the one that runs its loop; 0: not known */
	uint64_t awaited_by;   /* address of a task; 0: none is known */
	const char *waits_for; /* a name for a person; NULL: it runs, or is about to */
	bool running;
	bool in_circle; /* it awaits itself, by way of others */
	unsigned int depth;
	struct dump_stack stack;
};
/* A greenlet that is not dead, and does not run as the main one of its thread. */
struct dump_greenlet {
	const char *name;
	uint64_t address;
	uint64_t parent;       /* address of a greenlet; 0: none is known */
	uint64_t main;	       /* the one that its thread started with; 0: it did not start */
	uint64_t native_stack; /* an address in that of its thread; 0: not known */
	uint64_t thread;       /* pthread_self; 0: not known */
	enum python_greenlet_state state;
	struct dump_stack stack;
};
struct dump {
	struct dump_options options;
	pid_t pid;	   /* 0: not known, of a core */
	struct core *core; /* NULL: the process lives */
	struct memory memory;
	struct process process;
	bool has_python;
	struct python python;
	struct python_objects objects;
	bool has_objects;	    /* false: of 2.7 only names are known, */
	bool has_names;		    /* and without a GIL only stacks */
	struct dump_native *native; /* NULL: not asked for */
	struct python_qualnames *qualnames;
	const char *command, *program; /* the command line; the interpreter's file, or NULL */
	const char *name;	       /* that multiprocessing gave it, or NULL */
	bool has_gil;		       /* who holds it is known */
	VEC(struct dump_thread) threads;
	VEC(struct dump_deadlock) deadlocks;
	VEC(struct dump_task) tasks;
	bool tasks_cut;	    /* there are more */
	bool tasks_unknown; /* of an asyncio that is not known */
	VEC(struct dump_greenlet) greenlets;
	bool greenlets_cut;	/* there are more */
	bool greenlets_unknown; /* of a version of greenlet that is not known */
	struct arena arena;
};

/* Read it all. Errors say what to do. d needs dump_fini in any case. */
int dump_read(const struct dump_options *o, struct dump *d, struct err *e);
void dump_fini(struct dump *d);

void dump_put_text(const struct dump *d, struct buf *out);
void dump_put_json(const struct dump *d, struct buf *out);

/* ---- parts of dump_read ---- */

/* Variables of the frames of a thread's stack (dump_locals.c). */
void dump_read_locals(struct dump *d, struct dump_stack *s);
/* Circles of threads, when all threads are there and in their order (dump_deadlocks.c). */
void dump_find_deadlocks(struct dump *d);
/* The thread of this pthread_self, or NULL. */
const struct dump_thread *dump_thread_of(const struct dump *d, uint64_t id);
/* What a code object is called, and its line (dump_read.c). */
void dump_read_code(struct dump *d, const struct unwind_entry *entry, struct dump_frame *f);
void dump_stack_fini(struct dump_stack *s);
/* The frames of Python that were read of a thread. */
void dump_read_stack(struct dump *d, const struct python_thread *t, struct dump_stack *s);
/* Native frames (dump_native.c), when it is known whether there is a Python. */
int dump_native_open(struct dump *d, struct err *e);
void dump_native_close(struct dump *d);
/* Read the stack of a thread, and that of thread i of a reader, which it is, in the same moment; r
 * is NULL when it runs no Python. */
void dump_native_read(struct dump *d, pid_t tid, struct python_reader *r, size_t i,
		      struct dump_stack *s);
/* All threads, those without Python, too. */
int dump_native_tids(const struct dump *d, pid_vec *ret);
/* Tasks of an interpreter (dump_tasks.c), and when all are there their order. */
void dump_read_tasks(struct dump *d, uint64_t interpreter);
void dump_sort_tasks(struct dump *d);
/* Greenlets of an interpreter (dump_greenlets.c), and when all threads are there whose they are. */
void dump_read_greenlets(struct dump *d, uint64_t interpreter);
void dump_place_greenlets(struct dump *d);
const struct dump_greenlet *dump_greenlet_at(const struct dump *d, uint64_t address);
/* Lines of the files (dump_source.c). */
void dump_read_sources(struct dump *d);

#endif
