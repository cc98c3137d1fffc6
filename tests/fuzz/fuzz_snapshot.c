/* A recorded stack of a real process, changed: its walk must end, and must stay inside its buffers
 * and inside the memory that was recorded. */
#include "fuzz.h"
#include "../unit/unwind/snapshot_replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct walk w;

	if (snapshot_load(data, size) < 0)
		return 0;
	snapshot_walk(&w);
	walk_give_up(&w);
	CHECK(w.phase == WALK_DONE && w.count <= UNWIND_MAX_ENTRIES);
	CHECK(w.native_count <= w.count);
	return 0;
}
