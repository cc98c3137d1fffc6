/* capture/window.h - one profile in the making: from the addresses of a sample to its frames.
 *
 * Frames are named once a window: native ones by (file, address), so that all processes of a
 * library share them; Python ones by (code object, instruction). Memory: a window owns its profile
 * until window_take. Threads: one at a time. */
#ifndef GLIM_CAPTURE_WINDOW_H
#define GLIM_CAPTURE_WINDOW_H

#include "capture/labels.h"
#include "capture/natives.h"
#include "profile/profile.h"
#include "symbol/symbol.h"
#include "unwind/join.h"

/* Several functions may be inlined at one address. */
enum { WINDOW_MAX_FRAMES = 4 * JOIN_MAX_FRAMES + PROBE_KERNEL_DEPTH + 1 };
/* A sample on its way: frames leaf first. */
struct window_stack {
	size_t len;
	enum outcome native;
	bool python_seen;
	bool full;	   /* frames did not fit, at the root end */
	bool gap;	   /* between native frames and Python; has its mark */
	int python_failed; /* reading a name failed */
	uint32_t frames[WINDOW_MAX_FRAMES];
};
/* An address whose file is still being read: a frame keeps the place of its functions. */
struct late_name {
	struct process process; /* only who it is */
	struct mapping mapping; /* its path is ours */
	uint64_t address;
	uint32_t frame;
	size_t first, n; /* its functions, in `late_frames`; n is 0 until they are known */
};
/* What became of a stack in this profile. */
struct known_stack {
	uint32_t stack;
	uint32_t remarks;
	enum outcome outcome;
};
struct window_file {
	uint64_t dev, inode;
};
struct window {
	struct profile *profile;
	struct symbolizer *symbolizer; /* not ours */
	struct targets *targets;       /* not ours */
	int64_t start_mono_ns;	       /* 0: none began yet */
	/* Frame numbers of this profile. */
	struct map64 native;   /* by file number << 40 | offset in the file: place and count in
				  `inlined` */
	VEC(uint32_t) inlined; /* functions of an address, innermost first */
	struct map64 kernel;   /* by address */
	struct map64 python;   /* by code id << 32 | byte offset */
	struct map64 stacks;   /* of Python only, by hash: place in `known_stacks` */
	VEC(struct known_stack) known_stacks;
	struct map64 label_sets;    /* by hash of their texts */
	struct window_stack *stack; /* of the sample being added; too large for ours */
	struct join_stack *joined;
	struct unwind_entry *states; /* of several interpreters, in their order */
	struct labels labels;
	VEC(struct late_name) late;
	VEC(uint32_t) late_frames;
	/* Files by dev and inode; kept over windows. */
	VEC(struct window_file) files;
	struct hash_index file_index;
};

void window_init(struct window *w, struct symbolizer *s, struct targets *t);
void window_fini(struct window *w);
/* Begin a profile, at the moment when the last one ended, which must have been taken. */
void window_start(struct window *w, const char *type, int64_t period_ns);
/* Name what had to wait for its file. True: some of it still has to. */
bool window_name_late(struct window *w);
/* Hand the profile out, with addresses for what still waits, and forget its frames. */
struct profile *window_take(struct window *w);

/* What became of a sample. */
struct window_result {
	enum outcome outcome;
	uint32_t remarks; /* 1 << enum remark, of each that holds */
};
/* What else is known of a sample. */
struct window_facts {
	const char *thread; /* a better name than the kernel's; NULL: none */
	const char *gil;    /* labels of these names; NULL: none */
	const char *state;
	bool collects; /* Python's garbage collector runs on top of the stack */
	int64_t value; /* what it stands for; 0: one period */
};
/* Read what a sample needs of its process, which may be gone when the sample is added: names of
 * Python functions, labels, and the files of the native frames that are known. */
void window_prepare(struct window *w, const struct probe_sample *s,
		    const struct native_stack *native, struct target *t);
/* Add one sample with its native frames; t is NULL where the process could not be found, facts
 * where nothing else is known. */
void window_add(struct window *w, const struct probe_sample *s, const struct native_stack *native,
		struct target *t, const struct window_facts *facts, struct window_result *ret);

#endif
