#include "unwind/python/object_layout.h"

#include "unwind/python/layout.h"

/* What did not change from 3.6 to 3.15. */
#define COMMON                                                                                     \
	.object_type = 8, .object_size = 16, .type_name = 24, .type_basicsize = 32,                \
	.type_flags = 168, .type_dict_offset = 288, .int_digits = 24, .list_items = 24,            \
	.bytes_data = 32, .str_length = 16, .str_state = 32, .str_kind_shift = 2, .set_mask = 32,  \
	.set_table = 40, .dict_used = 16, .dict_keys = 32, .dict_values = 40, .module_dict = 16,   \
	.cell_value = 16, .exception_args = 24, .method_function = 16
#define TO_310                                                                                     \
	COMMON, .tuple_items = 24, .ascii_data = 48, .wide_data = 72, .keys_size = 8,              \
		.keys_entries = 32, .keys_indices = 40, .code_arguments = 16,                      \
		.dict_style = PYTHON_DICT_COMPACT, .attribute_style = PYTHON_DICT_POINTER
#define TO_37                                                                                      \
	TO_310, .code_keyword_only = 20, .code_flags = 32, .code_variables = 64, .code_cells = 80, \
		.code_free = 72, .function_name = 104
#define FROM_38                                                                                    \
	TO_310, .code_keyword_only = 24, .code_flags = 36, .code_variables = 72, .code_cells = 88, \
		.code_free = 80
#define FROM_311                                                                                   \
	COMMON, .keys_size = 8, .keys_entries = 24, .keys_indices = 32, .code_flags = 48,          \
		.code_names = 96, .code_kinds = 104, .function_name = 40,                          \
		.dict_style = PYTHON_DICT_KINDS
#define TO_313	 .tuple_items = 24, .frame_locals = 72
#define FROM_314 .tuple_items = 32, .frame_locals = 80, .local_tags = 3
#define FROM_312                                                                                   \
	FROM_311, .ascii_data = 40, .wide_data = 56, .code_arguments = 52,                         \
		  .code_keyword_only = 60, .tagged_int = true

static const struct {
	uint32_t minor;
	struct python_object_layout layout;
} layouts[] = {
	{0x0306, {TO_37, .interpreter_modules = 16, .frame_locals = 376}},
	{0x0307, {TO_37, .interpreter_modules = 40, .frame_locals = 360}},
	{0x0308, {FROM_38, .function_name = 104, .interpreter_modules = 56, .frame_locals = 360}},
	{0x0309, {FROM_38, .function_name = 104, .interpreter_modules = 856, .frame_locals = 360}},
	{0x030a, {FROM_38, .function_name = 40, .interpreter_modules = 856, .frame_locals = 352}},
	{0x030b,
	 {FROM_311, TO_313, .ascii_data = 48, .wide_data = 72, .type_keys = 872,
	  .code_arguments = 56, .code_keyword_only = 64, .interpreter_modules = 888,
	  .attribute_style = PYTHON_TWO_POINTERS}},
	{0x030c,
	 {FROM_312, TO_313, .type_keys = 880, .interpreter_modules = 944,
	  .attribute_style = PYTHON_TAGGED_POINTER}},
	{0x030d,
	 {FROM_312, TO_313, .type_keys = 880, .interpreter_modules = 7656, .values_first = 8,
	  .attribute_style = PYTHON_INLINE_VALUES}},
	{0x030e,
	 {FROM_312, FROM_314, .type_keys = 880, .interpreter_modules = 7688, .values_first = 8,
	  .module_state = 32, .attribute_style = PYTHON_INLINE_VALUES}},
	{0x030f,
	 {FROM_312, FROM_314, .type_keys = 888, .interpreter_modules = 7592, .values_first = 8,
	  .module_state = 24, .attribute_style = PYTHON_INLINE_VALUES}},
};

const struct python_object_layout *python_object_layout_of(uint32_t version_hex)
{
	for (size_t i = 0; i < ARRAY_SIZE(layouts); i++)
		if (layouts[i].minor == python_minor(version_hex))
			return &layouts[i].layout;
	return NULL;
}

/* Include/object.h, stringobject.h, tupleobject.h, dictobject.h, Python/pystate.c of 2.7. */
static const struct python_object_layout of_27 = {
	.object_type = 8,
	.object_size = 16,
	.type_name = 24,
	.type_basicsize = 32,
	.type_flags = 168,
	.type_dict_offset = 288,
	.tuple_items = 24,
	.bytes_data = 36,
	.dict_used = 24,
	.dict_mask = 32,
	.dict_table = 40,
	.module_dict = 16,
	.cell_value = 16,
	.interpreter_modules = 16,
	.dict_style = PYTHON_DICT_TABLE,
	.attribute_style = PYTHON_DICT_POINTER,
};
#define WITHOUT_GIL                                                                                \
	.object_size = 32, .bytes_data = 48, .str_length = 32, .str_state = 48, .ascii_data = 56,  \
	.wide_data = 72
static const struct python_object_layout of_313t = {WITHOUT_GIL, .str_kind_shift = 2};
static const struct python_object_layout of_314t = {WITHOUT_GIL, .str_kind_shift = 8};

const struct python_object_layout *python_text_object_layout_of(uint32_t version_hex,
								bool free_threaded)
{
	uint32_t minor = python_minor(version_hex);

	if (free_threaded)
		return minor == 0x030d ? &of_313t : &of_314t;
	return minor == 0x0207 ? &of_27 : python_object_layout_of(version_hex);
}
