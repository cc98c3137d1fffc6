/* capture/parked.h - samples whose stacks cannot be walked to their end yet, because a table is
 * being made.
 *
 * A sample is copied, with the stack that it brought along, and its process is held: it may end, or
 * call exec, and the sample is of the moment when it was taken. Memory: all belongs to the struct,
 * which is bounded; targets are held until a sample is taken out. Threads: one at a time. */
#ifndef GLIM_CAPTURE_PARKED_H
#define GLIM_CAPTURE_PARKED_H

#include "base/vec.h"
#include "capture/target.h"
#include "probe/probe_abi.h"

/* Samples that wait have up to 64 KiB of stack each; this is as much as the ring of the kernel. */
enum { PARKED_MAX_BYTES = 16 << 20 };

struct parked_sample {
	struct probe_sample *sample; /* ours */
	struct target *target;	     /* held */
	uint32_t run;		     /* of its mappings, held by who parks it */
	uint64_t awaited;	     /* an address in the file whose table is awaited */
};
struct parked {
	VEC(struct parked_sample) list; /* oldest first */
	size_t bytes;
	uint64_t total;
	uint64_t refused; /* found no room */
};

/* Copy a sample; false where there is no room for it. */
bool parked_add(struct parked *p, const struct probe_sample *s, struct target *t, uint32_t run,
		uint64_t awaited);
/* Take a sample out; its target is let go. */
void parked_remove(struct parked *p, size_t i, struct targets *t);
void parked_fini(struct parked *p, struct targets *t);

#endif
