/* unwind/python/layout.h - where CPython 2.7 and 3.6 to 3.15 keep what Glim reads, on x86-64.
 *
 * Taken from the headers
 * of 2.7.18, 3.6.15, 3.7.16, 3.8.18, 3.9.18, 3.10.13, 3.11.7, 3.12.1, 3.13.0, 3.14.10 and 3.15.2
 * and tried on running interpreters, which from 3.13 on bring most of them themselves
 * (_Py_DebugOffsets). Of builds without a GIL, 3.13t to 3.15t. Threads: any. */
#ifndef GLIM_UNWIND_PYTHON_LAYOUT_H
#define GLIM_UNWIND_PYTHON_LAYOUT_H

#include "base/err.h"
#include "unwind/unwind_abi.h"

/* Major and minor of PY_VERSION_HEX, which has them in its upper two bytes. */
static inline uint32_t python_minor(uint32_t version_hex)
{
	return version_hex >> 16;
}

/* The layout of a version, NULL where we know none. */
const struct python_layout *python_layout_of(uint32_t version_hex, bool free_threaded);

/* All of them, oldest first; NULL behind the last. */
const struct python_layout *python_layout_at(size_t i, uint32_t *ret_minor);

/* Fields that only user space reads. */
struct python_text_layout {
	uint16_t code_file, code_name, code_lines;
	bool bytes_are_text; /* names are bytes of no known encoding, as in 2.7 */
};
const struct python_text_layout *python_text_layout_of(uint32_t version_hex, bool free_threaded);

/* Bytes of _Py_DebugOffsets, which _PyRuntime begins with from 3.13 on; 0 where there is none, or
 * none that we know. */
enum { PYTHON_MAX_OFFSETS = 1024 };
size_t python_offsets_bytes(uint32_t version_hex);
/* Check and take what it says. -EINVAL where it is no such table, -ENOTSUP where it is of a version
 * that we do not know. */
int python_layout_from_offsets(const uint8_t *table, size_t bytes, uint32_t version_hex,
			       struct python_layout *ret);

#endif
