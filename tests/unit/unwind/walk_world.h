/* One process that does not exist, for the walk: its memory, tables of its code, its Python frames.
 * A test program includes it once. */
#ifndef TEST_UNWIND_WALK_WORLD_H
#define TEST_UNWIND_WALK_WORLD_H

#include "memory.h"
#include "unwind/native/unwind_table.h"
#include "unwind/python/layout.h"

/* One process: code without a table at NATIVE, code with one at TABLED, a file that is not there
 * yet at LATE. */
static struct unwind_mapping mappings[UNWIND_MAX_MAPPINGS];
static struct unwind_page pages[UNWIND_MAX_PAGES];
static struct unwind_rule rules[UNWIND_MAX_RULES];
static struct unwind_file files[3];
static unwind_row rows[UNWIND_CHUNK_ROWS];
static uint32_t rows_len, rules_len;
enum { FILE_NONE, FILE_TABLED, FILE_LATE };

#define WALK_READ(dst, size, address) memory_read((dst), (size), (address))
#define TABLE_MAPPINGS()	      ((const struct unwind_mapping *)mappings)
#define TABLE_PAGES()		      ((const struct unwind_page *)pages)
#define TABLE_RULES()		      ((const struct unwind_rule *)rules)
#define TABLE_FILE(id)		      ((id) < ARRAY_SIZE(files) ? &files[id] : NULL)
#define TABLE_CHUNK(i)		      ((i) ? NULL : (const unwind_row *)rows)
#define TABLE_RECENT		      64
#include "unwind/walk.h"

struct memory memory;
/* The world: a stack, an interpreter with one thread, some code objects. */
enum {
	STACK = 0x7ffc00000000,
	STACK_SIZE = 0x80000,
	BASE = 0x7f0000001000, /* fs */
	RUNTIME = 0x560000000000,
	INTERPRETER = 0x561000000000,
	THREAD = 0x562000000000,
	FRAMES = 0x563000000000,
	CODES = 0x564000000000,
	CFRAME = 0x565000000000,
	NATIVE = 0x7f2000000000,
	TABLED = 0x7f2100000000,
	LATE = 0x7f2200000000,
	NOWHERE = 0x7f2300000000,
	CODE_SIZE = 0x10000,
	KEY = 5,
};

static struct python_process py;
static struct walk w;
static struct unwind_entry entries[UNWIND_MAX_ENTRIES];

static inline void world(uint32_t version, uint32_t key)
{
	const struct python_layout *l = python_layout_of(version, false);

	memory_free();
	memset(&w, 0, sizeof(w));
	memset(entries, 0, sizeof(entries));
	py = (struct python_process){
		.runtime = RUNTIME,
		.interpreters = RUNTIME + l->runtime_interpreters,
		.key = RUNTIME + l->runtime_key,
		.layout = *l,
	};
	memory_map(STACK, STACK_SIZE);
	memory_map(BASE, 4096);
	memory_map(RUNTIME, 16384);
	memory_map(INTERPRETER, 16384);
	memory_map(THREAD, 4096);
	memory_map(FRAMES, 1 << 20);
	memory_map(CODES, 1 << 20);
	memory_map(CFRAME, 64);
	memory_put(RUNTIME + l->runtime_key, 1, 4);
	memory_put(RUNTIME + l->runtime_key + 4, key, 4);
	memory_put(RUNTIME + l->runtime_interpreters, INTERPRETER, 8);
	memory_put(RUNTIME + l->runtime_interpreters + 8, INTERPRETER, 8); /* the main one */
	memory_put(INTERPRETER + l->interpreter_threads, THREAD, 8);
	memory_put(THREAD + l->thread_id, BASE, 8);
	if (l->cframe)
		memory_put(THREAD + l->thread_frame, CFRAME, 8);
	if (key < 32)
		memory_put(BASE + 784 + key * 16 + 8, THREAD, 8);
	w.thread_base = BASE;
	w.native.pc = NATIVE;
	w.native.sp = STACK;
	w.native.rbp = STACK + 0x100;
	w.native.process = (struct unwind_process){.count = 3};
	mappings[0] = (struct unwind_mapping){NATIVE, NATIVE + CODE_SIZE, NATIVE, FILE_NONE, 0};
	mappings[1] = (struct unwind_mapping){TABLED, TABLED + CODE_SIZE, TABLED, FILE_TABLED, 0};
	mappings[2] = (struct unwind_mapping){LATE, LATE + CODE_SIZE, LATE, FILE_LATE, 0};
	files[FILE_NONE] = (struct unwind_file){.state = UNWIND_FILE_NONE};
	files[FILE_TABLED] = (struct unwind_file){.state = UNWIND_FILE_READY, .pages = 1};
	files[FILE_LATE] = (struct unwind_file){.state = UNWIND_FILE_UNKNOWN};
	rows[0] = UNWIND_NO_RULE;
	rules[UNWIND_NO_RULE] = (struct unwind_rule){.cfa = UNWIND_CFA_NONE};
	rows_len = rules_len = 1;
	pages[0] = (struct unwind_page){.count = 1};
}

/* From an offset of TABLED on, rising, this rule holds. */
static inline void table_rule(uint32_t offset, struct unwind_rule rule)
{
	rules[rules_len] = rule;
	rows[rows_len++] = offset << 16 | rules_len++;
	pages[0].count = (uint16_t)rows_len;
	unwind_page_index(&pages[0], rows);
}

/* The return address lies below the caller's stack pointer, which is rsp + words. */
static inline struct unwind_rule by_rsp(int words)
{
	return (struct unwind_rule){.base = UNWIND_RSP,
				    .cfa_offset = 8 * words,
				    .ra = UNWIND_PLACE_CFA,
				    .ra_offset = -1};
}

static inline uint64_t frame_at(int i)
{
	return FRAMES + (uint64_t)i * 0x200;
}

static inline uint64_t code_at(int i)
{
	return CODES + (uint64_t)i * 0x400;
}

/* Frame i calls frame i - 1; frame 0 is the leaf. boundary: is_entry, or owner. */
static inline void python_frame(int i, uint64_t previous, uint8_t boundary, uint32_t line,
				int32_t lasti)
{
	const struct python_layout *l = &py.layout;
	uint64_t frame = frame_at(i), code = code_at(i);

	memory_put(frame + l->frame_code, code, 8);
	memory_put(frame + l->frame_previous, previous, 8);
	if (l->style == PYTHON_EACH_FRAME)
		memory_put(frame + l->frame_instruction, (uint32_t)lasti, 4);
	else
		memory_put(frame + l->frame_instruction, code + l->code_start + lasti, 8);
	if (l->frame_boundary)
		memory_put(frame + l->frame_boundary, boundary, 1);
	memory_put(code + l->code_flags, 3, 4);
	memory_put(code + l->code_flags + l->code_line_index * 4, line, 4);
	memory_put(code + l->code_flags + l->code_pointers_index * 4, code + 1, 8);
}

static inline void current_frame(uint64_t frame)
{
	const struct python_layout *l = &py.layout;

	if (l->cframe)
		memory_put(CFRAME + l->cframe_frame, frame, 8);
	else
		memory_put(THREAD + l->thread_frame, frame, 8);
}

/* The native frame i: its saved frame pointer leads to frame i + 1. */
static inline void native_frame(int i, uint64_t return_address, bool last)
{
	uint64_t at = STACK + 0x100 + (uint64_t)i * 0x40;

	memory_put(at, last ? 0 : at + 0x40, 8);
	memory_put(at + 8, return_address, 8);
}

static inline void run(bool with_python)
{
	walk_start(&w, with_python ? &py : NULL);
	for (int i = 0; i < 20000 && w.phase != WALK_DONE; i++)
		walk_step(&w, &py, entries);
	assert_int_equal(w.phase, WALK_DONE);
}

static inline void native_entry(uint32_t i, uint64_t address)
{
	assert_int_equal(entries[i].tag & 0xff, UNWIND_NATIVE);
	assert_int_equal(entries[i].address, address);
}

static inline void python_entry(uint32_t i, int number, enum unwind_kind kind)
{
	assert_int_equal(entries[i].tag & 0xff, kind);
	assert_int_equal(entries[i].address,
			 kind == UNWIND_PYTHON_BOUNDARY ? frame_at(number) : code_at(number));
}

#endif
