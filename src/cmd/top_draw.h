/* cmd/top_draw.h - a view of `glim top` on a screen, of any size from 1 x 1.
 *
 * What has no room is left out, the least important first; names are cut where they end. Threads:
 * one at a time. */
#ifndef GLIM_TOP_DRAW_H
#define GLIM_TOP_DRAW_H

#include "cmd/top_view.h"
#include "sink/screen.h"

/* What stands above the table. */
struct top_facts {
	const char *target; /* of whom, as a person may see it */
	const char *clock;  /* "cpu", "wall" */
	unsigned int hz;
	double seconds;		/* since the start */
	double samples_rate;	/* a second, in the last window */
	uint64_t samples, lost; /* since the start */
	uint64_t lost_children; /* processes that are not sampled: there are too many */
	uint64_t stopped;	/* times that a thread was, for its native functions, */
	int64_t stopped_ns;	/* for so long by the median */
	double missed_cpu;	/* seconds of CPU time that are in no sample; 0: none to speak of */
	double cpu;	 /* CPUs that the target uses, as the kernel counts; negative: not known */
	double complete; /* share of the samples with a whole stack; negative: none was seen */
	const char *empty;   /* why there may be no row; NULL: nothing special */
	const char *message; /* NULL: none; stands below the table */
};

/* CPUs that are used now: as the kernel counts, else by the samples. */
double top_cpu(const struct top_view *v, const struct top_facts *f);
void top_draw(struct top_view *v, const struct top_facts *f, struct screen *s);
/* The same without what only a person at a terminal needs: `rows` rows of the table at most. */
void top_draw_plain(struct top_view *v, const struct top_facts *f, unsigned int rows,
		    struct screen *s);

#endif
