/* unwind/native/table_image.h - the unwind table of a file as bytes that can be kept on disk.
 *
 * The machine's numbers of rules mean nothing to another process: an image has its own rules, and
 * they get numbers when it is read. All of an image is checked before anything of it is used.
 *	header	struct table_image_header
 *	rules	struct unwind_rule each; `earlier` is the number of a rule before it; number 0 is
 *		UNWIND_NO_RULE and not written
 *	pages	uint16_t each: number of rows
 *	rows	unwind_row each, with numbers of the image's rules
 * in the byte order of x86-64. Memory: belongs to the caller. Threads: any. */
#ifndef GLIM_UNWIND_TABLE_IMAGE_H
#define GLIM_UNWIND_TABLE_IMAGE_H

#include "base/buf.h"
#include "unwind/native/unwind_table.h"

/* Goes up when the layout changes, or what is found in the same file. */
enum { TABLE_IMAGE_VERSION = 4 };

/* What tells one file from all others; compared as bytes, so no padding. */
struct table_image_key {
	uint8_t build_id[20];
	uint32_t build_id_len;
	uint64_t dev, inode, changed; /* 0 where there is a build id */
	uint64_t size;
	uint64_t code;	  /* hash of where its code is */
	uint64_t builder; /* of the program that made the table: another may make a better one */
};
_Static_assert(sizeof(struct table_image_key) == 72, "written to disk");

struct table_image_header {
	char magic[8];
	uint32_t version;
	uint32_t header_size;
	uint64_t hash; /* of all that follows this field */
	struct table_image_key key;
	uint64_t base;
	uint32_t rules, pages, rows;
	uint32_t bad; /* figures of the file */
	uint32_t unsupported[UNWIND_WHY_COUNT];
};
_Static_assert(sizeof(struct table_image_header) == 152, "written to disk");

/* Append the image of a table to out. */
void table_image_write(const struct table_image_key *key, const struct unwind_table *t,
		       const struct unwind_rules *rules, struct buf *out);
/* -EBADMSG: damaged, or of another version. -ESTALE: of another file. -ENOSPC: too few rules are
 * left to take all of its rules: a new table would choose fewer. */
int table_image_read(const void *data, size_t n, const struct table_image_key *key,
		     struct unwind_rules *rules, struct unwind_table *ret);

#endif
