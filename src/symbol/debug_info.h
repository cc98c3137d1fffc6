/* symbol/debug_info.h - the functions, inlined ones too, with file and line, that an address of a
 * program belongs to, from its DWARF 2 to 5.
 *
 * Nothing is read before somebody asks, and then only what is needed: which units there are, the
 * functions of the unit that has the address, what was inlined into that function, a stretch of
 * the line program. What was found stays, up to a bound on the memory of all files together: what
 * was used longest ago goes first. What a look-up may cost has a bound too, and so has all that is
 * looked up in a slice of time, and in a window or ten seconds; what is not finished then
 * goes on with the next look-up.
 * Text lives in the pool until the next debug_pool_trim. Threads: one at a time a pool. */
#ifndef GLIM_SYMBOL_DEBUG_INFO_H
#define GLIM_SYMBOL_DEBUG_INFO_H

#include "symbol/elf_file.h"

struct debug_pool; /* opaque */
struct debug_info; /* opaque */

struct debug_function {
	const char *name;    /* demangled; "" when unknown */
	const char *file;    /* "" when unknown */
	uint32_t line;	     /* in file; 0: unknown */
	uint32_t start_line; /* of the function; 0: unknown */
};
/* Files that debug information names: other halves of units (.dwo, .dwp), and what several files
 * share (dwz). */
struct debug_opener {
	/* A descriptor, which may be of anything; or a negative errno. Paths are from strangers. */
	int (*open)(void *arg, const char *path);
	void *arg;
	const char *path; /* of the file itself, to look beside it; may be NULL */
};

struct debug_pool *debug_pool_new(size_t max_bytes);
/* After all its files were closed. */
void debug_pool_free(struct debug_pool *p);
/* Begin a new window: text may go, and the allowance of work is full again; where there are slices,
 * time gives it back. */
void debug_pool_trim(struct debug_pool *p);
/* Begin a slice of time. */
void debug_pool_slice(struct debug_pool *p, int64_t now_ns);
/* May what was not finished go on in a later slice? */
bool debug_pool_goes_on(const struct debug_pool *p);
/* And in the next one? */
bool debug_pool_has_work(const struct debug_pool *p);
size_t debug_pool_bytes(const struct debug_pool *p);
/* Is there more than may be after a trim? Then the indexes of files are too large together, and no
 * new ones are made until some file is closed. */
bool debug_pool_full(const struct debug_pool *p);
/* How much may be read and looked at in one look-up, in one slice and in one window; for tests and
 * tools. */
void debug_pool_set_work(struct debug_pool *p, int64_t lookup, int64_t slice, int64_t window);

struct debug_pool_stats {
	uint64_t lookups;
	uint64_t unfinished; /* look-ups that were not answered, for lack of work allowed */
};
void debug_pool_stats(const struct debug_pool *p, struct debug_pool_stats *ret);

/* Take the descriptor out of elf and read what it has; -ENOENT where it has no debug information.
 */
int debug_info_open(struct debug_pool *p, struct elf_file *elf, struct debug_info **ret);
void debug_info_close(struct debug_info *d);
/* Close the files meanwhile; and give a descriptor of the same file back. */
void debug_info_pause(struct debug_info *d);
bool debug_info_paused(const struct debug_info *d);
void debug_info_resume(struct debug_info *d, int fd);
/* The functions that an address belongs to, innermost first; at most max, cut at the outer end.
 * Returns how many; the last of them has the code, and no name where only the line is known. 0
 * where nothing is known of the address; -EAGAIN where that is not known yet. */
int debug_info_lookup(struct debug_info *d, uint64_t address, const struct debug_opener *o,
		      struct debug_function *ret, size_t max);

#endif
