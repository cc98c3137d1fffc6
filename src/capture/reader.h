/* capture/reader.h - the capture that reads the memory of Python processes from outside: no
 * privileges for processes of one's own, and nothing is ever stopped; only with native functions a
 * thread is, for the moment of its sample.
 *
 * A timer ticks at a random moment of each period, so that nothing in step with it is missed. Part
 * of capture.h, whose promises hold here. Memory: belongs to the capture. Threads: one at a time.
 */
#ifndef GLIM_CAPTURE_READER_H
#define GLIM_CAPTURE_READER_H

#include "capture/capture.h"

struct reader; /* opaque */
int reader_open(const struct capture_config *cfg, struct reader **ret, struct err *e);
void reader_close(struct reader *r);
int reader_fd(const struct reader *r);
int reader_drain(struct reader *r);
struct profile *reader_take(struct reader *r);
void reader_stats(const struct reader *r, struct capture_stats *ret);
bool reader_ended(const struct reader *r);
struct symbolizer *reader_symbolizer(struct reader *r);
struct window *reader_window(struct reader *r);

#endif
