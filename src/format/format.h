/* format/format.h - files and wire formats that profiles come in and go out as.
 *
 * One const struct format a format, all of them listed in format.c. Reading makes profiles that the
 * caller frees; input is from strangers: every size is checked, limits in struct format_limits.
 * Threads: any, one call at a time an argument. */
#ifndef GLIM_FORMAT_H
#define GLIM_FORMAT_H

#include "base/buf.h"
#include "profile/profile.h"

typedef VEC(struct profile *) profile_vec;
void profile_vec_fini(profile_vec *v); /* frees the profiles too */

struct format {
	const char *name;   /* as after -f */
	const char *suffix; /* of file names, with the dot */
	const char *mime;
	/* Could these first bytes be this format? */
	bool (*detect)(const void *p, size_t n);
	/* Append the profile's encoding to out. NULL: cannot be written. */
	int (*write)(const struct profile *p, struct buf *out, struct err *e);
	/* Read all profiles of a file. -EBADMSG with a reason where it cannot be decoded. NULL:
	 * cannot be read. */
	int (*read)(const void *p, size_t n, profile_vec *ret_profiles, struct err *e);
};

extern const struct format format_folded, format_pprof;

/* NULL where there is none. */
const struct format *format_by_name(const char *name);
const struct format *format_by_file_name(const char *path);
const struct format *format_detect(const void *p, size_t n);

#endif
