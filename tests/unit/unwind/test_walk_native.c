/* The walk of native frames on crafted memory: what it emits, in which order, and why it ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "walk_world.h"

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

/* Another sample of the same thread. */
static void begin_again(uint64_t pc, uint32_t run_number)
{
	memset(&w, 0, WALK_ZEROES);
	w.native.pc = pc;
	w.native.sp = STACK;
	w.native.process = (struct unwind_process){.count = 3, .number = run_number};
}

/* Rules that were found are remembered for their run, and the table counts as used. */
static void test_native_remembered(void **state)
{
	struct unwind_file *file = &files[FILE_TABLED];

	world(0x030b0000, KEY);
	table_rule(0x100, by_rsp(4));
	table_rule(0x200, by_rsp(2));
	table_rule(0x300, (struct unwind_rule){.ra = UNWIND_PLACE_UNDEFINED});
	memory_put(STACK + 0x08, TABLED + 0x301, 8);
	memory_put(STACK + 0x18, TABLED + 0x200, 8);
	memory_put(STACK + 0x38, TABLED + 0x301, 8);
	for (uint32_t i = 1; i <= 2; i++) {
		begin_again(TABLED + 0x100, 1);
		ends(3, UNWIND_NATIVE_COMPLETE);
		native_entry(
			1, TABLED + 0x200); /* called by what lies before it, as rule 0x100 says */
		assert_int_equal(file->hits, 3 * i);
		file->state = UNWIND_FILE_UNKNOWN;
	}
	/* It is another place for who was interrupted there. */
	begin_again(TABLED + 0x200, 1);
	ends(1, UNWIND_NATIVE_NOT_LOADED);
	file->state = UNWIND_FILE_READY;
	begin_again(TABLED + 0x200, 1);
	ends(2, UNWIND_NATIVE_COMPLETE);
	/* In other mappings it may be other code. */
	file->state = UNWIND_FILE_UNKNOWN;
	begin_again(TABLED + 0x100, 2);
	ends(1, UNWIND_NATIVE_NOT_LOADED);
}

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

/* Every way in which a walk by tables can end. */
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
int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_native_chain),
		cmocka_unit_test(test_native_bad_pointers),
		cmocka_unit_test(test_native_bad_chain),
		cmocka_unit_test(test_native_too_deep),
		cmocka_unit_test(test_native_around_the_frame),
		cmocka_unit_test(test_native_by_table),
		cmocka_unit_test(test_native_signal),
		cmocka_unit_test(test_native_remembered),
		cmocka_unit_test(test_native_table_ends),
		cmocka_unit_test(test_native_clone),
		cmocka_unit_test(test_native_followed),
		cmocka_unit_test(test_native_system_call),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	memory_free();
	return failed;
}
