/* symbol/debug_file.h - the separate file that holds the symbols of a stripped one.
 *
 * Distributions keep them below /usr/lib/debug by build id (libc6-dbg and its like); other programs
 * name them in .gnu_debuglink. Both are looked for as the process sees its files (a container has
 * its own), then as we see ours. Only a file with the same build id inside is taken; where one has
 * no build id, the checksum that the link tells must be right. It must belong to root, to us or to
 * the owner of the stripped file: others have no say in what its functions are called. Memory:
 * freed by debug_link_fini. Threads: any, one at a time a struct. */
#ifndef GLIM_SYMBOL_DEBUG_FILE_H
#define GLIM_SYMBOL_DEBUG_FILE_H

#include "process/process.h"
#include "symbol/elf_file.h"

#define DEBUG_FOLDER "/usr/lib/debug"

struct build_id {
	uint8_t bytes[20];
	int len; /* 0: none */
};
enum { BUILD_ID_HEX = 2 * sizeof((struct build_id){}.bytes) + 1 };
/* As folders and servers name it: lower case hexadecimal digits. */
void build_id_hex(const struct build_id *id, char ret[BUILD_ID_HEX]);

/* What a file says of its debug file. */
struct debug_link {
	struct build_id id;
	char *name;	/* without a folder; NULL: no .gnu_debuglink */
	uint32_t crc;	/* of the whole file with that name */
	uint32_t owner; /* user that the stripped file belongs to */
	bool theirs;	/* what was opened last is a file that only the process sees */
	/* The file that was found to have this checksum, which is dear to compute again. */
	struct {
		uint64_t dev, inode, size, mtime_ns;
	} checked;
};

/* Only a file of root, ours, or of the program's owner may speak for a program. */
bool debug_file_trusted(int fd, uint32_t owner);
/* Read it from the file; empty where it says nothing, or nonsense. */
void debug_link_read(const struct elf_file *f, struct debug_link *ret);
void debug_link_fini(struct debug_link *l);

struct debug_search {
	pid_t pid;	     /* that maps the stripped file; 0: none */
	const char *path;    /* of the stripped file, as the process sees it; "" when unknown */
	const char *folder;  /* DEBUG_FOLDER, or another like it */
	const char *fetched; /* folder of what came by debuginfod, or NULL: FETCHED/HEX/debuginfo */
};

/* Is there a file that came by debuginfod? */
bool debug_file_fetched(const char *folder, const struct build_id *id);
/* Open the debug file; -ENOENT where there is none. */
int debug_file_open(const struct debug_search *where, struct debug_link *l, struct elf_file **ret);

#endif
