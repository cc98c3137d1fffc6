/* The walk on crafted memory: what it emits, in which order, and why it ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

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

static void world(uint32_t version, uint32_t key)
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
static void table_rule(uint32_t offset, struct unwind_rule rule)
{
	rules[rules_len] = rule;
	rows[rows_len++] = offset << 16 | rules_len++;
	pages[0].count = (uint16_t)rows_len;
	unwind_page_index(&pages[0], rows);
}

/* The return address lies below the caller's stack pointer, which is rsp + words. */
static struct unwind_rule by_rsp(int words)
{
	return (struct unwind_rule){.base = UNWIND_RSP,
				    .cfa_offset = 8 * words,
				    .ra = UNWIND_PLACE_CFA,
				    .ra_offset = -1};
}

static uint64_t frame_at(int i)
{
	return FRAMES + (uint64_t)i * 0x200;
}

static uint64_t code_at(int i)
{
	return CODES + (uint64_t)i * 0x400;
}

/* Frame i calls frame i - 1; frame 0 is the leaf. boundary: is_entry, or owner. */
static void python_frame(int i, uint64_t previous, uint8_t boundary, uint32_t line, int32_t lasti)
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

static void current_frame(uint64_t frame)
{
	const struct python_layout *l = &py.layout;

	if (l->cframe)
		memory_put(CFRAME + l->cframe_frame, frame, 8);
	else
		memory_put(THREAD + l->thread_frame, frame, 8);
}

/* The native frame i: its saved frame pointer leads to frame i + 1. */
static void native_frame(int i, uint64_t return_address, bool last)
{
	uint64_t at = STACK + 0x100 + (uint64_t)i * 0x40;

	memory_put(at, last ? 0 : at + 0x40, 8);
	memory_put(at + 8, return_address, 8);
}

static void run(bool with_python)
{
	walk_start(&w, with_python ? &py : NULL);
	for (int i = 0; i < 20000 && w.phase != WALK_DONE; i++)
		walk_step(&w, &py, entries);
	assert_int_equal(w.phase, WALK_DONE);
}

static void native_entry(uint32_t i, uint64_t address)
{
	assert_int_equal(entries[i].tag & 0xff, UNWIND_NATIVE);
	assert_int_equal(entries[i].address, address);
}

static void python_entry(uint32_t i, int number, enum unwind_kind kind)
{
	assert_int_equal(entries[i].tag & 0xff, kind);
	assert_int_equal(entries[i].address,
			 kind == UNWIND_PYTHON_BOUNDARY ? frame_at(number) : code_at(number));
}

static void test_native_chain(void **state)
{
	world(0x030b0000, KEY);
	for (int i = 0; i < 9; i++)
		native_frame(i, NATIVE + 0x10 * (i + 1), i == 8);
	run(false);
	assert_int_equal(w.count, 10);
	for (int i = 0; i < 10; i++)
		native_entry(i, NATIVE + 0x10 * i);
	assert_int_equal(entries[0].tag, UNWIND_NATIVE | UNWIND_EXACT);
	assert_int_equal(entries[9].tag, UNWIND_NATIVE | UNWIND_BLIND);
	assert_int_equal(w.native_end, UNWIND_NATIVE_COMPLETE);
	assert_int_equal(w.native_count, 10);
	assert_int_equal(w.python_end, UNWIND_PYTHON_NONE);
}

/* Only the leaf is certain when the frame pointer is something else. */
static void test_native_bad_pointers(void **state)
{
	const struct {
		uint64_t fp;
		int end;
	} cases[] = {
		{0, UNWIND_NATIVE_BAD_FP},
		{STACK + 0x101, UNWIND_NATIVE_BAD_FP},
		{STACK - 8, UNWIND_NATIVE_BAD_FP},
		{STACK + WALK_MAX_FRAME + 8, UNWIND_NATIVE_BAD_FP},
		{UINT64_MAX - 7, UNWIND_NATIVE_BAD_FP},
		{STACK + STACK_SIZE - 8, UNWIND_NATIVE_UNREAD},
		{STACK + STACK_SIZE, UNWIND_NATIVE_UNREAD},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		world(0x030b0000, KEY);
		w.native.rbp = cases[i].fp;
		run(false);
		assert_int_equal(w.count, 1);
		assert_int_equal(w.native_end, cases[i].end);
	}
}

static void test_native_bad_chain(void **state)
{
	/* A chain that does not grow. */
	world(0x030b0000, KEY);
	native_frame(0, NATIVE + 0x10, false);
	memory_put(STACK + 0x100, STACK + 0x100, 8);
	run(false);
	assert_int_equal(w.count, 2);
	assert_int_equal(w.native_end, UNWIND_NATIVE_BAD_FP);
	/* Return addresses that are none. */
	for (int i = 0; i < 3; i++) {
		static const uint64_t bad[] = {0, 4095, 0xffffffff81000000};

		world(0x030b0000, KEY);
		native_frame(0, NATIVE + 0x10, false);
		native_frame(1, bad[i], false);
		run(false);
		assert_int_equal(w.count, 2);
		assert_int_equal(w.native_end, i ? UNWIND_NATIVE_OUTSIDE : UNWIND_NATIVE_COMPLETE);
	}
}

static void test_native_too_deep(void **state)
{
	world(0x030b0000, KEY);
	for (int i = 0; i < 5000; i++)
		native_frame(i, NATIVE + 0x10, false);
	run(false);
	assert_int_equal(w.count, UNWIND_MAX_ENTRIES);
	assert_int_equal(w.native_end, UNWIND_NATIVE_DEEP);
}

static void ends(uint32_t count, enum unwind_native_end end)
{
	run(false);
	assert_int_equal(w.count, count);
	assert_int_equal(w.native_end, end);
}

/* Code without a table: where its frame pointer is not set up yet, or gone, its bytes say so. */
static void test_native_around_the_frame(void **state)
{
	static const struct {
		uint32_t code;
		uint32_t words; /* pushed above the return address */
	} cases[] = {
		{0xe5894855, 0}, /* push %rbp */
		{0xfa1e0ff3, 0}, /* endbr64 */
		{0x000000c3, 0}, /* ret */
		{0x0000c3f3, 0}, /* rep ret */
		{0x00e58948, 1}, /* mov %rsp,%rbp */
		{0x00ec8b48, 1},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		world(0x030b0000, KEY);
		memory_map(NATIVE, 6);
		memory_put(NATIVE, 0x050f, 2); /* and behind a system call */
		memory_put(NATIVE + 2, cases[i].code, 4);
		w.native.pc = NATIVE + 2;
		w.in_kernel = i % 3 != 0;
		memory_put(STACK, STACK + 0x100, 8);
		memory_put(STACK + 8 * cases[i].words, NATIVE + 0x20, 8);
		native_frame(0, NATIVE + 0x30, true);
		ends(3, UNWIND_NATIVE_COMPLETE);
		native_entry(1, NATIVE + 0x20);
		native_entry(2, NATIVE + 0x30);
	}
	/* Only of the interrupted instruction. */
	world(0x030b0000, KEY);
	memory_map(NATIVE, CODE_SIZE);
	memory_put(NATIVE + 0x10 - 1, 0xc3c3c3c3, 4);
	native_frame(0, NATIVE + 0x10, false);
	native_frame(1, NATIVE + 0x20, true);
	ends(3, UNWIND_NATIVE_COMPLETE);
}

/* A system call that never returns may be the last of its function. */
static void test_native_system_call(void **state)
{
	for (int call = 0; call < 2; call++) {
		world(0x030b0000, KEY);
		memory_map(TABLED, CODE_SIZE);
		memory_put(TABLED + 0xfe, call ? 0x050f : 0x9090, 2);
		table_rule(1, (struct unwind_rule){.ra = UNWIND_PLACE_UNDEFINED});
		table_rule(0x100, by_rsp(4));
		w.native.pc = TABLED + 0x100;
		w.in_kernel = 1;
		memory_put(STACK + 0x18, TABLED + 0x11, 8);
		ends(call ? 1 : 2, UNWIND_NATIVE_COMPLETE);
		assert_int_equal(entries[0].tag, UNWIND_NATIVE | (call ? 0 : UNWIND_EXACT));
	}
}

/* Tables in the middle of code that has none, and back: only what tables do not say is marked. */
static void test_native_by_table(void **state)
{
	world(0x030b0000, KEY);
	table_rule(0x100, by_rsp(4));
	table_rule(0x200, (struct unwind_rule){.ra = UNWIND_PLACE_UNDEFINED});
	w.native.pc = TABLED + 0x100;
	memory_put(STACK + 0x18, NATIVE + 8, 8);
	native_frame(0, TABLED + 0x201, false);
	ends(3, UNWIND_NATIVE_COMPLETE);
	native_entry(1, NATIVE + 8);
	native_entry(2, TABLED + 0x201);
	assert_int_equal(entries[0].tag, UNWIND_NATIVE | UNWIND_EXACT);
	assert_int_equal(entries[1].tag, UNWIND_NATIVE);
	assert_int_equal(entries[2].tag, UNWIND_NATIVE | UNWIND_BLIND);
}

/* A frame that a signal came to is exact, and the trampoline between says what it is by its own pc;
 * what only instructions say is marked. */
static void test_native_signal(void **state)
{
	struct unwind_rule signal = by_rsp(4), derived = by_rsp(2);

	world(0x030b0000, KEY);
	signal.ra |= UNWIND_SIGNAL;
	derived.ra |= UNWIND_DERIVED;
	table_rule(0x100, by_rsp(1));
	table_rule(0x1ff, signal); /* looked up by the byte before the trampoline */
	table_rule(0x300, derived);
	w.native.pc = TABLED + 0x100;
	memory_put(STACK, TABLED + 0x200, 8);
	memory_put(STACK + 8 + 0x18, TABLED + 0x300, 8);
	memory_put(STACK + 8 + 0x20 + 8, NATIVE + 8, 8);
	w.native.rbp = 0;
	ends(4, UNWIND_NATIVE_COMPLETE);
	assert_int_equal(entries[0].tag, UNWIND_NATIVE | UNWIND_EXACT);
	assert_int_equal(entries[1].tag, UNWIND_NATIVE | UNWIND_TRAMPOLINE);
	assert_int_equal(entries[2].tag, UNWIND_NATIVE | UNWIND_EXACT);
	assert_int_equal(entries[3].tag, UNWIND_NATIVE | UNWIND_FOLLOWED);
	native_entry(2, TABLED + 0x300);
	native_entry(3, NATIVE + 8);
}

/* Every way in which a walk by tables can end. */
/* Where only instructions say so, a return address must lie behind a call. */
static void test_native_followed(void **state)
{
	/* call rel32, *%rax, *%r9, *8(%rax), *16(%rip), *256(%rsp); lcall, jmp *%rax, nop */
	static const uint64_t before[] = {0x00000000e8909090, 0xd0ff909090909090,
					  0xd1ff419090909090, 0x0850ff9090909090,
					  0x0000001015ff9090, 0x000001002494ff90,
					  0x00000100249cff90, 0xe0ff909090909090,
					  0x9090909090909090};
	struct unwind_rule followed = by_rsp(4);

	followed.ra |= UNWIND_DERIVED;
	for (size_t i = 0; i <= 9; i++) {
		world(0x030b0000, KEY);
		memory_map(TABLED, CODE_SIZE);
		table_rule(1, followed);
		table_rule(0x100, (struct unwind_rule){.ra = UNWIND_PLACE_UNDEFINED});
		w.native.pc = TABLED + 1;
		memory_put(STACK + 0x18, TABLED + 0x208, 8);
		memory_put(TABLED + 0x200, before[MIN(i, 8u)], 8);
		/* The last: mov $15,%rax, where a handler returns to. */
		memory_put(TABLED + 0x208, i == 9 ? 0x0fc0c748 : 0, 4);
		bool good = i < 6 || i == 9;

		ends(1 + good, good ? UNWIND_NATIVE_COMPLETE : UNWIND_NATIVE_OUTSIDE);
	}
}

static void test_native_table_ends(void **state)
{
	const struct unwind_rule unsupported = {.cfa = UNWIND_CFA_UNSUPPORTED};
	struct unwind_rule lost = by_rsp(4);

	world(0x030b0000, KEY);
	w.native.pc = NOWHERE;
	ends(1, UNWIND_NATIVE_NO_MAPPING);
	world(0x030b0000, KEY);
	w.native.pc = LATE;
	ends(1, UNWIND_NATIVE_NOT_LOADED);
	world(0x030b0000, KEY);
	w.native.pc = TABLED;
	w.native.rbp = 1;
	ends(1, UNWIND_NATIVE_BAD_FP); /* no rule */
	world(0x030b0000, KEY);
	table_rule(1, unsupported);
	w.native.pc = TABLED + 1;
	ends(1, UNWIND_NATIVE_UNSUPPORTED);
	/* The stack pointer of the caller is not above, or cannot be read. */
	for (int i = 0; i < 2; i++) {
		world(0x030b0000, KEY);
		table_rule(1, by_rsp(i ? STACK_SIZE / 8 + 9 : 0));
		w.native.pc = TABLED + 1;
		ends(1, i ? UNWIND_NATIVE_UNREAD : UNWIND_NATIVE_BAD_CFA);
	}
	/* A return address that is none; none at all. */
	for (int i = 0; i < 2; i++) {
		world(0x030b0000, KEY);
		table_rule(1, by_rsp(4));
		w.native.pc = TABLED + 1;
		memory_put(STACK + 0x18, i ? 0 : 77, 8);
		ends(1, i ? UNWIND_NATIVE_COMPLETE : UNWIND_NATIVE_OUTSIDE);
	}
	/* The first frame gives its caller no rbp, which is what the caller counts by. */
	world(0x030b0000, KEY);
	lost.rbp = UNWIND_PLACE_UNDEFINED;
	table_rule(1, lost);
	lost.base = UNWIND_RBP;
	table_rule(0x100, lost);
	w.native.pc = TABLED + 1;
	memory_put(STACK + 0x18, TABLED + 0x101, 8);
	ends(2, UNWIND_NATIVE_LOST);
}

/* Two threads come back from clone: one was called, the other has 0 in rax and nobody above. */
static void test_native_clone(void **state)
{
	struct unwind_rule clone = by_rsp(4);

	clone.cfa = UNWIND_CFA_CLONE;
	for (int child = 0; child < 2; child++) {
		world(0x030b0000, KEY);
		table_rule(1, clone);
		w.native.pc = TABLED + 1;
		w.native.registers[UNWIND_RAX] = child ? 0 : 1234;
		memory_put(STACK + 0x18, 0, 8);
		ends(1, UNWIND_NATIVE_COMPLETE);
		assert_int_equal(w.native.sp, child ? STACK : STACK + 0x20);
	}
	world(0x030b0000, KEY); /* A caller's rax is not known. */
	table_rule(0x100, clone);
	w.native.pc = NATIVE;
	native_frame(0, TABLED + 0x101, false);
	ends(2, UNWIND_NATIVE_LOST);
}

/* Native frames first, then Python's, with the ends of the calls of the interpreter's loop. */
static void two_natives(uint32_t version)
{
	world(version, KEY);
	native_frame(0, NATIVE + 0x10, true);
}

static void check_ends(uint32_t count)
{
	native_entry(0, NATIVE);
	native_entry(1, NATIVE + 0x10);
	assert_int_equal(w.count, count);
	assert_int_equal(w.native_count, 2);
	assert_int_equal(w.native_end, UNWIND_NATIVE_COMPLETE);
	assert_int_equal(w.python_end, UNWIND_PYTHON_COMPLETE);
}

static void test_python_38_to_310(void **state)
{
	for (uint32_t minor = 8; minor <= 10; minor++) {
		two_natives(0x03000000 | minor << 16);
		python_frame(0, frame_at(1), 0, 10, -1);
		python_frame(1, 0, 0, 20, 8);
		current_frame(frame_at(0));
		run(true);
		check_ends(4);
		python_entry(2, 0, UNWIND_PYTHON_LAST);
		python_entry(3, 1, UNWIND_PYTHON_LAST);
		/* 3.10 counts in units of two bytes. */
		assert_int_equal(entries[2].lasti, minor == 10 ? UINT32_MAX - 1 : UINT32_MAX);
		assert_int_equal(entries[3].lasti, minor == 10 ? 16 : 8);
	}
}

static void test_python_311(void **state)
{
	two_natives(0x030b0000);
	python_frame(0, frame_at(1), 0, 10, 6);
	python_frame(1, frame_at(2), 1, 20, 8);
	python_frame(2, 0, 1, 30, 10);
	current_frame(frame_at(0));
	run(true);
	check_ends(5);
	python_entry(2, 0, UNWIND_PYTHON);
	python_entry(3, 1, UNWIND_PYTHON_LAST);
	python_entry(4, 2, UNWIND_PYTHON_LAST);
	assert_int_equal(entries[2].lasti, 6);
	assert_int_equal(entries[4].lasti, 10);
}

/* From 3.12 on a frame that is no Python frame stands between two calls of the loop. */
static void test_python_312(void **state)
{
	for (uint32_t minor = 12; minor <= 13; minor++) {
		two_natives(0x03000000 | minor << 16);
		python_frame(7, frame_at(0), 3, 0, 0);
		python_frame(0, frame_at(1), 0, 10, 6);
		python_frame(1, frame_at(8), 1, 20, 8);
		python_frame(8, frame_at(2), 3, 0, 0);
		python_frame(2, frame_at(9), 2, 30, 10);
		python_frame(9, 0, 3, 0, 0);
		current_frame(frame_at(7));
		run(true);
		check_ends(8);
		python_entry(2, 7, UNWIND_PYTHON_BOUNDARY);
		python_entry(3, 0, UNWIND_PYTHON);
		python_entry(4, 1, UNWIND_PYTHON);
		python_entry(5, 8, UNWIND_PYTHON_BOUNDARY);
		python_entry(6, 2, UNWIND_PYTHON);
		python_entry(7, 9, UNWIND_PYTHON_BOUNDARY);
	}
}

/* Native frames leave room for Python. */
static void test_room_for_python(void **state)
{
	world(0x030b0000, KEY);
	for (int i = 0; i < 5000; i++)
		native_frame(i, NATIVE + 0x10, false);
	python_frame(0, 0, 1, 10, 6);
	current_frame(frame_at(0));
	run(true);
	assert_int_equal(w.native_count, UNWIND_MAX_BESIDE_PYTHON);
	assert_int_equal(w.native_end, UNWIND_NATIVE_DEEP);
	assert_int_equal(w.count, UNWIND_MAX_BESIDE_PYTHON + 1);
	assert_int_equal(w.python_end, UNWIND_PYTHON_COMPLETE);
}

static void one_frame_found(void)
{
	python_frame(0, 0, 1, 10, 6);
	current_frame(frame_at(0));
	w.native.rbp = 0;
	run(true);
	assert_int_equal(w.count, 2);
	python_entry(1, 0, UNWIND_PYTHON_LAST);
	assert_int_equal(w.python_end, UNWIND_PYTHON_COMPLETE);
}

static void test_high_key(void **state)
{
	world(0x030b0000, 32 * 3 + 7);
	memory_put(BASE + 1296 + 3 * 8, BASE + 2048, 8);
	memory_put(BASE + 2048 + 7 * 16 + 8, THREAD, 8);
	one_frame_found();
}

/* Another thread's state under our key: the list of threads is searched. */
static void test_search(void **state)
{
	enum { OTHER = THREAD + 1024 };
	const struct python_layout *l = &py.layout;

	world(0x030b0000, KEY);
	memory_put(BASE + 784 + KEY * 16 + 8, OTHER, 8);
	memory_put(OTHER + l->thread_id, BASE + 64, 8);
	memory_put(OTHER + l->thread_next, THREAD, 8);
	memory_put(INTERPRETER + l->interpreter_threads, OTHER, 8);
	one_frame_found();
	/* The same when the key is known to be of no use. */
	world(0x030b0000, KEY);
	py.search_threads = 1;
	memory_put(RUNTIME + l->runtime_key, 0, 8);
	one_frame_found();
}

/* Who holds the GIL has that thread state, whatever the key says. */
static void test_current(void **state)
{
	enum { OTHER = THREAD + 1024 };

	world(0x030b0000, KEY);
	py.current = RUNTIME + py.layout.runtime_current;
	memory_put(BASE + 784 + KEY * 16 + 8, OTHER, 8);
	memory_put(OTHER + py.layout.thread_id, BASE, 8);
	memory_put(py.current, THREAD, 8);
	one_frame_found();
	/* Another thread holds it, or nobody: the key leads to ours. */
	world(0x030b0000, KEY);
	py.current = RUNTIME + py.layout.runtime_current;
	memory_put(OTHER + py.layout.thread_id, BASE + 64, 8);
	memory_put(py.current, OTHER, 8);
	one_frame_found();
	world(0x030b0000, KEY);
	py.current = RUNTIME + py.layout.runtime_current;
	one_frame_found();
}

/* Before 3.7 the key is an int, 0 is one, and -1 is none. */
static void test_int_key(void **state)
{
	world(0x03060000, 0);
	py.key_is_int = 1;
	memory_put(py.key, 0, 4);
	one_frame_found();
	world(0x03060000, 0);
	py.key_is_int = 1;
	memory_put(py.key, UINT32_MAX, 4);
	w.native.rbp = 0;
	run(true);
	assert_int_equal(w.python_end, UNWIND_PYTHON_STARTING);
}

static void test_search_ends(void **state)
{
	const struct python_layout *l = &py.layout;

	/* A list that leads back to itself. */
	world(0x030b0000, KEY);
	py.search_threads = 1;
	w.native.rbp = 0;
	memory_put(THREAD + l->thread_id, BASE + 64, 8);
	memory_put(THREAD + l->thread_next, THREAD, 8);
	run(true);
	assert_int_equal(w.count, 1);
	assert_int_equal(w.python_end, UNWIND_PYTHON_DEEP);
	/* Nobody is us. */
	world(0x030b0000, KEY);
	py.search_threads = 1;
	w.native.rbp = 0;
	memory_put(THREAD + l->thread_id, BASE + 64, 8);
	run(true);
	assert_int_equal(w.count, 1);
	assert_int_equal(w.python_end, UNWIND_PYTHON_NONE);
}

static void test_no_python_here(void **state)
{
	/* A thread that never ran Python. */
	world(0x030b0000, KEY);
	memory_put(BASE + 784 + KEY * 16 + 8, 0, 8);
	w.native.rbp = 0;
	run(true);
	assert_int_equal(w.python_end, UNWIND_PYTHON_NONE);
	/* A runtime that is not initialised. */
	world(0x030b0000, KEY);
	memory_put(RUNTIME + py.layout.runtime_key, 0, 4);
	w.native.rbp = 0;
	run(true);
	assert_int_equal(w.python_end, UNWIND_PYTHON_STARTING);
	/* A version that we do not know. */
	world(0x030b0000, KEY);
	py.layout.style = PYTHON_UNSUPPORTED;
	w.native.rbp = 0;
	run(true);
	assert_int_equal(w.python_end, UNWIND_PYTHON_LAYOUT);
	assert_int_equal(w.count, 1);
}

static void test_python_unreadable(void **state)
{
	/* A frame. */
	world(0x030b0000, KEY);
	python_frame(0, 0x1234, 1, 10, 6);
	current_frame(frame_at(0));
	w.native.rbp = 0;
	run(true);
	assert_int_equal(w.count, 2);
	assert_int_equal(w.python_end, UNWIND_PYTHON_UNREAD);
	/* A code object. */
	world(0x030b0000, KEY);
	python_frame(0, 0, 1, 10, 6);
	memory_put(frame_at(0) + py.layout.frame_code, 0x1234, 8);
	current_frame(frame_at(0));
	w.native.rbp = 0;
	run(true);
	assert_int_equal(w.count, 1);
	assert_int_equal(w.python_end, UNWIND_PYTHON_UNREAD);
}

static void test_python_too_deep(void **state)
{
	world(0x030b0000, KEY);
	/* It calls itself for ever. */
	python_frame(0, frame_at(0), 0, 10, 6);
	current_frame(frame_at(0));
	w.native.rbp = 0;
	run(true);
	assert_int_equal(w.count, UNWIND_MAX_ENTRIES);
	assert_int_equal(w.python_end, UNWIND_PYTHON_DEEP);
}

/* The caller may run out of steps at any moment. */
static void test_give_up(void **state)
{
	for (int steps = 0; steps < 3; steps++) {
		two_natives(0x030b0000);
		native_frame(0, NATIVE + 0x10, false);
		native_frame(1, NATIVE + 0x20, true);
		python_frame(0, frame_at(1), 0, 10, 6);
		python_frame(1, 0, 1, 20, 8);
		current_frame(frame_at(0));
		walk_start(&w, &py);
		for (int i = 0; i < steps; i++)
			walk_step(&w, &py, entries);
		assert_int_not_equal(w.phase, WALK_DONE);
		walk_give_up(&w);
		assert_int_equal(w.phase, WALK_DONE);
		assert_int_equal(w.native_end, UNWIND_NATIVE_DEEP);
	}
}

/* An offset from a broken layout must not lead outside of the buffers. */
static void test_broken_layout(void **state)
{
	for (int field = 0; field < 5; field++) {
		world(0x030b0000, KEY);
		python_frame(0, 0, 1, 10, 6);
		current_frame(frame_at(0));
		w.native.rbp = 0;
		if (field == 0)
			py.layout.frame_size = UINT16_MAX;
		if (field == 1)
			py.layout.frame_boundary = UINT16_MAX;
		if (field == 2)
			py.layout.frame_instruction = UINT16_MAX;
		if (field == 3)
			py.layout.code_line_index = UINT16_MAX;
		if (field == 4)
			py.layout.code_pointers_index = UINT16_MAX;
		run(true);
	}
}

/* What makes a code object another one must change its check. */
static void test_check(void **state)
{
	const struct python_layout *l = python_layout_of(0x030c0000, false);
	uint32_t words[PYTHON_CODE_WORDS] = {}, first;

	for (uint32_t i = 0; i < PYTHON_CODE_WORDS; i++)
		words[i] = i * 0x10;
	first = python_code_check(words, l);
	assert_true(first <= 0xffffff);
	for (uint32_t i = 0; i < PYTHON_CODE_WORDS; i++) {
		bool counts = !i || i == l->code_line_index || i >= l->code_pointers_index;

		words[i] += 16;
		if (counts)
			assert_int_not_equal(python_code_check(words, l), first);
		else
			assert_int_equal(python_code_check(words, l), first);
		words[i] -= 16;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_native_chain),
					   cmocka_unit_test(test_native_bad_pointers),
					   cmocka_unit_test(test_native_bad_chain),
					   cmocka_unit_test(test_native_too_deep),
					   cmocka_unit_test(test_native_around_the_frame),
					   cmocka_unit_test(test_native_by_table),
					   cmocka_unit_test(test_native_signal),
					   cmocka_unit_test(test_native_table_ends),
					   cmocka_unit_test(test_native_clone),
					   cmocka_unit_test(test_native_followed),
					   cmocka_unit_test(test_native_system_call),
					   cmocka_unit_test(test_python_38_to_310),
					   cmocka_unit_test(test_python_311),
					   cmocka_unit_test(test_python_312),
					   cmocka_unit_test(test_room_for_python),
					   cmocka_unit_test(test_high_key),
					   cmocka_unit_test(test_search),
					   cmocka_unit_test(test_current),
					   cmocka_unit_test(test_int_key),
					   cmocka_unit_test(test_search_ends),
					   cmocka_unit_test(test_no_python_here),
					   cmocka_unit_test(test_python_unreadable),
					   cmocka_unit_test(test_python_too_deep),
					   cmocka_unit_test(test_give_up),
					   cmocka_unit_test(test_broken_layout),
					   cmocka_unit_test(test_check)};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	memory_free();
	return failed;
}
