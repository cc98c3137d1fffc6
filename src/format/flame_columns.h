/* format/flame_columns.h - a tree as the columns that the page draws: strings, frames as numbers of
 * strings, nodes in depth-first order (docs/api.md). The server answers so, and the page that is
 * one file holds the same.
 *
 * Threads: any. */
#ifndef GLIM_FORMAT_FLAME_COLUMNS_H
#define GLIM_FORMAT_FLAME_COLUMNS_H

#include "base/json.h"
#include "profile/tree.h"

/* The keys "strings", "frames" and "nodes" of the object that is being written. Of a tree with a
 * part, which is what was before, nodes have that in columns of their own. */
void flame_columns_put(struct json *j, const struct tree *t);

#endif
