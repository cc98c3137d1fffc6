/* base/err.h - why something failed, for a person to read.
 *
 * Functions return 0 or more on success and a negative errno value on failure. Where a person will
 * read the reason, the last parameter is a struct err on the caller's stack; NULL means that nobody
 * asks. Setting it never allocates. Threads: an err belongs to its caller. */
#ifndef GLIM_BASE_ERR_H
#define GLIM_BASE_ERR_H

#include "base/base.h"

struct err {
	int code; /* the negative errno value that was returned, 0 before any failure */
	char msg[512];
};

/* Store code and message in e (may be NULL) and return code, so that `return err_set(...)` is one
 * line. */
int err_set(struct err *e, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* The same, with ": strerror(-code)" behind the message. */
int err_sys(struct err *e, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Put "prefix: " before the message that is there; returns e->code (or -EINVAL when e is NULL). */
int err_prefix(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
