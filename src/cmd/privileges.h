/* cmd/privileges.h - root for as short a time as possible.
 *
 * Threads: to be called before there is more than one. */
#ifndef GLIM_CMD_PRIVILEGES_H
#define GLIM_CMD_PRIVILEGES_H

#include "base/err.h"

/* Keep only the capabilities that a running capture needs (reading other processes, the BPF maps
 * that are open), none to be gained again by running another program. */
int privileges_drop(struct err *e);

#endif
