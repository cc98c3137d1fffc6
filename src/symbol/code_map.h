/* symbol/code_map.h - ranges of code that was made at run time: sorted, and none over another.
 *
 * What is written later wins: made code moves, is thrown away, and other code takes its place. 16
 * bytes a range. Memory: freed by code_map_fini. Threads: one at a time. */
#ifndef GLIM_SYMBOL_CODE_MAP_H
#define GLIM_SYMBOL_CODE_MAP_H

#include "base/vec.h"

struct code_range {
	uint64_t start;
	uint32_t size;	/* not 0; start + size does not wrap */
	uint32_t value; /* whatever it means to its owner */
};
typedef VEC(struct code_range) code_range_vec;
struct code_map {
	code_range_vec ranges;
};

/* A range that may be put into a map; false when it is empty or wraps. Longer ones are cut. */
bool code_range_make(uint64_t start, uint64_t size, uint32_t value, struct code_range *ret);
/* Lay ranges over what is there; of the batch, the later wins. The batch is used up. Costs a pass
 * over the map, and sorting the batch. */
void code_map_put(struct code_map *m, code_range_vec *batch);
/* The range that holds the address, NULL where there is none. */
const struct code_range *code_map_find(const struct code_map *m, uint64_t address);
void code_map_fini(struct code_map *m);

#endif
