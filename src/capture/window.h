/* capture/window.h - one profile in the making: from the addresses of a sample to its frames.
 *
 * Frames are named once a window: native ones by (file, address), so that all processes of a
 * library share them; Python ones by (code object, instruction). Memory: a window owns its profile
 * until window_take. Threads: one at a time. */
#ifndef GLIM_CAPTURE_WINDOW_H
#define GLIM_CAPTURE_WINDOW_H

#include "capture/target.h"
#include "probe/probe_abi.h"
#include "profile/profile.h"
#include "symbol/symbol.h"
#include "unwind/join.h"
#include "unwind/rows.h"

struct window_file {
	uint64_t dev, inode;
};
struct window {
	struct profile *profile;
	struct symbolizer *symbolizer; /* not ours */
	struct rows *rows;	       /* not ours */
	struct targets *targets;       /* not ours */
	int64_t start_mono_ns;
	/* Frame numbers of this profile. */
	struct map64 native;   /* by file number << 40 | offset in the file: place and count in
				  `inlined` */
	VEC(uint32_t) inlined; /* functions of an address, innermost first */
	struct map64 kernel;   /* by address */
	struct map64 python;   /* by code id << 32 | byte offset */
	/* Files by dev and inode; kept over windows. */
	VEC(struct window_file) files;
	struct hash_index file_index;
};

void window_init(struct window *w, struct symbolizer *s, struct rows *r, struct targets *t);
void window_fini(struct window *w);
/* Begin a profile; the last one must have been taken. */
void window_start(struct window *w, int64_t period_ns);
/* Hand the profile out and forget its frames. */
struct profile *window_take(struct window *w);

/* What became of a sample. */
struct window_result {
	enum outcome outcome;
	bool native_cut; /* a Python stack is whole, but native frames under it are not known */
	bool mappings_changed;
};
/* Add one sample; t is NULL where the process could not be found. */
void window_add(struct window *w, const struct probe_sample *s, struct target *t, int64_t now_ns,
		struct window_result *ret);

#endif
