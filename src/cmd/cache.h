/* cmd/cache.h - where Glim keeps what can be made again.
 *
 * $XDG_CACHE_HOME/glim, else ~/.cache/glim, for root /var/cache/glim. Threads: any. */
#ifndef GLIM_CMD_CACHE_H
#define GLIM_CMD_CACHE_H

#include "base/base.h"

/* A folder in there; the folders above it are made. The text is the caller's. */
char *cache_folder(const char *name);

#endif
