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
};

const struct python_layout *python_layout_of(uint32_t version_hex)
{
	for (size_t i = 0; i < ARRAY_SIZE(layouts); i++)
		if (layouts[i].minor == python_minor(version_hex))
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

const struct python_text_layout *python_text_layout_of(uint32_t version_hex)
{
	const struct python_text_layout *found = NULL;

	if (!python_layout_of(version_hex))
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(text_layouts); i++)
		if (text_layouts[i].minor <= python_minor(version_hex))
			found = &text_layouts[i].layout;
	return found;
}

/* CPython 3.13.0, Include/internal/pycore_runtime.h: struct _Py_DebugOffsets. */
enum {
	AT_COOKIE = 0,
	AT_VERSION = 8,
	AT_FREE_THREADED = 16,
	AT_RUNTIME_SIZE = 24,
	AT_INTERPRETERS_HEAD = 40,
	AT_INTERPRETER_NEXT = 64,
	AT_THREADS_HEAD = 72,
	AT_THREAD_NEXT = 168,
	AT_CURRENT_FRAME = 184,
	AT_THREAD_ID = 192,
	AT_FRAME_PREVIOUS = 232,
	AT_FRAME_EXECUTABLE = 240,
	AT_FRAME_INSTR_PTR = 248,
	AT_FRAME_OWNER = 264,
	AT_CODE_START = 344,
};
/* sizeof(_PyRuntimeState) in the version that runtime_key was taken from. */
static const uint64_t runtime_size_313 = 0x452b8;

static bool take(const uint8_t *table, size_t at, uint64_t max, uint16_t *ret)
{
	uint64_t v;

	memcpy(&v, table + at, sizeof(v));
	if (v > max || v % 8)
		return false;
	*ret = (uint16_t)v;
	return true;
}

int python_layout_from_offsets(const uint8_t table[PYTHON_DEBUG_OFFSETS_BYTES],
			       uint32_t version_hex, struct python_layout *ret)
{
	struct python_layout l = *python_layout_of(0x030d0000);
	uint64_t version, free_threaded, runtime_size, owner;

	memcpy(&version, table + AT_VERSION, sizeof(version));
	memcpy(&free_threaded, table + AT_FREE_THREADED, sizeof(free_threaded));
	memcpy(&runtime_size, table + AT_RUNTIME_SIZE, sizeof(runtime_size));
	memcpy(&owner, table + AT_FRAME_OWNER, sizeof(owner));
	if (memcmp(table + AT_COOKIE, "xdebugpy", 8) || version != version_hex)
		return -EINVAL;
	if (python_minor(version_hex) != 0x030d || free_threaded)
		return -ENOTSUP;
	if (!take(table, AT_INTERPRETERS_HEAD, UINT16_MAX, &l.runtime_interpreters) ||
	    !take(table, AT_INTERPRETER_NEXT, UINT16_MAX, &l.interpreter_next) ||
	    !take(table, AT_THREADS_HEAD, UINT16_MAX, &l.interpreter_threads) ||
	    !take(table, AT_THREAD_NEXT, 4096, &l.thread_next) ||
	    !take(table, AT_THREAD_ID, 4096, &l.thread_id) ||
	    !take(table, AT_CURRENT_FRAME, 4096, &l.thread_frame) ||
	    !take(table, AT_FRAME_PREVIOUS, PYTHON_FRAME_BYTES - 8, &l.frame_previous) ||
	    !take(table, AT_FRAME_EXECUTABLE, PYTHON_FRAME_BYTES - 8, &l.frame_code) ||
	    !take(table, AT_FRAME_INSTR_PTR, PYTHON_FRAME_BYTES - 8, &l.frame_instruction) ||
	    !take(table, AT_CODE_START, 4096, &l.code_start) || owner >= l.frame_size)
		return -EINVAL;
	l.frame_boundary = owner;
	/* The table does not say where the thread key is. */
	if (runtime_size != runtime_size_313)
		l.runtime_key = 0;
	*ret = l;
	return 0;
}
