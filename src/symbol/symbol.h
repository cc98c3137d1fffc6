/* symbol/symbol.h - from an address in a file, or in the kernel, to the name of a function.
 *
 * A symbolizer keeps one table a file (found by dev, inode, size and mtime), shared by all
 * processes that map it, and by copies of it with the same build id (containers have such), with a
 * bound on its memory: the tables used least go first. Names are
 * demangled (C++, both Rust manglings). ELF files are from strangers: every size and offset is
 * checked and nothing is mapped, so that a file which shrinks cannot kill us.
 *
 * Memory: returned text lives in the symbolizer until the next call of symbolizer_trim.
 * Threads: one at a time. */
#ifndef GLIM_SYMBOL_H
#define GLIM_SYMBOL_H

#include "process/process.h"
#include "symbol/debug_file.h"
#include "symbol/debug_info.h"
#include "symbol/jit.h"

struct symbolizer; /* opaque */
struct symbol {
	const char *name;    /* demangled; "" when unknown */
	const char *module;  /* base name of the file, "[kernel]", "[vdso]", "[anon]", "[jit]" or a
				kernel module */
	uint64_t address;    /* in the file, as its ELF headers count; where it cannot be read the
				offset in the file, and the address itself where there is no file */
	const char *file;    /* source, "" when unknown */
	uint32_t line;	     /* in file; 0: unknown */
	uint32_t start_line; /* of the function; 0: unknown */
	/* There is no name, because the loader still reads the file, or no line, because its debug
	 * information is still looked through: ask again. */
	bool later;
};
/* Functions that one instruction belongs to, at most: deeper inlining is cut at the outer end. */
enum { SYMBOL_MAX_INLINED = 32 };

int symbolizer_new(size_t max_bytes, struct symbolizer **ret, struct err *e);
void symbolizer_free(struct symbolizer *s);
/* Where symbols of stripped files are looked for, by build id; /usr/lib/debug when not set. */
void symbolizer_set_debug_folder(struct symbolizer *s, const char *folder);
/* Use debug files that come later: ask is told once for each stripped file that has none here, and
 * must not wait; what it brings to FOLDER/HEX/debuginfo is used from the next window on. */
typedef void symbol_fetch(void *arg, const struct build_id *id);
void symbolizer_set_fetch(struct symbolizer *s, const char *folder, symbol_fetch *ask, void *arg);
/* Read files (or debug files) of so many bytes or more in a thread (symbol/loader.h), so that
 * nobody waits for them; their addresses have no names, and say later, until that is done. Without
 * a call there is none.
 */
void symbolizer_set_loader(struct symbolizer *s, uint64_t min_bytes);
/* Begin a slice of time: what is read of debug information until the next call takes some 10 ms,
 * and who asks for more than that is told later. Without a call there is no such bound. */
void symbolizer_slice(struct symbolizer *s);
/* Can what comes later be found out now? Else only time helps. */
bool symbolizer_reads(const struct symbolizer *s);
/* Wait until the next of these files is read, at most so long, if there is any. */
void symbolizer_wait(struct symbolizer *s, int64_t max_ns);
/* Name an address of a process; m is the mapping that holds it, or NULL. Fills ret, innermost
 * function first: inlined ones, then the function that has the code. Returns how many, at least
 * one. Never fails for lack of a name: the name is then "". */
size_t symbolizer_user(struct symbolizer *s, const struct process *p, const struct mapping *m,
		       uint64_t address, struct symbol ret[SYMBOL_MAX_INLINED]);
/* Name a kernel address, from /proc/kallsyms (read once; again when a module was loaded is not
 * needed). */
void symbolizer_kernel(struct symbolizer *s, uint64_t address, struct symbol *ret);
/* 0 when kernel addresses can be named; else a negative errno, with the reason and what to do. */
int symbolizer_kernel_status(struct symbolizer *s, struct err *e);
/* Give memory back down to the bound, and close all files. Call it after each window. */
void symbolizer_trim(struct symbolizer *s);
struct symbolizer_stats {
	size_t files, bytes, symbols; /* in memory now, those of the kernel included */
	size_t refused;		      /* files without names in this window for lack of room */
	size_t stripped;	      /* files in memory with the names of .dynsym alone */
	size_t awaited;		      /* files whose debug files were asked for */
	uint64_t postponed;	      /* look-ups without a name because reading files took long */
	uint64_t hits, misses;	      /* addresses with and without a name */
	struct jit_stats jit;
	struct debug_pool_stats debug; /* look-ups of inlined functions and lines */
};
void symbolizer_stats(const struct symbolizer *s, struct symbolizer_stats *ret);

#endif
