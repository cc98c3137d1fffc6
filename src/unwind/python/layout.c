#include "unwind/python/layout.h"

/* CPython Include/cpython/code.h, Include/cpython/frameobject.h, Include/internal/pycore_frame.h,
 * pycore_runtime.h, pycore_interp.h and Include/cpython/pystate.h of the versions named. */
static const struct {
	uint32_t minor;
	struct python_layout layout;
} layouts[] = {
	/* Without _PyRuntime: runtime_interpreters and what follows stand for themselves. */
	{0x0207,
	 {
		 .interpreter_threads = 8,
		 .thread_next = 0,
		 .thread_id = 144,
		 .thread_frame = 16,
		 .frame_size = 128,
		 .frame_code = 32,
		 .frame_previous = 24,
		 .frame_instruction = 120,
		 .code_flags = 28,
		 .code_line_index = 17,
		 .code_pointers_index = 3,
		 .style = PYTHON_EACH_FRAME,
	 }},
	{0x0306,
	 {
		 .interpreter_threads = 8,
		 .thread_next = 8,
		 .thread_id = 152,
		 .thread_frame = 24,
		 .frame_size = 128,
		 .frame_code = 32,
		 .frame_previous = 24,
		 .frame_instruction = 120,
		 .code_flags = 32,
		 .code_line_index = 1,
		 .code_pointers_index = 10,
		 .style = PYTHON_EACH_FRAME,
	 }},
	{0x0307,
	 {
		 .runtime_interpreters = 24,
		 .runtime_current = 1480,
		 .runtime_key = 1504,
		 .interpreter_threads = 8,
		 .thread_next = 8,
		 .thread_id = 176,
		 .thread_frame = 24,
		 .frame_size = 112,
		 .frame_code = 32,
		 .frame_previous = 24,
		 .frame_instruction = 104,
		 .code_flags = 32,
		 .code_line_index = 1,
		 .code_pointers_index = 10,
		 .style = PYTHON_EACH_FRAME,
	 }},
	{0x0308,
	 {
		 .runtime_interpreters = 32,
		 .runtime_current = 1368,
		 .runtime_key = 1392,
		 .interpreter_threads = 8,
		 .thread_next = 8,
		 .thread_id = 176,
		 .thread_frame = 24,
		 .thread_context = 248,
		 .frame_size = 112,
		 .frame_code = 32,
		 .frame_previous = 24,
		 .frame_instruction = 104,
		 .code_flags = 36,
		 .code_line_index = 1,
		 .code_pointers_index = 11,
		 .style = PYTHON_EACH_FRAME,
	 }},
	{0x0309,
	 {
		 .runtime_interpreters = 32,
		 .runtime_current = 568,
		 .runtime_key = 584,
		 .interpreter_threads = 8,
		 .thread_next = 8,
		 .thread_id = 176,
		 .thread_frame = 24,
		 .thread_context = 248,
		 .frame_size = 112,
		 .frame_code = 32,
		 .frame_previous = 24,
		 .frame_instruction = 104,
		 .code_flags = 36,
		 .code_line_index = 1,
		 .code_pointers_index = 11,
		 .style = PYTHON_EACH_FRAME,
	 }},
	{0x030a,
	 {
		 .runtime_interpreters = 32,
		 .runtime_current = 568,
		 .runtime_key = 584,
		 .interpreter_threads = 8,
		 .thread_next = 8,
		 .thread_id = 176,
		 .thread_frame = 24,
		 .thread_context = 248,
		 .frame_size = 104,
		 .frame_code = 32,
		 .frame_previous = 24,
		 .frame_instruction = 96,
		 .code_flags = 36,
		 .code_line_index = 1,
		 .code_pointers_index = 11,
		 .style = PYTHON_EACH_FRAME,
		 .lasti_shift = 1,
	 }},
	{0x030b,
	 {
		 .runtime_interpreters = 40,
		 .runtime_current = 576,
		 .runtime_key = 592,
		 .interpreter_threads = 16,
		 .thread_next = 8,
		 .thread_id = 152,
		 .thread_frame = 56,
		 .thread_context = 232,
		 .cframe_frame = 8,
		 .frame_size = 72,
		 .frame_code = 32,
		 .frame_previous = 48,
		 .frame_instruction = 56,
		 .frame_boundary = 68,
		 .code_flags = 48,
		 .code_line_index = 6,
		 .code_pointers_index = 12,
		 .code_start = 184,
		 .style = PYTHON_IS_ENTRY,
		 .cframe = 1,
	 }},
	{0x030c,
	 {
		 .runtime_interpreters = 40,
		 .runtime_key = 1544,
		 .interpreter_threads = 72,
		 .thread_next = 8,
		 .thread_id = 136,
		 .thread_frame = 56,
		 .thread_context = 216,
		 .cframe_frame = 0,
		 .frame_size = 72,
		 .frame_code = 0,
		 .frame_previous = 8,
		 .frame_instruction = 56,
		 .frame_boundary = 70,
		 .code_flags = 48,
		 .code_line_index = 5,
		 .code_pointers_index = 12,
		 .code_start = 192,
		 .style = PYTHON_OWNER_SHIM,
		 .cframe = 1,
	 }},
	{0x030d,
	 {
		 .runtime_interpreters = 632,
		 .runtime_key = 2160,
		 .interpreter_next = 7264,
		 .interpreter_threads = 7344,
		 .thread_next = 8,
		 .thread_id = 152,
		 .thread_frame = 72,
		 .thread_context = 216,
		 .frame_size = 72,
		 .frame_code = 0,
		 .frame_previous = 8,
		 .frame_instruction = 56,
		 .frame_boundary = 70,
		 .code_flags = 48,
		 .code_line_index = 5,
		 .code_pointers_index = 12,
		 .code_start = 200,
		 .style = PYTHON_OWNER_SHIM,
	 }},
	{0x030d,
	 {
		 .runtime_interpreters = 632,
		 .runtime_key = 2160,
		 .interpreter_next = 7264,
		 .interpreter_threads = 7344,
		 .thread_next = 8,
		 .thread_id = 152,
		 .thread_frame = 72,
		 .frame_size = 72,
		 .frame_code = 0,
		 .frame_previous = 8,
		 .frame_instruction = 56,
		 .frame_boundary = 70,
		 .code_flags = 64,
		 .code_line_index = 5,
		 .code_pointers_index = 12,
		 .code_start = 216,
		 .style = PYTHON_OWNER_SHIM,
		 .code_tags = 1,
		 .free_threaded = 1,
	 }},
	{0x030e,
	 {
		 .runtime_interpreters = 808,
		 .runtime_key = 2336,
		 .interpreter_next = 7272,
		 .interpreter_threads = 7344,
		 .thread_next = 8,
		 .thread_id = 152,
		 .thread_frame = 72,
		 .thread_context = 216,
		 .frame_size = 80,
		 .frame_code = 0,
		 .frame_previous = 8,
		 .frame_instruction = 56,
		 .frame_boundary = 74,
		 .code_flags = 48,
		 .code_line_index = 5,
		 .code_pointers_index = 12,
		 .code_start = 208,
		 .style = PYTHON_OWNER_SHIM,
		 .code_tags = 3,
	 }},
	{0x030e,
	 {
		 .runtime_interpreters = 808,
		 .runtime_key = 2336,
		 .interpreter_next = 7272,
		 .interpreter_threads = 7344,
		 .thread_next = 8,
		 .thread_id = 152,
		 .thread_frame = 72,
		 .frame_size = 80,
		 .frame_code = 0,
		 .frame_previous = 8,
		 .frame_instruction = 56,
		 .frame_boundary = 78,
		 .frame_copy = 72,
		 .code_flags = 64,
		 .code_line_index = 5,
		 .code_pointers_index = 12,
		 .code_start = 232,
		 .code_copies = 224,
		 .style = PYTHON_OWNER_SHIM,
		 .code_tags = 3,
		 .free_threaded = 1,
	 }},
	{0x030f,
	 {
		 .runtime_interpreters = 936,
		 .interpreter_next = 7264,
		 .interpreter_threads = 7336,
		 .thread_next = 8,
		 .thread_id = 176,
		 .thread_frame = 72,
		 .thread_context = 240,
		 .frame_size = 80,
		 .frame_code = 0,
		 .frame_previous = 8,
		 .frame_instruction = 56,
		 .frame_boundary = 74,
		 .code_flags = 48,
		 .code_line_index = 5,
		 .code_pointers_index = 12,
		 .code_start = 208,
		 .style = PYTHON_OWNER_SHIM,
		 .code_tags = 3,
	 }},
	{0x030f,
	 {
		 .runtime_interpreters = 936,
		 .interpreter_next = 7264,
		 .interpreter_threads = 7336,
		 .thread_next = 8,
		 .thread_id = 176,
		 .thread_frame = 72,
		 .frame_size = 80,
		 .frame_code = 0,
		 .frame_previous = 8,
		 .frame_instruction = 56,
		 .frame_boundary = 78,
		 .frame_copy = 72,
		 .code_flags = 64,
		 .code_line_index = 5,
		 .code_pointers_index = 12,
		 .code_start = 232,
		 .code_copies = 224,
		 .style = PYTHON_OWNER_SHIM,
		 .code_tags = 3,
		 .free_threaded = 1,
	 }},
};

const struct python_layout *python_layout_of(uint32_t version_hex, bool free_threaded)
{
	for (size_t i = 0; i < ARRAY_SIZE(layouts); i++)
		if (layouts[i].minor == python_minor(version_hex) &&
		    layouts[i].layout.free_threaded == free_threaded)
			return &layouts[i].layout;
	return NULL;
}

const struct python_layout *python_layout_at(size_t i, uint32_t *ret_minor)
{
	if (i >= ARRAY_SIZE(layouts))
		return NULL;
	*ret_minor = layouts[i].minor;
	return &layouts[i].layout;
}

/* Include/code.h, Include/cpython/code.h. A row serves until the next one. */
static const struct {
	uint32_t minor;
	struct python_text_layout layout;
} text_layouts[] = {
	{0x0207, {80, 88, 104, .bytes_are_text = true}},
	{0x0306, {96, 104, 112}},
	{0x0308, {104, 112, 120}},
	{0x030b, {112, 128, 136}},
};

const struct python_text_layout *python_text_layout_of(uint32_t version_hex, bool free_threaded)
{
	static const struct python_text_layout threaded = {128, 144, 152};
	const struct python_text_layout *found = NULL;

	if (!python_layout_of(version_hex, free_threaded))
		return NULL;
	if (free_threaded)
		return &threaded;
	for (size_t i = 0; i < ARRAY_SIZE(text_layouts); i++)
		if (text_layouts[i].minor <= python_minor(version_hex))
			found = &text_layouts[i].layout;
	return found;
}

/* Where _Py_DebugOffsets says what, which differs by version: CPython 3.13
 * Include/internal/pycore_runtime.h, 3.14 and 3.15 Include/internal/pycore_debug_offsets.h. */
static const struct offsets_table {
	uint32_t minor;
	uint16_t bytes;
	uint16_t interpreters, interpreter_next, interpreter_threads;
	uint16_t thread_next, thread_frame, thread_id;
	uint16_t frame_previous, frame_code, frame_instruction, frame_owner, frame_copy;
	uint16_t code_start, code_copies;
} offsets_tables[] = {
	{0x030d, 584, 40, 64, 72, 168, 184, 192, 232, 240, 248, 264, 0, 344, 0},
	{0x030e, 760, 40, 64, 72, 192, 208, 216, 256, 264, 272, 288, 304, 384, 392},
	{0x030f, 888, 40, 64, 72, 192, 208, 240, 320, 328, 336, 352, 368, 448, 456},
};
enum { AT_COOKIE = 0, AT_VERSION = 8, AT_FREE_THREADED = 16 };

size_t python_offsets_bytes(uint32_t version_hex)
{
	for (size_t i = 0; i < ARRAY_SIZE(offsets_tables); i++)
		if (offsets_tables[i].minor == python_minor(version_hex))
			return offsets_tables[i].bytes;
	return 0;
}

static bool take(const uint8_t *table, size_t at, uint64_t max, unsigned int unit, uint16_t *ret)
{
	uint64_t v;

	memcpy(&v, table + at, sizeof(v));
	if (v > max || v % unit)
		return false;
	*ret = (uint16_t)v;
	return true;
}

static bool take_all(const uint8_t *table, const struct offsets_table *t, struct python_layout *l)
{
	enum { MAX = 4096, WORD = 8, MAX_IN_FRAME = PYTHON_FRAME_BYTES - WORD };

	if (l->frame_copy && (!take(table, t->frame_copy, MAX_IN_FRAME, WORD, &l->frame_copy) ||
			      !take(table, t->code_copies, MAX, WORD, &l->code_copies)))
		return false;
	return take(table, t->interpreters, UINT16_MAX, WORD, &l->runtime_interpreters) &&
	       take(table, t->interpreter_next, UINT16_MAX, WORD, &l->interpreter_next) &&
	       take(table, t->interpreter_threads, UINT16_MAX, WORD, &l->interpreter_threads) &&
	       take(table, t->thread_next, MAX, WORD, &l->thread_next) &&
	       take(table, t->thread_id, MAX, WORD, &l->thread_id) &&
	       take(table, t->thread_frame, MAX, WORD, &l->thread_frame) &&
	       take(table, t->frame_previous, MAX_IN_FRAME, WORD, &l->frame_previous) &&
	       take(table, t->frame_code, MAX_IN_FRAME, WORD, &l->frame_code) &&
	       take(table, t->frame_instruction, MAX_IN_FRAME, WORD, &l->frame_instruction) &&
	       take(table, t->frame_owner, l->frame_size - 1, 1, &l->frame_boundary) &&
	       take(table, t->code_start, MAX, WORD, &l->code_start);
}

int python_layout_from_offsets(const uint8_t *table, size_t bytes, uint32_t version_hex,
			       struct python_layout *ret)
{
	uint64_t version, free_threaded;
	const struct python_layout *known;
	struct python_layout l;

	if (bytes < AT_FREE_THREADED + 8 || memcmp(table + AT_COOKIE, "xdebugpy", 8))
		return -EINVAL;
	memcpy(&version, table + AT_VERSION, sizeof(version));
	memcpy(&free_threaded, table + AT_FREE_THREADED, sizeof(free_threaded));
	if (version != version_hex || free_threaded > 1)
		return -EINVAL;
	known = python_layout_of(version_hex, free_threaded);
	for (size_t i = 0; known && i < ARRAY_SIZE(offsets_tables); i++) {
		if (offsets_tables[i].minor != python_minor(version_hex))
			continue;
		l = *known;
		if (bytes < offsets_tables[i].bytes || !take_all(table, &offsets_tables[i], &l))
			return -EINVAL;
		/* Of this field it says nothing: it lies where we know it when the others do. */
		if (l.thread_id != known->thread_id || l.thread_frame != known->thread_frame)
			l.thread_context = 0;
		*ret = l;
		return 0;
	}
	return -ENOTSUP;
}
