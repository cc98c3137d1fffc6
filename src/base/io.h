/* base/io.h - whole files, safely. Threads: any. */
#ifndef GLIM_BASE_IO_H
#define GLIM_BASE_IO_H

#include "base/buf.h"
#include "base/err.h"

/* Append all that fd or path has to out, -EFBIG when that is more than max bytes. */
int io_read_fd(int fd, size_t max, struct buf *out);
int io_read_file(const char *path, size_t max, struct buf *out);
/* Write all of it, through partial writes and signals. */
int io_write_all(int fd, const void *p, size_t n);
/* Write a file so that path holds the old content or the new, never a part; mode as in open(2). */
int io_write_file(const char *path, const void *p, size_t n, unsigned int mode, struct err *e);
/* Random bytes from the kernel. */
void io_random(void *p, size_t n);

#endif
