/* format/speedscope_priv.h - the two halves of speedscope's file format.
 *
 * https://www.speedscope.app/file-format-schema.json, and npm's speedscope 1.25, whose import is
 * stricter than the schema. What the format has no place for stands in an object `glim` of each
 * profile, which others leave alone: type, period, labels, and how many samples each weight is. */
#ifndef GLIM_FORMAT_SPEEDSCOPE_PRIV_H
#define GLIM_FORMAT_SPEEDSCOPE_PRIV_H

#include "format/format.h"

#define SPEEDSCOPE_SCHEMA "https://www.speedscope.app/file-format-schema.json"

int speedscope_read(const void *data, size_t n, profile_vec *ret_profiles, struct err *e);

#endif
