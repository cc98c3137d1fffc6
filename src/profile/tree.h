/* profile/tree.h - a profile as the tree that a flame graph draws.
 *
 * Nodes stand in depth-first order, children sorted by function name (then file, kind), so that two
 * pictures of one program look alike. Frames meet by function: lines are kept as the line where
 * most of a node's value was seen. The first level is the process (label `process`), as a function
 * of kind FRAME_PROCESS. Node 0 is the root of all.
 *
 * Memory: belongs to the tree; functions and strings are those of the profile, which must outlive
 * it. Threads: one at a time. */
#ifndef GLIM_PROFILE_TREE_H
#define GLIM_PROFILE_TREE_H

#include "profile/profile.h"

enum { TREE_ROOT = -1, TREE_REST = -2 };

struct tree_node {
	int32_t function; /* into functions below, TREE_ROOT or TREE_REST */
	uint32_t depth;
	uint32_t line;
	int64_t self;
	int64_t total;
};
/* How much of a node's values belongs to a part of the samples. */
struct tree_part {
	int64_t self;
	int64_t total;
};
struct tree {
	const struct profile *profile;
	VEC(struct profile_function) functions; /* only those that are shown; see tree_name */
	VEC(uint32_t)
	names; /* of functions, into strings: processes and functions without a name
		  have theirs here; 0: the profile has it */
	VEC(struct tree_node) nodes;
	VEC(struct tree_part) parts; /* of nodes, one by one; empty without a part */
	struct strtab strings;
	int64_t total;
	int64_t cut; /* value of the samples whose stack holds a FRAME_MARK */
};

/* Nodes with a total below min_share of the whole are summed into one TREE_REST sibling a parent,
 * the last of its siblings (0 keeps all); more than max_nodes nodes (0: any number) raise the share
 * until they fit. In every node total is self and the totals of its children. Negative values, and
 * a total that no number can hold, are refused with -EINVAL. */
int tree_build(const struct profile *p, double min_share, size_t max_nodes, struct tree *ret_tree,
	       struct err *e);
/* The same, and how much of each node is of a part: `part` has what of each sample's value belongs
 * to it, from 0 to all. */
int tree_build_part(const struct profile *p, const int64_t *part, double min_share,
		    size_t max_nodes, struct tree *ret_tree, struct err *e);
void tree_fini(struct tree *t);
/* What to show for a function: its name, or module+0xADDRESS where it has none. */
const char *tree_name(const struct tree *t, int32_t function);

#endif
