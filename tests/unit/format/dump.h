/* A profile as text, everything in it, in an order that does not depend on how it was built. */
#ifndef GLIM_TEST_DUMP_H
#define GLIM_TEST_DUMP_H

#include "profile/profile.h"

/* The caller frees it. */
char *dump_profile(const struct profile *p);
/* A profile with every kind of frame and label, of unequal weights. */
struct profile *dump_sample_profile(const char *type, const char *unit, int64_t period);
uint32_t dump_frame(struct profile *p, const char *name, const char *file, const char *module,
		    uint32_t start, uint32_t line, uint64_t address, uint8_t kind);
uint32_t dump_label(struct profile *p, const char *key, const char *value);

#endif
