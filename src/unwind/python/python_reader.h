/* unwind/python/python_reader.h - the stacks of Python threads, read from outside while they run.
 *
 * Needs no more than memory that can be read, never stops anything, and walks with the same code as
 * the kernel's program. What its frames tell of themselves (live_frame.h) says which stack there
 * was while memory was copied; of what that leaves open only the outer part that is certain is
 * shown, which then ends in UNWIND_PYTHON_TORN.
 *
 * Memory: a reader belongs to its maker; threads and their entries live until the next call.
 * Threads: one at a time. */
#ifndef GLIM_UNWIND_PYTHON_READER_H
#define GLIM_UNWIND_PYTHON_READER_H

#include "unwind/unwind.h"

struct python_thread {
	uint64_t state;	      /* address of its PyThreadState */
	uint64_t id;	      /* pthread_self */
	uint64_t interpreter; /* address of its PyInterpreterState */
	pid_t tid;	      /* as the kernel of its namespace counts; 0: not known */
	/* Leaf first, as in unwind_abi.h, of Python only; of the last reading of this thread. */
	const struct unwind_entry *entries;
	const uint64_t *frames; /* the address of the frame of each entry */
	uint32_t count;
	uint8_t end; /* enum unwind_python_end */
	/* It called another interpreter, whose state, earlier in the list, has its frames, too: the
	 * stack of one is that of the whole thread. */
	bool in_other;
	/* Read together with the stack: does it hold its interpreter's lock, and collect garbage?
	 */
	bool holds_gil, in_gc;
	uint64_t gil;	     /* address of the lock; 0: not known */
	uint64_t gil_holder; /* a thread state; 0: nobody */
};

struct python_reader; /* opaque */
/* -ENOTSUP: the layout of this Python is not known. py is copied, m must outlive the
 * reader. */
int python_reader_new(const struct memory *m, const struct python *py, struct python_reader **ret,
		      struct err *e);
void python_reader_free(struct python_reader *r);

/* Find out which threads there are now, some milliseconds old at most. Returns how many; -ESRCH:
 * the process ended. Mostly it does not look itself: that is done along with the next stack. */
int python_reader_list(struct python_reader *r);
/* After the stacks of a list were read: 0 where the list is the same still, else a new one. */
int python_reader_list_again(struct python_reader *r);
/* There is no thread of the number that thread i has. The list stays until it is asked for. */
void python_reader_ended(struct python_reader *r, size_t i);
const struct python_thread *python_reader_thread(const struct python_reader *r, size_t i);
/* Read the stack of thread i as it is now. */
void python_reader_read(struct python_reader *r, size_t i);
/* All threads and their stacks. */
int python_reader_take(struct python_reader *r);

struct python_reader_stats {
	uint64_t stacks; /* read */
	uint64_t again;	 /* further copies that had to be taken */
	uint64_t torn;	 /* of which only the outer part was certain */
};
void python_reader_stats(const struct python_reader *r, struct python_reader_stats *ret);

#endif
