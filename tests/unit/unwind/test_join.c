/* Joining native and Python frames, on crafted chains. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "unwind/join.h"

enum { CODE = 0x1000, LOOP = 0x8000, MAX_NATIVE = UNWIND_MAX_ENTRIES };

/* Where what 3.12 and later keep lies in the frames of that stack. */
enum { STACK = 0x10000, FRAME_SIZE = 0x100 };

static struct unwind_entry native[MAX_NATIVE], python_frames[16];
static struct join_input in;
static struct join_stack out;
static const struct python python = {.eval_start = {LOOP}, .eval_end = {LOOP + 0x1000}};

/* Native frames, leaf first; then how they end. */
static void stack(int n, ...)
{
	va_list args;

	va_start(args, n);
	for (int i = 0; i < n; i++)
		native[i] = (struct unwind_entry){
			.address = va_arg(args, unsigned int),
			.sp = STACK + (uint32_t)i * FRAME_SIZE,
			.tag = UNWIND_NATIVE | (i ? 0 : UNWIND_EXACT),
		};
	in = (struct join_input){
		.native = native,
		.native_count = (uint32_t)n,
		.native_end = (uint8_t)va_arg(args, int),
		.python_entries = python_frames,
		.python = &python,
	};
	va_end(args);
}

static void python_entries(int n, ...)
{
	va_list args;

	va_start(args, n);
	for (int i = 0; i < n; i++) {
		unsigned int kind = va_arg(args, unsigned int);

		python_frames[in.python_count++] = (struct unwind_entry){
			.address = kind == UNWIND_PYTHON_BOUNDARY ? 0 : 100 + i,
			.tag = kind | 7 << 8,
			.lasti = 2 * i,
		};
	}
	va_end(args);
}

/* The result is these addresses, leaf first, 0 at the end. */
static void expect(unsigned int first, ...)
{
	unsigned int address = first;
	va_list args;
	uint32_t i = 0;

	join(&in, &out);
	va_start(args, first);
	for (; address; address = va_arg(args, unsigned int), i++) {
		assert_true(i < out.count);
		if (address == JOIN_GAP)
			assert_int_equal(out.frames[i].kind, JOIN_GAP);
		else
			assert_int_equal(out.frames[i].address, address);
	}
	va_end(args);
	assert_int_equal(out.count, i);
}

static void test_native(void **state)
{
	stack(3, CODE, CODE + 1, CODE + 2, UNWIND_NATIVE_COMPLETE);
	expect(CODE, CODE + 1, CODE + 2, 0);
	assert_true(out.frames[0].exact);
	assert_false(out.frames[1].exact);
	assert_false(out.gap);
	/* What was met last is in no mapping: it is no frame. */
	in.native_end = UNWIND_NATIVE_NO_MAPPING;
	expect(CODE, CODE + 1, 0);
	stack(1, CODE, UNWIND_NATIVE_NO_MAPPING);
	expect(0);
	stack(0, UNWIND_NATIVE_NONE);
	expect(0);
}

/* Python 3.11: one call of the loop with two frames, another with one. */
static void test_python_in_place(void **state)
{
	stack(5, CODE, LOOP + 1, CODE + 2, LOOP + 3, CODE + 4, UNWIND_NATIVE_COMPLETE);
	python_entries(3, UNWIND_PYTHON, UNWIND_PYTHON_LAST, UNWIND_PYTHON_LAST);
	expect(CODE, 100, 101, CODE + 2, 102, CODE + 4, 0);
	assert_int_equal(out.frames[1].kind, UNWIND_PYTHON);
	assert_int_equal(out.frames[2].lasti, 2);
	assert_int_equal(out.frames[2].check, 7);
	assert_false(out.gap);
}

/* A call may be the last instruction of the loop; its first instruction is what was interrupted. */
static void test_edges_of_the_loop(void **state)
{
	stack(3, LOOP, LOOP + 0x1000, CODE, UNWIND_NATIVE_COMPLETE);
	python_entries(2, UNWIND_PYTHON_LAST, UNWIND_PYTHON_LAST);
	expect(100, 101, CODE, 0);
	stack(3, LOOP + 0x1000, LOOP, CODE, UNWIND_NATIVE_COMPLETE);
	expect(LOOP + 0x1000, LOOP, CODE, 0);
}

/* Python 3.12: ends that are no frames, also of a call that has no frame yet. */
static void test_python_boundaries(void **state)
{
	stack(5, LOOP, CODE + 1, LOOP + 1, LOOP + 3, CODE + 2, UNWIND_NATIVE_COMPLETE);
	python_entries(5, UNWIND_PYTHON_BOUNDARY, UNWIND_PYTHON, UNWIND_PYTHON,
		       UNWIND_PYTHON_BOUNDARY, UNWIND_PYTHON);
	expect(CODE + 1, 101, 102, 104, CODE + 2, 0);
}

/* More calls of the loop than Python knows of: the code of the loop itself is shown. */
static void test_more_loops_than_python(void **state)
{
	stack(4, CODE, LOOP + 1, LOOP + 3, CODE + 1, UNWIND_NATIVE_COMPLETE);
	python_entries(1, UNWIND_PYTHON_LAST);
	expect(CODE, 100, LOOP + 3, CODE + 1, 0);
	in.python_count = 0;
	expect(CODE, LOOP + 1, LOOP + 3, CODE + 1, 0);
}

/* Native frames end in a loop: the calls below it follow. */
static void test_cut_below_a_loop(void **state)
{
	stack(2, CODE, LOOP + 1, UNWIND_NATIVE_UNREAD);
	python_entries(3, UNWIND_PYTHON_LAST, UNWIND_PYTHON_LAST, UNWIND_PYTHON_LAST);
	expect(CODE, 100, 101, 102, 0);
	assert_false(out.gap);
}

/* Native frames end before the loop: what is missing between is said. */
static void test_gap(void **state)
{
	stack(1, CODE, UNWIND_NATIVE_BAD_FP);
	python_entries(2, UNWIND_PYTHON_LAST, UNWIND_PYTHON_LAST);
	expect(CODE, JOIN_GAP, 100, 101, 0);
	assert_true(out.gap);
}

/* All native frames are there, but not one for each call of the loop: Python stands apart. */
static void test_loop_not_recognised(void **state)
{
	stack(3, CODE, CODE + 1, CODE + 2, UNWIND_NATIVE_COMPLETE);
	python_entries(3, UNWIND_PYTHON, UNWIND_PYTHON_BOUNDARY, UNWIND_PYTHON);
	expect(CODE, JOIN_GAP, 100, 102, 0);
	assert_true(out.gap);
	assert_true(out.frames[0].exact);
	/* In whose place the frames are is not known of any call then. */
	stack(3, CODE, LOOP + 1, CODE + 2, UNWIND_NATIVE_COMPLETE);
	python_entries(2, UNWIND_PYTHON_LAST, UNWIND_PYTHON_LAST);
	expect(CODE, JOIN_GAP, 100, 101, 0);
	assert_true(out.gap);
	/* A call that has no frame is not missed. */
	stack(3, CODE, LOOP + 1, CODE + 2, UNWIND_NATIVE_COMPLETE);
	python_entries(2, UNWIND_PYTHON_LAST, UNWIND_PYTHON_BOUNDARY);
	expect(CODE, 100, CODE + 2, 0);
	assert_false(out.gap);
	/* Nor are native frames where none were asked for. */
	stack(0, UNWIND_NATIVE_COMPLETE);
	python_entries(1, UNWIND_PYTHON_LAST);
	expect(100, 0);
	assert_false(out.gap);
}

/* The end of a call of the loop lies in native frame i of the stack. */
static void end_in(int entry, int i)
{
	python_frames[entry].address = 0x7ffe00000000 + STACK + (uint64_t)i * FRAME_SIZE + 0x80;
}

/* Python 3.12: what lies in a frame says which call of the loop it is, not its code. Here a loop
 * that just begins has no frame yet, one was inlined into its caller, and one calls nothing. */
static void test_by_place(void **state)
{
	stack(7, LOOP, CODE + 1, LOOP + 1, CODE + 3, CODE + 4, LOOP + 5, CODE + 6,
	      UNWIND_NATIVE_COMPLETE);
	python_entries(6, UNWIND_PYTHON, UNWIND_PYTHON_BOUNDARY, UNWIND_PYTHON,
		       UNWIND_PYTHON_BOUNDARY, UNWIND_PYTHON, UNWIND_PYTHON_BOUNDARY);
	end_in(1, 2);
	end_in(3, 3);
	end_in(5, 5);
	expect(LOOP, CODE + 1, 100, 102, CODE + 3, CODE + 4, 104, CODE + 6, 0);
	assert_false(out.gap);
	/* One that lies in no frame is none of these calls, nor are those behind it. */
	end_in(3, 70);
	expect(LOOP, JOIN_GAP, 100, 102, 104, 0);
	/* The last frame that is known ends nowhere: it is believed by its code. */
	stack(2, CODE, LOOP + 1, UNWIND_NATIVE_UNREAD);
	python_entries(2, UNWIND_PYTHON, UNWIND_PYTHON_BOUNDARY);
	end_in(1, 1);
	expect(CODE, 100, 0);
	native[1].address = CODE + 1;
	expect(CODE, CODE + 1, JOIN_GAP, 100, 0);
	/* Nothing need be known of the interpreter. */
	stack(3, CODE, CODE + 1, CODE + 2, UNWIND_NATIVE_COMPLETE);
	python_entries(2, UNWIND_PYTHON, UNWIND_PYTHON_BOUNDARY);
	end_in(1, 1);
	in.python = NULL;
	expect(CODE, 100, CODE + 1, CODE + 2, 0);
}

/* A handler on a stack of its own: from there to the next frame is no size of a frame. */
static void test_by_place_on_two_stacks(void **state)
{
	stack(3, CODE, LOOP + 1, CODE + 2, UNWIND_NATIVE_COMPLETE);
	native[0].sp = STACK - 0x80000000;
	python_entries(2, UNWIND_PYTHON, UNWIND_PYTHON_BOUNDARY);
	end_in(1, 1);
	expect(CODE, 100, CODE + 2, 0);
	native[0].sp = STACK + 0x80000000;
	expect(CODE, 100, CODE + 2, 0);
	/* An end below the frame, in what the handler uses. */
	python_frames[1].address -= FRAME_SIZE;
	expect(CODE, JOIN_GAP, 100, 0);
}

/* The largest result there can be fits. */
static void test_full(void **state)
{
	stack(0, UNWIND_NATIVE_DEEP);
	for (uint32_t i = 0; i < MAX_NATIVE; i++)
		native[i] = (struct unwind_entry){.address = CODE + 1, .tag = UNWIND_NATIVE};
	in.native_count = MAX_NATIVE;
	join(&in, &out);
	assert_int_equal(out.count, MAX_NATIVE);
	/* Python has no room left: it is cut, and a gap is said. */
	python_entries(2, UNWIND_PYTHON_LAST, UNWIND_PYTHON_LAST);
	join(&in, &out);
	assert_int_equal(out.count, JOIN_MAX_FRAMES);
	assert_true(out.gap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_native),
		cmocka_unit_test(test_python_in_place),
		cmocka_unit_test(test_edges_of_the_loop),
		cmocka_unit_test(test_python_boundaries),
		cmocka_unit_test(test_more_loops_than_python),
		cmocka_unit_test(test_cut_below_a_loop),
		cmocka_unit_test(test_gap),
		cmocka_unit_test(test_loop_not_recognised),
		cmocka_unit_test(test_by_place),
		cmocka_unit_test(test_by_place_on_two_stacks),
		cmocka_unit_test(test_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
