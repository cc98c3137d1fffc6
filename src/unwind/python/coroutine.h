/* unwind/python/coroutine.h - the frames of a coroutine or generator that is suspended, and of what
 * it awaits.
 *
 * Read through struct memory; everything is checked, nothing is kept. Threads: any. */
#ifndef GLIM_UNWIND_PYTHON_COROUTINE_H
#define GLIM_UNWIND_PYTHON_COROUTINE_H

#include "unwind/python/object.h"
#include "unwind/unwind.h"

struct python_coroutine_frame {
	struct unwind_entry entry; /* as the walk of a thread makes them: UNWIND_PYTHON */
	uint64_t address;	   /* of the frame */
};
/* Where the frame of a coroutine is, running or not. -EINVAL: it is none, or has ended. */
int python_coroutine_frame(const struct python_objects *o, uint64_t address, uint64_t *ret_frame);
/* Frames from the coroutine at this address to the innermost that it awaits, in this order.
 * Returns how many; 0: it runs, did not start, or ended. ret_awaited: what the innermost awaits
 * (a FutureIter, say); 0: nothing that is known. */
int python_coroutine_frames(const struct python_objects *o, const struct python_layout *l,
			    uint64_t address, struct python_coroutine_frame *ret, size_t max,
			    uint64_t *ret_awaited);

#endif
