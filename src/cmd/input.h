/* cmd/input.h - the profile file that a command reads.
 *
 * Threads: the main thread. */
#ifndef GLIM_CMD_INPUT_H
#define GLIM_CMD_INPUT_H

#include "profile/profile.h"

/* The profile in the file path ("-": standard input) of any format that can be read; the parts of
 * one type added up. A file may hold several types: type says which one, NULL is the first. */
int input_read(const char *path, const char *type, struct profile **ret_p, struct err *e);

#endif
