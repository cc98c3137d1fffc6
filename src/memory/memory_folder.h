/* memory/memory_folder.h - the folder of a run: the library and what it is to do, for the processes
 * of the run; later the file of each of them.
 *
 * It lies in memory where it can (/dev/shm), is for its user alone, and goes with
 * memory_folder_close; that of a Glim which was killed goes when the next one is made. Memory: the
 * path belongs to the struct. Threads: one at a time; memory_folder_enter changes the environment.
 */
#ifndef GLIM_MEMORY_FOLDER_H
#define GLIM_MEMORY_FOLDER_H

#include "base/err.h"
#include "memory/target/memory_abi.h"

struct memory_folder {
	char *path;
};

/* flags: enum memory_flag; only: n patterns of files and functions, none: the user's own code. */
int memory_folder_open(unsigned int flags, const char *const *only, size_t n,
		       struct memory_folder *ret, struct err *e);
void memory_folder_close(struct memory_folder *f);

/* Give the environment of this process what makes the library come into programs that it starts;
 * and take it away again. */
void memory_folder_enter(const struct memory_folder *f);
void memory_folder_leave(void);

#endif
