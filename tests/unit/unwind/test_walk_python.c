/* The same of Python frames: what it emits, in which order, and why it ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "walk_world.h"

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

static void two_frames(uint32_t flags)
{
	world(0x030b0000, KEY);
	python_frame(0, frame_at(1), 0, 10, 6);
	python_frame(1, 0, 1, 20, 8);
	memory_put(code_at(1) + py.layout.code_flags, flags, 4);
	current_frame(frame_at(0));
	memory_put(THREAD + py.layout.thread_context, 77, 8);
	memory_put(THREAD + py.layout.thread_context + 8, 2, 8);
	w.native.rbp = 0;
}

/* Which step of an event loop it was is told where a coroutine is on the stack. */
static void test_step(void **state)
{
	two_frames(0x80 | 3);
	run(true);
	assert_int_equal(w.python_end, UNWIND_PYTHON_COMPLETE);
	assert_int_equal(w.step.thread, THREAD);
	assert_int_equal(w.step.contexts, 77);
	assert_int_equal(w.step.number, 2);
	two_frames(3);
	run(true);
	assert_int_equal(w.step.number, 0);
	/* Not of a version that we do not know it of, nor where it cannot be read. */
	two_frames(0x80);
	py.layout.thread_context = 0;
	run(true);
	assert_int_equal(w.step.number, 0);
	two_frames(0x80);
	py.layout.thread_context = 4096;
	run(true);
	assert_int_equal(w.python_end, UNWIND_PYTHON_COMPLETE);
	assert_int_equal(w.step.number, 0);
	/* The outer part of the stack is missing. */
	two_frames(0x80);
	memory_put(frame_at(1) + py.layout.frame_previous, 8, 8);
	run(true);
	assert_int_equal(w.python_end, UNWIND_PYTHON_UNREAD);
	assert_int_equal(w.step.number, 0);
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
	py.runtime = 0;
	py.key_is_int = 1;
	memory_put(py.key, 0, 4);
	one_frame_found();
	world(0x03060000, 0);
	py.runtime = 0;
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

/* A second interpreter, made later, in which our thread has a frame; and a third state of it that
 * it does not use. */
static void second_interpreter(void)
{
	enum { OTHER = THREAD + 1024, UNUSED = THREAD + 2048, SECOND = INTERPRETER + 8192 };
	const struct python_layout *l = &py.layout;

	memory_put(py.interpreters, SECOND, 8);
	memory_put(SECOND + l->interpreter_next, INTERPRETER, 8);
	memory_put(SECOND + l->interpreter_threads, UNUSED, 8);
	memory_put(UNUSED + l->thread_id, BASE, 8);
	memory_put(UNUSED + l->thread_next, OTHER, 8);
	memory_put(OTHER + l->thread_id, BASE, 8);
	memory_put(OTHER + l->thread_frame, CFRAME + 32, 8);
	memory_put(UNUSED + l->thread_frame, CFRAME + 48, 8);
	memory_put(CFRAME + 32 + l->cframe_frame, frame_at(4), 8);
	python_frame(4, frame_at(5), 0, 10, 6);
	python_frame(5, 0, 1, 20, 8);
}

static void test_several_interpreters(void **state)
{
	world(0x030b0000, KEY);
	second_interpreter();
	python_frame(0, 0, 1, 10, 6);
	current_frame(frame_at(0));
	w.native.rbp = 0;
	run(true);
	assert_int_equal(w.count, 5);
	native_entry(0, NATIVE);
	python_entry(1, 4, UNWIND_PYTHON);
	python_entry(2, 5, UNWIND_PYTHON_LAST);
	assert_int_equal(entries[3].tag, UNWIND_PYTHON_STATE);
	assert_int_equal(entries[3].address, THREAD);
	python_entry(4, 0, UNWIND_PYTHON_LAST);
	assert_int_equal(w.python_end, UNWIND_PYTHON_COMPLETE);
	assert_true(w.several);
	/* Frames that call each other for ever leave no room. */
	world(0x030b0000, KEY);
	second_interpreter();
	python_frame(5, frame_at(4), 0, 20, 8);
	w.native.rbp = 0;
	run(true);
	assert_int_equal(w.count, UNWIND_MAX_ENTRIES);
	assert_int_equal(w.python_end, UNWIND_PYTHON_DEEP);
}

/* A list too long to be searched: the state that is used now is found by the key. */
static void test_too_many_states(void **state)
{
	const struct python_layout *l = &py.layout;

	world(0x030b0000, KEY);
	second_interpreter();
	memory_put(THREAD + 1024 + l->thread_id, BASE + 64, 8);
	memory_put(THREAD + 1024 + l->thread_next, THREAD + 1024, 8);
	one_frame_found();
	assert_false(w.several);
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
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_python_38_to_310),
		cmocka_unit_test(test_python_311),
		cmocka_unit_test(test_python_312),
		cmocka_unit_test(test_step),
		cmocka_unit_test(test_room_for_python),
		cmocka_unit_test(test_high_key),
		cmocka_unit_test(test_search),
		cmocka_unit_test(test_current),
		cmocka_unit_test(test_int_key),
		cmocka_unit_test(test_search_ends),
		cmocka_unit_test(test_several_interpreters),
		cmocka_unit_test(test_too_many_states),
		cmocka_unit_test(test_no_python_here),
		cmocka_unit_test(test_python_unreadable),
		cmocka_unit_test(test_python_too_deep),
		cmocka_unit_test(test_give_up),
		cmocka_unit_test(test_broken_layout),
		cmocka_unit_test(test_check),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	memory_free();
	return failed;
}
