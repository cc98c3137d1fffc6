/* format/format.h - files and wire formats that profiles come in and go out as.
 *
 * One const struct format a format, all of them listed in format.c. Reading makes profiles that the
 * caller frees; input is from strangers: every size is checked, limits in enum format_limit.
 * Threads: any, one call at a time an argument. */
#ifndef GLIM_FORMAT_H
#define GLIM_FORMAT_H

#include "base/buf.h"
#include "profile/profile.h"

/* What a reader takes at most. Longer text is cut, deeper stacks keep their leaf side under a mark
 * frame, further labels are left out; more profiles, entries or memory than this is an error. */
enum format_limit {
	FORMAT_MAX_DEPTH = 1024,	 /* frames of a stack */
	FORMAT_MAX_TEXT = 64 * 1024,	 /* bytes of a name */
	FORMAT_MAX_LABELS = 64,		 /* of a sample */
	FORMAT_MAX_PROFILES = 16 * 1024, /* in one file or request */
	FORMAT_MAX_ENTRIES = 4 << 20,	 /* of all tables together */
	FORMAT_MAX_WORK = 64 << 20,	 /* frames walked for one file or request */
	FORMAT_MAX_MEMORY = 256 << 20,	 /* bytes that the profiles may come to */
};

typedef VEC(struct profile *) profile_vec;
void profile_vec_fini(profile_vec *v); /* frees the profiles too */

struct format {
	const char *name;   /* as after -f */
	const char *suffix; /* of file names, with the dot */
	const char *mime;
	bool binary; /* no text for a terminal */
	/* Could these first bytes be this format? */
	bool (*detect)(const void *p, size_t n);
	/* Append the profile's encoding to out. NULL: cannot be written. */
	int (*write)(const struct profile *p, struct buf *out, struct err *e);
	/* Read all profiles of a file. -EBADMSG with a reason where it cannot be decoded. NULL:
	 * cannot be read. */
	int (*read)(const void *p, size_t n, profile_vec *ret_profiles, struct err *e);
};

extern const struct format format_folded, format_html, format_otlp, format_pprof, format_speedscope;

/* The formats one by one, NULL at the end. */
const struct format *format_at(size_t i);
/* NULL where there is none. */
const struct format *format_by_name(const char *name);
const struct format *format_by_file_name(const char *path);
const struct format *format_detect(const void *p, size_t n);

#endif
