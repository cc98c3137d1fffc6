/* process/sources.h - the source files of what ran in a process, each read once.
 *
 * Memory: belongs to the table. Threads: one at a time. Invariant: files are read whole or not at
 * all, up to a bound. */
#ifndef GLIM_PROCESS_SOURCES_H
#define GLIM_PROCESS_SOURCES_H

#include <sys/types.h>

#include "base/buf.h"
#include "base/strtab.h"

struct source {
	struct buf text;
	VEC(uint32_t) starts; /* of the lines, in text */
	bool changed;	      /* since the program started: lines may be others now */
	const char *missing;  /* why there is no text, NULL: there is */
};
struct sources {
	struct strtab paths;
	VEC(struct source *) list; /* source i is of path i + 1 */
	uint64_t start_ns;	   /* CLOCK_REALTIME: files that are younger have changed */
	pid_t pid;		   /* in whose root they are; 0: in ours */
};

void sources_fini(struct sources *s);
/* The file that Python calls `file` and that stands at `path`. Never NULL; it lives as long as s.
 */
const struct source *sources_get(struct sources *s, const char *file, const char *path);
/* How many lines there are; 0 where the source is missing. */
uint32_t source_lines(const struct source *s);
/* Line 1 and so on without its end, NULL outside of the file. */
const char *source_line(const struct source *s, uint32_t line, size_t *ret_len);

#endif
