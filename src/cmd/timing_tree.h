/* cmd/timing_tree.h - a family of processes as rows for a person: each below the one that started
 * it, and those of the same name and the same parent as one, so that a build of thousands of
 * processes is a page. Threads: any. */
#ifndef GLIM_CMD_TIMING_TREE_H
#define GLIM_CMD_TIMING_TREE_H

#include "process/family.h"

enum { TREE_MAX_DEPTH = 16 }; /* what is deeper stands there, too */

struct tree_row {
	char comm[16];
	uint32_t parent, child, last, sibling; /* rows: its first and last child, the next of its
						  parent, or 0 */
	uint32_t depth;
	uint32_t processes, threads;
	pid_t pid;	    /* of the first */
	int64_t cpu_ns;	    /* of all of them */
	int64_t longest_ns; /* that one of them lived */
	int64_t peak_rss;   /* of the largest of them, where the kernel accounts for them */
};
typedef VEC(struct tree_row) tree_rows;

/* Rows of a family; the first is that of its ancestor. now: for those that live. */
void timing_tree(const struct family *f, int64_t now, tree_rows *ret);

#endif
