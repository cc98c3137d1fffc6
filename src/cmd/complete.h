/* cmd/complete.h - what a shell may offer for a word, out of the tables that are parsed and
 * explained: packaging/completions asks `glim __complete WORD...`, of which the last is the word
 * that is being typed.
 *
 * A line a candidate, "word<TAB>what it is"; none: names of files. Threads: the main thread. */
#ifndef GLIM_CMD_COMPLETE_H
#define GLIM_CMD_COMPLETE_H

#include "cmd/options.h"

/* What stands in argv[1] of a command that is asked so. */
#define COMPLETE_WORD "__complete"

void complete_options(const struct option_table *t, int argc, char **argv);

#endif
