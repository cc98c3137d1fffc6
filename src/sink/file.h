/* sink/file.h - a profile into a file, whole or not at all.
 *
 * Threads: any. */
#ifndef GLIM_SINK_FILE_H
#define GLIM_SINK_FILE_H

#include "format/format.h"

/* Can path be written, as far as that can be known before? "-" is standard output. */
int file_check(const char *path, struct err *e);
/* Write bytes, or p, to path: a new or regular file is replaced at once, anything else (a pipe, a
 * device) is written into. */
int file_write_bytes(const void *p, size_t n, const char *path, struct err *e);
int file_write(const struct format *f, const struct profile *p, const char *path, struct err *e);

#endif
