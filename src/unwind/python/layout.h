/* unwind/python/layout.h - where CPython 2.7 and 3.6 to 3.13 keep what Glim reads, on x86-64.
 *
 * Taken from the headers of 2.7.18, 3.6.15, 3.7.16, 3.8.18, 3.9.18, 3.10.13, 3.11.7, 3.12.1 and
 * 3.13.0 and tried on the running interpreters; 3.13 brings most of them itself
 * (_Py_DebugOffsets). Threads: any. */
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
const struct python_layout *python_layout_of(uint32_t version_hex);

/* All of them, oldest first; NULL behind the last. */
const struct python_layout *python_layout_at(size_t i, uint32_t *ret_minor);

/* Fields that only user space reads. */
struct python_text_layout {
	uint16_t code_file, code_name, code_lines;
	bool bytes_are_text; /* names are bytes of no known encoding, as in 2.7 */
};
const struct python_text_layout *python_text_layout_of(uint32_t version_hex);

/* Check and take what _PyRuntime of 3.13 says of itself. -EINVAL where it is no such table,
 * -ENOTSUP where it is of a build that we cannot read (free-threaded, another minor). */
enum { PYTHON_DEBUG_OFFSETS_BYTES = 584 }; /* sizeof(_Py_DebugOffsets) in 3.13 */
int python_layout_from_offsets(const uint8_t table[PYTHON_DEBUG_OFFSETS_BYTES],
			       uint32_t version_hex, struct python_layout *ret);

#endif
