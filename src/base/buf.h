/* base/buf.h - growable bytes: what encoders write into.
 *
 * Zero bytes are an empty buffer; the owner calls buf_fini. data is not terminated unless
 * buf_cstr was called. Threads: one at a time. */
#ifndef GLIM_BASE_BUF_H
#define GLIM_BASE_BUF_H

#include "base/base.h"

struct buf {
	uint8_t *data;
	size_t len;
	size_t cap;
};

void buf_fini(struct buf *b);
#define cleanup_buf cleanup(buf_fini)
void buf_reserve(struct buf *b, size_t more);
void buf_append(struct buf *b, const void *p, size_t n);
void buf_putc(struct buf *b, char c);
void buf_puts(struct buf *b, const char *s);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The content as a C string; the pointer dies at the next append. */
const char *buf_cstr(struct buf *b);

#endif
