/* process/exits_priv.h - what process/exits.c reads of the kernel's messages, of any bytes. */
#ifndef GLIM_PROCESS_EXITS_PRIV_H
#define GLIM_PROCESS_EXITS_PRIV_H

#include "process/exits.h"

/* The number that this kernel gave to taskstats, of its answer, or a negative errno. */
int exits_family(const uint8_t *bytes, size_t n);
/* Append what a message has of a thread that ended. */
void exits_message(const uint8_t *bytes, size_t n, thread_accounts *ret);

#endif
