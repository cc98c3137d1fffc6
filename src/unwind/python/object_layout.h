/* unwind/python/object_layout.h - where CPython's objects keep what only user space reads.
 *
 * Taken from the headers of the versions named and tried on the running interpreters
 * (tests/unit/unwind/test_python_objects.c). Threads: any. */
#ifndef GLIM_UNWIND_PYTHON_OBJECT_LAYOUT_H
#define GLIM_UNWIND_PYTHON_OBJECT_LAYOUT_H

#include "base/base.h"

/* How the entries of a dict lie. */
enum python_dict_style {
	PYTHON_DICT_TABLE = 3,	 /* 2.7: {hash, key, value}, with gaps */
	PYTHON_DICT_COMPACT = 1, /* 3.6 to 3.10: indices, then {hash, key, value} */
	PYTHON_DICT_KINDS = 2, /* 3.11: the sizes are logarithms, keys that are text have no hash */
};
/* Where an instance of an ordinary class has its attributes. */
enum python_attribute_style {
	PYTHON_DICT_POINTER = 1,   /* to 3.10: a dict at tp_dictoffset */
	PYTHON_TWO_POINTERS = 2,   /* 3.11: values or a dict before the object */
	PYTHON_TAGGED_POINTER = 3, /* 3.12: one pointer to either before the object */
	PYTHON_INLINE_VALUES = 4,  /* 3.13: values behind the object, a dict before it */
};

struct python_object_layout {
	/* Include/object.h, Include/cpython/object.h */
	uint16_t object_type, object_size; /* ob_type, ob_size */
	uint16_t type_name, type_basicsize, type_flags, type_dict_offset, type_keys;
	uint16_t int_digits;		  /* Include/cpython/longintrepr.h, 30 bits each */
	uint16_t tuple_items, list_items; /* inside; a pointer to them */
	uint16_t bytes_data;
	uint16_t str_length, str_state, ascii_data, wide_data;
	uint8_t str_kind_shift; /* in the state; behind it whether it is compact, and ASCII */
	uint16_t set_mask, set_table;
	/* Include/cpython/dictobject.h, Objects/dict-common.h, Include/internal/pycore_dict.h */
	uint16_t dict_used, dict_keys, dict_values;
	uint16_t dict_mask, dict_table; /* 2.7: Include/dictobject.h */
	uint16_t keys_size, keys_entries, keys_indices;
	uint16_t values_first;		    /* in an object's values */
	uint16_t module_dict, module_state; /* Objects/moduleobject.c; from 3.14 on md_state */
	uint16_t cell_value, exception_args;
	uint16_t function_name, method_function; /* __qualname__; Include/cpython/funcobject.h */
	uint16_t interpreter_modules;		 /* sys.modules; Include/internal/pycore_interp.h */
	/* Include/cpython/code.h: of tuples of names, or (3.11) one tuple and kinds in bytes. */
	uint16_t code_arguments, code_keyword_only, code_flags;
	uint16_t code_variables, code_cells, code_free; /* to 3.10 */
	uint16_t code_names, code_kinds;		/* from 3.11 */
	uint16_t frame_locals;				/* the first of its variables */
	uint8_t dict_style, attribute_style;
	uint8_t local_tags; /* bits of a variable that belong to no address */
	bool tagged_int;    /* 3.12: ob_size is lv_tag: digits << 3 | sign */
};

/* NULL where we know none. */
const struct python_object_layout *python_object_layout_of(uint32_t version_hex);
/* The same, or of versions of which we know less. 2.7: bytes, tuples, dicts, attributes. Those
 * without a GIL, whose objects have a longer head: text. */
const struct python_object_layout *python_text_object_layout_of(uint32_t version_hex,
								bool free_threaded);

#endif
