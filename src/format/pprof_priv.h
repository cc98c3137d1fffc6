/* format/pprof_priv.h - the two halves of pprof.
 *
 * Field numbers: github.com/google/pprof, proto/profile.proto. */
#ifndef GLIM_FORMAT_PPROF_PRIV_H
#define GLIM_FORMAT_PPROF_PRIV_H

#include "format/format.h"

int pprof_write(const struct profile *p, struct buf *out, struct err *e);
int pprof_read(const void *data, size_t n, profile_vec *ret_profiles, struct err *e);

/* File name of the mapping of kernel frames without a module, as perf calls it. */
#define PPROF_KERNEL "[kernel.kallsyms]"

#endif
