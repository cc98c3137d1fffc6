/* symbol/kallsyms.h - the names of kernel functions, from /proc/kallsyms.
 *
 * Read once; later modules and BPF programs have no name. Eight bytes and its name a function.
 * Memory: freed by kallsyms_fini. Threads: reading is free for all. */
#ifndef GLIM_SYMBOL_KALLSYMS_H
#define GLIM_SYMBOL_KALLSYMS_H

#include "base/buf.h"
#include "base/err.h"
#include "base/strtab.h"

struct kallsyms_symbol {
	uint32_t start; /* behind base */
	uint32_t name;	/* in names */
};
struct kallsyms_module {
	uint32_t first; /* symbol */
	uint32_t name;	/* in module_names */
};
struct kallsyms {
	uint64_t base;
	VEC(struct kallsyms_symbol) symbols;
	VEC(struct kallsyms_module) modules; /* runs of symbols of one module */
	struct buf names;
	struct strtab module_names;
};

/* path: /proc/kallsyms, or another file like it. -EPERM with a sentence when the kernel hides the
 * addresses. */
int kallsyms_read(const char *path, struct kallsyms *ret, struct err *e);
void kallsyms_fini(struct kallsyms *k);
/* Name and module ("[kernel]", "[ext4]") of an address; false where there is none. */
bool kallsyms_find(const struct kallsyms *k, uint64_t address, const char **ret_name,
		   const char **ret_module);
size_t kallsyms_bytes(const struct kallsyms *k);

#endif
