/* symbol/perf_map.h - the text file in which a runtime names the code that it makes.
 *
 * A line a function, "START SIZE NAME", numbers in hexadecimal (Linux 6.1,
 * tools/perf/Documentation/jit-interface.txt). The file grows while the program runs, so only what
 * is new is read. Names stay in the file until somebody asks. Whoever owns the process can write
 * anything there: lines that are none are counted and left out. Threads: one at a time a file. */
#ifndef GLIM_SYMBOL_PERF_MAP_H
#define GLIM_SYMBOL_PERF_MAP_H

#include "symbol/code_map.h"

struct perf_map {
	uint64_t at;	  /* what is before was read */
	bool inside;	  /* of a line that is longer than any piece */
	uint64_t ignored; /* lines that were none */
};

/* Read complete lines from where the last call stopped, about max_bytes and max_ranges at most,
 * and append what they name; values are places of names in the file. Returns 1 when there is more,
 * 0 at the end, or a negative errno: -EFBIG when the file is over 4 GiB. */
int perf_map_read(struct perf_map *m, int fd, size_t max_bytes, size_t max_ranges,
		  code_range_vec *batch);
/* The name that stands at a place, without its end; as much as fits. */
int perf_map_name(int fd, uint32_t place, char *buf, size_t size);

#endif
