/* format/html.h - the page that is one file, of two profiles: a differential flame graph. The page
 * of one profile is a format as others are, format_html.
 *
 * Threads: any. */
#ifndef GLIM_FORMAT_HTML_H
#define GLIM_FORMAT_HTML_H

#include "profile/diff.h"

/* Append the page of a comparison. What each side has is drawn as a share of its own whole or,
 * absolute, as it is. */
int html_write_diff(const struct diff *d, bool absolute, struct buf *out, struct err *e);

#endif
