/* unwind/python/python_file.h - is there a CPython in an ELF file, which one, and where are its
 * parts.
 *
 * Goes by what the file holds, never by its name: the symbol _PyRuntime (before 3.7
 * _PyThreadState_Current), and then the version by Py_Version (3.11 and later) or by the version
 * text among its constants. Threads: any. */
#ifndef GLIM_UNWIND_PYTHON_FILE_H
#define GLIM_UNWIND_PYTHON_FILE_H

#include "base/err.h"
#include "symbol/elf_file.h"
#include "unwind/unwind.h"

struct python_file {
	bool found;	   /* an interpreter is in here */
	bool needs_python; /* linked with a libpython */
	bool pypy;	   /* no CPython, but PyPy is in here */
	uint32_t
		version; /* PY_VERSION_HEX, with release bytes 0 where only the minor is known; 0 */
	uint64_t text_offset, text_size; /* the executable segment in the file */
	/* Virtual addresses of the file. */
	uint64_t text;
	uint64_t runtime, interpreters, current, key; /* as in struct python_process */
	bool key_is_int;
	uint64_t eval_start[PYTHON_EVAL_RANGES], eval_end[PYTHON_EVAL_RANGES];
	bool eval_calls;	     /* eval_ranges.h */
	struct python_layout layout; /* PYTHON_UNSUPPORTED for versions that we do not know */
};

/* Look into a file. Never fails: what cannot be read holds no Python. */
void python_file_read(const struct elf_file *f, struct python_file *ret);
/* The version, 2.7 or 3.6 to 3.12, by the text in the file's constants, e.g. 0x030a0000; 0 where
 * there is none or more than one. */
uint32_t python_version_in(const uint8_t *constants, size_t len);

#endif
