/* capture/named_threads.h - what Python's threading calls the threads of one process, for samples
 * of them.
 *
 * Names are read all at once: when a thread is sampled that was not there the last time, and now
 * and then, because threads are renamed. It costs a hundredth of a CPU at most. A name is believed
 * of a thread that was there when names were read: another one may have its pthread_self later.
 *
 * Memory: belongs to the struct until named_threads_fini; it may not be moved. Threads: one at a
 * time. */
#ifndef GLIM_CAPTURE_NAMED_THREADS_H
#define GLIM_CAPTURE_NAMED_THREADS_H

#include "base/hash.h"
#include "unwind/python/thread_names.h"
#include "unwind/unwind.h"

struct named_thread {
	uint64_t id;   /* pthread_self */
	char *name;    /* NULL: threading has none for it */
	uint64_t read; /* the reading that it is of */
};
struct named_threads {
	pid_t pid;
	struct memory memory;
	struct python python;
	struct python_objects objects;
	bool has_objects;		  /* of a version whose objects we know */
	struct python_thread_names names; /* as they were read last */
	VEC(struct named_thread) threads; /* that were asked for */
	struct map64 by_tid;		  /* place among them */
	int64_t read_ns;		  /* when names were read */
	int64_t pause_ns;    /* until they may be read again for a thread that is new, */
	int64_t believed_ns; /* and for those that are known */
	uint64_t reads;	     /* how often that was */
	int64_t took_ns;     /* CPU time that it took in all */
};
/* pid is what threads are listed under; memory may be read by another number. */
void named_threads_init(struct named_threads *n, pid_t pid, const struct memory *m,
			const struct python *py);
void named_threads_fini(struct named_threads *n);
/* The name of a thread, from strangers; NULL where threading has none for it, or it is gone. id:
 * pthread_self; sampled_ns: when it was there, which is not after now_ns. The pointer dies at the
 * next call. */
const char *named_threads_find(struct named_threads *n, uint64_t id, pid_t tid, int64_t sampled_ns,
			       int64_t now_ns);

#endif
