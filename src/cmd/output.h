/* cmd/output.h - the file that a command writes a profile into: its format and its place.
 *
 * Threads: the main thread. */
#ifndef GLIM_CMD_OUTPUT_H
#define GLIM_CMD_OUTPUT_H

#include "base/arena.h"
#include "format/format.h"

/* What -f takes, for a help text: "folded, html or pprof"; out of the table of formats. */
const char *output_formats(struct arena *a);
/* The format called name, or without a name (NULL) the one that the name of the file path tells.
 * -EINVAL with what could be said instead. */
int output_format(const char *name, const char *path, const struct format **ret_format,
		  struct err *e);
/* Can f be written to path ("-": standard output), as far as that can be known before the work? */
int output_check(const struct format *f, const char *path, struct err *e);

#endif
