/* unwind/python/python_check.h - tells a code object from another that came to its place later.
 *
 * Restricted C, compiled for BPF and for the host. */
#ifndef GLIM_UNWIND_PYTHON_CHECK_H
#define GLIM_UNWIND_PYTHON_CHECK_H

#include "unwind/unwind_abi.h"

/* 24 bits that a code object keeps for its life and that the next object at its place will hardly
 * have: flags, first line, and where its names and tables lie (two modules of equal shape that are
 * imported one after the other differ in nothing else). */
static inline __attribute__((always_inline)) uint32_t
python_code_check(const uint32_t *words, const struct python_layout *l)
{
	uint32_t line = l->code_line_index, pointers = l->code_pointers_index, h, i;

	if (line >= PYTHON_CODE_WORDS || pointers > PYTHON_CODE_WORDS - 2 * PYTHON_CODE_POINTERS)
		return 0;
	h = words[0] * 0x85ebca6bU ^ words[line] * 0x9e3779b1U;
#ifdef __clang__
#pragma clang loop unroll(full)
#endif
	for (i = 0; i < 2 * PYTHON_CODE_POINTERS; i++)
		h = (h << 5 | h >> 27) ^ words[pointers + i] * 0xc2b2ae35U;
	return (h ^ h >> 15) & 0xffffff;
}

#endif
