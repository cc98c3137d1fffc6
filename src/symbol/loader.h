/* symbol/loader.h - reads the names of large files in a thread, one file after the other, while the
 * caller goes on with its samples.
 *
 * A thread lives for one file (base/worker.h). Zero bytes are a loader with nothing to do; one that
 * has something to do must not move. Memory: files wait in the loader until loader_take, or
 * loader_fini. Threads: one at a time a loader. */
#ifndef GLIM_SYMBOL_LOADER_H
#define GLIM_SYMBOL_LOADER_H

#include "base/worker.h"
#include "symbol/names.h"
#include "symbol/pclntab.h"

/* What was read of a file. */
struct load {
	uint32_t file; /* the caller's number of it */
	struct elf_file *elf;
	struct names names;
	struct pclntab go;
	int64_t cpu_ns; /* that it took */
};
struct loader_job; /* opaque */
struct loader {
	struct worker worker;
	VEC(struct loader_job *) queue; /* the first one is being read */
};

/* Have a file read, which has max_bytes for its symbols; what where points to is copied. Takes elf
 * over unless too many wait already: then it returns false. */
bool loader_put(struct loader *l, uint32_t file, struct elf_file *elf,
		const struct debug_search *where, size_t max_bytes);
/* Hand out the file that was read first; false when none is ready within wait_ns. */
bool loader_take(struct loader *l, int64_t wait_ns, struct load *ret);
/* Waits for the file that is being read. */
void loader_fini(struct loader *l);

#endif
