/* symbol/jitdump.h - the file of records in which a runtime tells what code it makes, with lines.
 *
 * Format: Linux 6.1, tools/perf/Documentation/jitdump-specification.txt. The file grows while the
 * program runs, so only what is new is read; the code in it is skipped, names and lines stay in the
 * file until somebody asks. It is from a stranger. Memory: freed by jitdump_fini. Threads: one at a
 * time a file. */
#ifndef GLIM_SYMBOL_JITDUMP_H
#define GLIM_SYMBOL_JITDUMP_H

#include "base/hash.h"
#include "symbol/code_map.h"

struct jitdump {
	uint64_t at;	     /* what is before was read; 0: nothing */
	struct map64 starts; /* address of code now -> place of its name */
	struct map64 lines;  /* place of a name -> place of the record that has its lines */
	struct map64 next;   /* address of code -> place of lines whose code comes later */
	uint64_t ignored;    /* records that make no sense */
	bool broken;	     /* not to be read any further */
};

/* Read complete records from where the last call stopped, max_records at most, and append the code
 * that they announce; values are places of names. Returns 1 when there is more, 0 at the end, or a
 * negative errno: -EBADMSG when it is no such file (any more), -EFBIG over 4 GiB. */
int jitdump_read(struct jitdump *d, int fd, size_t max_records, code_range_vec *batch);
/* The name that stands at a place; as much as fits. */
int jitdump_name(int fd, uint32_t place, char *buf, size_t size);
/* Source file and line of an address in the code whose name is at a place; from: where this code
 * begins, in case that it moved. -ENOENT where the runtime told none. */
int jitdump_line(const struct jitdump *d, int fd, uint32_t place, uint64_t from, uint64_t address,
		 char *file, size_t size, uint32_t *ret_line);
void jitdump_fini(struct jitdump *d);
size_t jitdump_bytes(const struct jitdump *d);

#endif
