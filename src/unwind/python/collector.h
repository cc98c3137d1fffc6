/* unwind/python/collector.h - does CPython's garbage collector run? Threads: any. */
#ifndef GLIM_UNWIND_PYTHON_COLLECTOR_H
#define GLIM_UNWIND_PYTHON_COLLECTOR_H

#include "unwind/unwind.h"

/* Where an int is 1 while it runs in this interpreter, by the thread that holds its lock; 0: not
 * known for this version. */
uint64_t python_collector_find(const struct python *py, uint64_t interpreter);

#endif
