/* sink/debuginfod.h - fetches debug files of other people's programs, in the background.
 *
 * A debuginfod server (elfutils; the large distributions run one each) answers
 * GET /buildid/HEX/debuginfo with the separate debug file of the program that has this build id. A
 * thread of its own (without capabilities) asks the servers one after the other and puts what comes
 * into a folder: FOLDER/HEX/debuginfo, complete or not at all, empty when no server knew it. The
 * servers learn which programs run here, so it is used only when somebody asked for it.
 *
 * Memory: a few kilobytes. Threads: debuginfod_ask and debuginfod_stats from any, the others from
 * one. */
#ifndef GLIM_SINK_DEBUGINFOD_H
#define GLIM_SINK_DEBUGINFOD_H

#include "base/err.h"

struct debuginfod; /* opaque */
struct debuginfod_config {
	const char *urls;    /* http and https, separated by blanks, as in DEBUGINFOD_URLS */
	const char *ca_file; /* NULL: the system's */
	const char *folder;  /* is made when it is not there */
	uint64_t max_file, max_folder; /* bytes; 0: 512 MiB, and 2 GiB: then the oldest files go */
	unsigned int silence_s;	       /* no data for so long: give up; 0: 30 s */
	unsigned int total_s;	       /* one file may take so long; 0: ten minutes */
};
struct debuginfod_stats {
	uint64_t asked, fetched, unknown, failed, dropped; /* dropped: too many waited */
	uint64_t bytes;					   /* of what was fetched */
};

int debuginfod_start(const struct debuginfod_config *cfg, struct debuginfod **ret, struct err *e);
/* Ask for a build id; never waits. What was not found within the last day is not asked again. */
void debuginfod_ask(struct debuginfod *d, const uint8_t *id, size_t len);
void debuginfod_stats(const struct debuginfod *d, struct debuginfod_stats *ret);
/* What is under way is given up. */
void debuginfod_stop(struct debuginfod *d);

#endif
