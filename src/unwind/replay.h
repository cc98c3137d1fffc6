/* unwind/replay.h - the native walk of a sample made once more, in user space.
 *
 * A sample that met code which the kernel's walk did not know brings its registers and the memory
 * along that a walk may need. When the mappings of the process and the tables of its files are
 * there, the same walk goes on over them, or is made again. Threads: one at a time. */
#ifndef GLIM_UNWIND_REPLAY_H
#define GLIM_UNWIND_REPLAY_H

#include <sys/types.h>

#include "process/memory.h"
#include "unwind/native/table_store.h"
#include "unwind/unwind_abi.h"

struct replay {
	const struct table_space *space;
	struct unwind_process run;
	uint64_t pc, thread_base;
	bool in_kernel;
	const uint64_t *registers; /* [UNWIND_REGISTERS] */
	/* What was walked already, leaf first: the walk goes on at the last of these, which pc,
	 * rsp, rbp and rbx are of. None: it begins with the interrupted code. */
	const struct unwind_entry *walked;
	uint32_t nwalked; /* UNWIND_MAX_ENTRIES at most */
	uint8_t lost;	  /* of these registers, TABLE_LOST_... */
	/* What was copied of the memory: bytes of the regions, behind each other. */
	const struct unwind_region *regions;
	uint32_t nregions;
	const uint8_t *bytes;
	pid_t pid;		     /* whose code may be read; memory that changes is not, */
	const struct memory *memory; /* but this, which stands still, is; NULL: there is none */

	struct unwind_entry entries[UNWIND_MAX_ENTRIES]; /* leaf first */
	uint32_t count;
	uint8_t end;	 /* enum unwind_native_end */
	uint64_t end_at; /* the address that the walk ended at, as tables are asked for it */
};

/* Walk; fills the last four fields. */
void replay_walk(struct replay *r);

#endif
