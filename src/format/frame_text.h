/* format/frame_text.h - a frame as one name, for formats that know nothing but names.
 *
 * Kernel frames end in `_[k]`, marks stand in brackets, `[cut: too deep]`, a function without a
 * name is `module+0xADDRESS`. Threads: any. */
#ifndef GLIM_FORMAT_FRAME_TEXT_H
#define GLIM_FORMAT_FRAME_TEXT_H

#include "format/format.h"

void frame_text_put(const struct profile *p, uint32_t frame, struct buf *out);
/* What such a name says: kind, name, module and address; the strings become p's. */
void frame_text_parse(struct profile *p, const char *s, size_t len, struct profile_function *ret_f,
		      uint64_t *ret_address);
/* A string of p from at most FORMAT_MAX_TEXT bytes of s. */
uint32_t frame_text_string(struct profile *p, const char *s, size_t len);

#endif
