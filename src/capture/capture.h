/* capture/capture.h - from samples to profiles of one window.
 *
 * A capture takes samples by one of two engines, names every frame and adds up a profile; whoever
 * asks takes the profile of the time since it last asked. One event loop drives it: wait on
 * capture_fd (or at least every 250 ms), then call capture_drain.
 *
 * Memory: a capture owns all but the profiles it hands out. Threads: one at a time a capture. */
#ifndef GLIM_CAPTURE_H
#define GLIM_CAPTURE_H

#include "profile/profile.h"

struct capture; /* opaque */
struct symbolizer;
enum capture_engine {
	CAPTURE_KERNEL, /* programs in the kernel: all code of all processes; needs root */
	CAPTURE_READER, /* reads the memory of Python processes from outside (capture/reader.h) */
};
enum capture_clock {
	CAPTURE_CPU,
	CAPTURE_WALL, /* only of the reader: threads that wait count, too */
};
struct capture_config {
	enum capture_engine engine;
	enum capture_clock clock;
	unsigned int hz; /* samples a second and CPU */
	pid_t self;	 /* never sampled; 0: sample ourselves too */
	pid_t pid;	 /* only this process; 0: all that can be seen from here */
	bool children;	 /* with pid: and all that it started, and will start, and so on */
	bool gil;	 /* only threads that hold their interpreter's lock (reader) */
	bool native;	 /* native functions, too; the kernel's programs always do (reader) */
	bool starting;	 /* the process was just started: its Python is waited for (reader) */
	bool kernel_stacks;
	const char *cache; /* folder for unwind tables, made when it is not there; NULL: none */
};
/* What unwind tables cost and hold, of the kernel's engine: they are made beside the drains. */
struct capture_tables {
	uint64_t files, bytes;	 /* that have rows now */
	uint64_t waiting;	 /* files whose turn has not come */
	uint64_t loaded, cached; /* since the start; cached: of these, from the disk */
	uint64_t beside;	 /* made by the thread */
	uint64_t evicted;
	uint64_t parked;	 /* samples that waited for one */
	uint64_t parked_refused; /* that found no room to wait */
	int64_t cpu_ns;		 /* of all threads */
	/* The most that one drain gave to them, with waiting; and of its own CPU time. */
	int64_t took_max_ns, took_max_cpu_ns;
};
struct capture_stats {
	uint64_t samples;		  /* taken by the probe since start */
	uint64_t outcomes[OUTCOME_COUNT]; /* of those, each counted once */
	uint64_t remarks[REMARK_COUNT];	  /* a sample may have several */
	uint64_t lost_ring;		  /* the ring was full */
	uint64_t lost_scratch;		  /* a sample met another one on the same CPU */
	uint64_t missed;	  /* of the reader: ticks that came too late and were merged */
	int64_t unsampled_ns;	  /* of the reader: CPU time of its threads that is in no sample */
	uint64_t unknown_pythons; /* of the reader: processes left out for the version of theirs */
	/* Of the reader with native functions: threads that were stopped, for how long by the
	 * median and at most; and how often that failed. */
	uint64_t stopped, not_stopped;
	int64_t stopped_median_ns, stopped_max_ns;
	uint64_t lost_children;		      /* of capture_config.pid: too many to be sampled */
	uint64_t processes, python_processes; /* known now */
	uint64_t names_read;		      /* how often names of Python's threads were read, */
	int64_t names_took_ns;		      /* and what that took; of the kernel's engine */
	uint64_t bpf_run_ns, bpf_runs; /* from the kernel, 0 while kernel.bpf_stats_enabled is 0 */
	uint64_t map_bytes;	       /* memory of BPF maps */
	struct capture_tables tables;
	int64_t drain_max_ns, drain_max_cpu_ns; /* the longest capture_drain */
	uint64_t cpus;				/* sampled now; of the kernel's engine */
	uint64_t cpus_unsampled;		/* online, but refused to it */
};

/* What this host lacks is said in e in one sentence with the cure: -EPERM (privileges), -ENOTSUP
 * (kernel, BTF), -ESRCH (no process has this pid). Refused RLIMIT_MEMLOCK is not an error, nor is a
 * cache that cannot be used. The calling thread gets a higher priority, where it may: what ends
 * must be read before it is gone. */
int capture_open(const struct capture_config *cfg, struct capture **ret, struct err *e);
void capture_close(struct capture *c);
int capture_fd(const struct capture *c);
/* Take all waiting samples in; bounded work a call. Returns how many. */
int capture_drain(struct capture *c, struct err *e);
/* Is nothing left to sample, because what was asked for ended? */
bool capture_ended(const struct capture *c);
/* Hand out the profile of the window since the last call, after waiting three seconds at most, and
 * taking samples in, for names that are still being read (type cpu or wall, unit nanoseconds,
 * labels process, pid, thread, in wall mode state, and those of Go's runtime/pprof; Python frames
 * with function, file and line; cut stacks carry a FRAME_MARK at their root end). The caller frees
 * it. */
struct profile *capture_take(struct capture *c);
void capture_stats(struct capture *c, struct capture_stats *ret);

/* What the unwind tables could not take in since the start, and how often; what never happened is
 * left out. Returns how many there are, at most max. */
enum { CAPTURE_MAX_REFUSALS = 16 };
struct capture_refusal {
	const char *why;
	uint64_t count;
	bool full; /* a bound of ours was reached: stacks are cut for it */
};
size_t capture_refusals(const struct capture *c, struct capture_refusal *ret, size_t max);

/* What names user functions, for commands that help it find more; belongs to the capture. */
struct symbolizer *capture_symbolizer(struct capture *c);

/* What of this is possible here, without starting: for `glim doctor`. */
struct capture_check {
	const char *name; /* "kernel", "btf", "privileges", "perf events", "bpf" ... */
	bool ok;
	char detail[256]; /* what was found */
	char cure[256];	  /* what to do, "" for nothing; when ok, what would be better */
};
size_t capture_checks(struct capture_check *ret, size_t max);

#endif
