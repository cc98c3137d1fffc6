/* symbol/symbol_priv.h - what the files of the symbolizer share: symbol.c keeps files and their
 * tables, symbol_names.c names what is in them. */
#ifndef GLIM_SYMBOL_PRIV_H
#define GLIM_SYMBOL_PRIV_H

#include "symbol/budget.h"
#include "symbol/kallsyms.h"
#include "symbol/loader.h"
#include "symbol/names.h"
#include "symbol/pclntab.h"
#include "symbol/source.h"
#include "symbol/symbol.h"

struct file_key {
	uint64_t dev, inode, size, mtime_ns;
};
struct file {
	struct file_key key;
	uint32_t number;      /* in files */
	uint32_t twin;	      /* another file with the same content, which has the table; or
				 HASH_NONE */
	bool loaded;	      /* or tried and found to be of no use: then elf is NULL */
	bool reading;	      /* the loader has it */
	bool common;	      /* copies elsewhere have the same table */
	struct elf_file *elf; /* only its segments; its descriptor is closed */
	struct names names;
	struct source source;
	struct pclntab go;  /* without functions when this is no Go program */
	struct map64 texts; /* address of a symbol or enum go_text -> text as shown, a char * */
	size_t text_bytes;
	uint64_t last_used;
	bool asked;	     /* for its debug file */
	bool awaited;	     /* its debug file was asked for, and is not there yet */
	uint64_t refused_in; /* the window in which there was no room for its table */
};
struct symbolizer {
	char *debug_folder;
	char *fetched; /* folder of what debuginfod brings; NULL: not used */
	symbol_fetch *ask;
	void *ask_arg;
	size_t max_bytes;
	size_t bytes;	       /* of tables and names of files */
	uint64_t clock;	       /* counts lookups */
	uint64_t window;       /* counts calls of symbolizer_trim, from 1 */
	uint64_t window_clock; /* the clock when the window began */
	VEC(struct file *) files;
	struct hash_index index; /* files by key */
	struct map64 contents;	 /* identity of what is in a file -> the first such file */
	struct map64 places;	 /* a mapping of a process -> struct place */
	struct strtab modules;
	struct jit *jit;
	struct debug_pool *debug;
	struct kallsyms kernel;
	bool kernel_read;
	int kernel_status;
	struct err kernel_err;
	uint64_t hits, misses;
	struct budget loading;
	struct loader loader;
	uint64_t large;	    /* bytes of a file for the loader; 0: it is not used */
	uint64_t postponed; /* look-ups that found the budget spent */
};

/* symbol.c: the descriptor of the file itself, open until symbolizer_trim; -1: it cannot be had. */
int symbol_open_own(const struct symbolizer *s, struct file *f, const struct process *p,
		    const struct mapping *m);
struct debug_search symbol_debug_search(const struct symbolizer *s, const struct process *p,
					const struct mapping *m);
/* symbol_names.c: the functions of an address of a file, as symbolizer_user has them. 0: nothing is
 * known but what found says then, its name, and whether more comes later. */
size_t symbol_functions(struct symbolizer *s, struct file *f, const struct process *p,
			const struct mapping *m, struct symbol *found,
			struct symbol ret[SYMBOL_MAX_INLINED]);

#endif
