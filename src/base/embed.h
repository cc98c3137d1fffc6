/* base/embed.h - files that were put into the program when it was built (tools/embed.py).
 *
 * Memory: constant data of the program; nobody frees it. Threads: any.
 * Invariants: tables are sorted by name and end with an entry whose name is NULL; data is followed
 * by a 0 byte that size does not count, so that text can be used as a string. */
#ifndef GLIM_BASE_EMBED_H
#define GLIM_BASE_EMBED_H

#include <stddef.h>
#include <string.h>

struct embed_file {
	const char *name; /* path below the folder that was embedded, or the file's own name */
	const char *data;
	size_t size;
	const char
		*gzip; /* the same, compressed; NULL when that was not asked for or is no smaller */
	size_t gzip_size;
	const char *tag; /* 32 hex digits of the content's SHA-256, fit for an ETag */
};

/* The file of this name, NULL when the table has none. */
static inline const struct embed_file *embed_find(const struct embed_file *table, const char *name)
{
	for (const struct embed_file *f = table; f->name; f++)
		if (!strcmp(f->name, name))
			return f;
	return NULL;
}

#endif
