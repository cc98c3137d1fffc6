/* unwind/python/process_name.h - what multiprocessing calls a process that it started. Threads:
 * any.
 */
#ifndef GLIM_UNWIND_PYTHON_PROCESS_NAME_H
#define GLIM_UNWIND_PYTHON_PROCESS_NAME_H

#include "base/buf.h"
#include "unwind/unwind.h"

/* Append the name of multiprocessing.current_process(), such as ForkPoolWorker-2: from strangers.
 * -ENOENT: it was started otherwise; -ENOTSUP: its objects are not known. */
int python_process_name(const struct memory *m, const struct python *py, struct buf *out);

#endif
