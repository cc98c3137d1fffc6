/* cmd/options.h - the options of a command: one table that is parsed, explained and looked up in
 * the environment and in a file.
 *
 * Precedence: the command line, then GLIM_NAME in the environment, then the file named by --config,
 * then what the variable held before. Memory: values point into argv, the environment, or the
 * arena given. Threads: the main thread. */
#ifndef GLIM_CMD_OPTIONS_H
#define GLIM_CMD_OPTIONS_H

#include "base/arena.h"
#include "base/err.h"
#include "base/vec.h"

typedef VEC(const char *) option_values; /* the caller calls vec_fini */

struct option_spec {
	const char *name;   /* long name: --name; GLIM_NAME; "name = value" in the file */
	char letter;	    /* short name, 0: none */
	const char *takes;  /* what its value is, as the help says it: "URL"; NULL: a switch */
	const char *text;   /* for the help */
	const char **value; /* where the value goes; a switch that is on becomes "yes" */
	bool last;	    /* what stands behind its value are operands, whatever it is */
	option_values *all; /* instead of it: the option may stand there again, each counts */
};
struct option_table {
	const char *command;
	const char *usage;    /* what stands behind "glim COMMAND " */
	const char *about;    /* a sentence or two */
	const char *examples; /* for the help: lines "  # what it does" and "  glim ...", or NULL */
	const struct option_spec *specs;
	size_t n;
	bool mixed;    /* options may stand behind operands, which come to stand at the end */
	bool settings; /* the environment and a file count too; an option "config" names the file */
};

/* Returns the index of the first operand in argv (argc when there is none), or -1 when the command
 * should end with *ret_status: help was printed, or an error was. */
int options_parse(const struct option_table *t, int argc, char **argv, struct arena *a,
		  int *ret_status);
/* The text of option name as a number from min to max. */
int options_number(const char *name, const char *text, unsigned int min, unsigned int max,
		   unsigned int *ret, struct err *e);
/* The same for seconds, which may have a fraction. */
int options_seconds(const char *name, const char *text, double min, double max, double *ret,
		    struct err *e);
/* The same for an amount of bytes with an optional K, M or G (powers of 1,024). */
int options_bytes(const char *name, const char *text, size_t min, size_t max, size_t *ret,
		  struct err *e);

#endif
