/* sink/push_priv.h - the queue without its encoders, for tests. */
#ifndef GLIM_SINK_PUSH_PRIV_H
#define GLIM_SINK_PUSH_PRIV_H

#include "sink/push.h"

/* Queue an encoded request body for path, compressed here; samples: how many it stands for. */
void push_add_body(struct push *p, const char *path, const void *body, size_t len,
		   uint64_t samples);
/* How long the server wants us to wait, from a Retry-After header: seconds or a date (RFC 9110,
 * section 10.2.3); 0 where it says nothing that makes sense, an hour at most. */
unsigned int push_retry_after(const char *value, int64_t now_s);

#endif
