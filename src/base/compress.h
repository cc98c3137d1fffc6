/* base/compress.h - zstd and gzip, whole buffers, bounded.
 *
 * Decompression stops with -EFBIG as soon as more than max bytes would come out, whatever the
 * header claims. Output is appended to a buf that the caller owns. Threads: any. */
#ifndef GLIM_BASE_COMPRESS_H
#define GLIM_BASE_COMPRESS_H

#include "base/buf.h"
#include "base/err.h"

int compress_zstd(const void *p, size_t n, int level, struct buf *out);
int compress_gzip(const void *p, size_t n, int level, struct buf *out);
int decompress_zstd(const void *p, size_t n, size_t max, struct buf *out, struct err *e);
int decompress_gzip(const void *p, size_t n, size_t max, struct buf *out, struct err *e);
/* The same with zlib's header, for data whose size is known. */
int decompress_zlib(const void *p, size_t n, size_t size, struct buf *out, struct err *e);

#endif
