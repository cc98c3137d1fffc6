/* base/utf8.h - text from strangers: is it UTF-8, and what may a terminal see of it. */
#ifndef GLIM_BASE_UTF8_H
#define GLIM_BASE_UTF8_H

#include "base/buf.h"

/* Bytes of the well-formed character at s (1 to 4), 0 when there is none within len bytes. */
size_t utf8_len(const char *s, size_t len);
/* The number of the well-formed character at s, of n bytes (utf8_len). */
uint32_t utf8_point(const char *s, size_t n);
/* Columns of a terminal that a character takes: 0 (it goes with the one before it), 1 or 2. */
unsigned int utf8_width(uint32_t point);
/* Append the character of this number; U+FFFD for what is none, and for NUL. */
void utf8_put_character(struct buf *out, uint32_t c);
/* Append s with control characters and bytes that are not UTF-8 as \xNN: safe on a terminal. */
void utf8_put_printable(struct buf *out, const char *s, size_t len);
/* Append s with every byte that is not UTF-8 as U+FFFD: safe where UTF-8 is demanded. */
void utf8_put_valid(struct buf *out, const char *s, size_t len);

#endif
