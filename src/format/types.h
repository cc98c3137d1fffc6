/* format/types.h - types and units of profiles: Glim's own and those of senders.
 *
 * Threads: any; everything is constant. */
#ifndef GLIM_FORMAT_TYPES_H
#define GLIM_FORMAT_TYPES_H

#include "base/base.h"

struct format_type {
	const char *name; /* of the sender */
	const char *type; /* in Glim */
	const char *unit; /* in Glim */
};
/* NULL: unknown. A type of Glim's may have several names; by_glim gives the one to write. */
const struct format_type *format_type_by_name(const char *name, size_t len);
const struct format_type *format_type_by_glim(const char *type);
/* How many of Glim's unit one of the sender's unit is; 0: the units do not fit. */
int64_t format_unit_factor(const char *unit, size_t len, const char *glim_unit);

#endif
