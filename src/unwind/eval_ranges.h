/* unwind/eval_ranges.h - where the interpreter's loop of a Python is, when no symbol names all of
 * it.
 *
 * Compilers split a function: the parts that they think cold lie elsewhere, under names that only
 * .symtab has. Threads: any. */
#ifndef GLIM_UNWIND_EVAL_RANGES_H
#define GLIM_UNWIND_EVAL_RANGES_H

#include "unwind/python/python_file.h"

/* Add the parts of the loop that its known parts jump to, and say whether the loop is one of many
 * functions that call each other as their last deed (CPython 3.14 made so). */
void eval_ranges_complete(const struct elf_file *f, struct python_file *p);

#endif
