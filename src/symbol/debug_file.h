/* symbol/debug_file.h - the separate file that holds the symbols of a stripped one.
 *
 * Distributions keep them below /usr/lib/debug by build id (libc6-dbg and its like). Only a file
 * that has the same build id inside is taken. Threads: any. */
#ifndef GLIM_SYMBOL_DEBUG_FILE_H
#define GLIM_SYMBOL_DEBUG_FILE_H

#include "symbol/elf_file.h"

#define DEBUG_FOLDER "/usr/lib/debug"

struct build_id {
	uint8_t bytes[20];
	int len; /* 0: none */
};

/* Open FOLDER/.build-id/xx/yyyy.debug; -ENOENT where there is none, -ESTALE where it is another's.
 */
int debug_file_open(const char *folder, const struct build_id *id, struct elf_file **ret);

#endif
