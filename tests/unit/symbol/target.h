/* symbol/target.h - programs that know their own names, started and asked about. */
#ifndef GLIM_TESTS_SYMBOL_TARGET_H
#define GLIM_TESTS_SYMBOL_TARGET_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "symbol/symbol.h"

enum { BOUND = 8 << 20 };

/* A program of targets/ while it runs, and what it printed: "ADDRESS NAME" lines, then "end". */
struct target {
	pid_t pid;
	VEC(struct truth {
		uint64_t address;
		char name[100];
	})
	truths;
	struct process process;
};

struct symbolizer *new_symbolizer(size_t bound);
void target_start(const char *path, struct target *t);
/* The same for a process that has another root folder. */
void target_start_below(const char *root, const char *path, struct target *t);
void target_kill(struct target *t);
void target_end(struct target *t);
/* The outermost function at an address. */
struct symbol ask(struct symbolizer *s, const struct process *p, uint64_t address);
/* All names right? Where symbols were stripped, static functions have none. */
void check_names(struct symbolizer *s, const struct target *t, const char *module, bool stripped);
void copy(const char *from, const char *to);
/* The name of a new empty file, to be freed. */
char *temporary(void);
/* Run a shell command, which must succeed; printf's arguments. */
void run(const char *fmt, ...) PRINTF_LIKE(1, 2);
size_t open_files(void);

#endif
