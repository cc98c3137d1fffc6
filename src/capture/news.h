/* capture/news.h - what processes mapped, waiting for its turn among the samples.
 *
 * Samples and news of mappings come through different rings. A sample is named by the mappings of
 * its moment: news wait until a sample that is younger is taken in. Memory: belongs to the struct;
 * an event lives until the next call. Threads: one at a time. */
#ifndef GLIM_CAPTURE_NEWS_H
#define GLIM_CAPTURE_NEWS_H

#include "base/vec.h"
#include "probe/probe.h"

struct news {
	VEC(struct mapping_event) events; /* in the order of time; paths are ours */
	size_t next;
	uint64_t until_ns; /* all news before this were read */
	uint64_t lost;
};

void news_fini(struct news *n);
/* Read what there is. Returns how many were lost since the last call. */
uint64_t news_read(struct news *n, struct probe *p);
/* The next that is not younger than that, or NULL. */
const struct mapping_event *news_next(struct news *n, uint64_t until_ns);

#endif
