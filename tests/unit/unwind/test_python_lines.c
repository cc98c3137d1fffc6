/* Line tables by hand; the live interpreters are asked in test_python_live. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "unwind/python/lines.h"
#include "unwind/unwind.h"

static void test_39(void **state)
{
	/* Example of CPython 3.9 Objects/lnotab_notes.txt: lines 1, 2, 7, 207, 257, 207 from
	 * bytes 0, 6, 50, 350, 500, 600 on. */
	static const uint8_t table[] = {
		0, 1, 6, 1, 44, 5, 255, 0, 45, 127, 0, 73, 150, 50, 100, 0xce,
	};
	static const struct {
		uint32_t lasti;
		int64_t line;
	} cases[] = {{0, 1},	 {5, 1},     {6, 2},	 {49, 2},    {50, 7},	 {349, 7},
		     {350, 207}, {499, 207}, {500, 257}, {599, 257}, {600, 207}, {9999, 207}};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(lines_39(table, sizeof(table), 0, cases[i].lasti), cases[i].line);
	assert_int_equal(lines_39(NULL, 0, 42, 7), 42);
	assert_int_equal(lines_39(table, 1, 42, 7), 42);
}

/* In 2.7 lines only go on, up to 255 at once. */
static void test_27(void **state)
{
	static const uint8_t table[] = {0, 1, 6, 200, 44, 5};

	assert_int_equal(lines_27(table, sizeof(table), 0, 5), 1);
	assert_int_equal(lines_27(table, sizeof(table), 0, 6), 201);
	assert_int_equal(lines_27(table, sizeof(table), 0, 50), 206);
	assert_int_equal(lines_27(NULL, 0, 42, 7), 42);
}

static void test_310(void **state)
{
	/* Example of CPython 3.10 Objects/lnotab_notes.txt: lines 1, 2, none, 7 in bytes
	 * [0, 6), [6, 50), [50, 100), [100, 350). */
	static const uint8_t table[] = {6, 1, 44, 1, 50, 0x80, 0, 5, 250, 0};

	assert_int_equal(lines_310(table, sizeof(table), 0, 0), 1);
	assert_int_equal(lines_310(table, sizeof(table), 0, 5), 1);
	assert_int_equal(lines_310(table, sizeof(table), 0, 6), 2);
	assert_int_equal(lines_310(table, sizeof(table), 0, 49), 2);
	assert_int_equal(lines_310(table, sizeof(table), 0, 50), 2);
	assert_int_equal(lines_310(table, sizeof(table), 0, 100), 7);
	assert_int_equal(lines_310(table, sizeof(table), 0, 349), 7);
	assert_int_equal(lines_310(table, sizeof(table), 0, 5000), 7);
	assert_int_equal(lines_310(NULL, 0, 42, 7), 42);
}

static void test_311(void **state)
{
	/* Each entry: form, units, line delta (CPython 3.11 Objects/locations.md). */
	static const uint8_t table[] = {
		0x80 + 10 * 8 + 1, 0, 1,       /* one line, +0: bytes 0 to 3, line 5 */
		0x80 + 11 * 8 + 0, 0, 1,       /* one line, +1: bytes 4, 5, line 6 */
		0x80 + 12 * 8 + 0, 0, 1,       /* one line, +2: bytes 6, 7, line 8 */
		0x80 + 3 * 8 + 1,  0,	       /* short: bytes 8 to 11, line 8 */
		0x80 + 15 * 8 + 0,	       /* none: bytes 12, 13 */
		0x80 + 13 * 8 + 0, 0, 0,       /* no columns, +100: below */
		0x80 + 14 * 8 + 0, 3, 0, 1, 2, /* long, -1: bytes 16, 17 */
		0x80 + 0 * 8 + 7,  0,	       /* short: bytes 18 to 33 */
	};
	/* +100 as a signed number is 200: low six bits 8 with more to come, then 3. */
	uint8_t copy[sizeof(table)];

	memcpy(copy, table, sizeof(table));
	copy[13] = 0x40 + (200 & 63);
	copy[14] = 200 >> 6;
	static const struct {
		uint32_t lasti;
		int64_t line;
	} cases[] = {{0, 5},  {3, 5},	 {4, 6},    {6, 8},    {8, 8},	  {11, 8},
		     {12, 8}, {14, 108}, {16, 107}, {18, 107}, {33, 107}, {100, 107}};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(lines_311(copy, sizeof(copy), 5, cases[i].lasti), cases[i].line);
	assert_int_equal(lines_311(NULL, 0, 42, 7), 42);
}

/* Columns of each form, as Objects/locations.md describes them. */
static void test_ranges(void **state)
{
	static const uint8_t table[] = {
		0x80 + 3 * 8 + 0,  0x75,	    /* short: 3 << 3 | 7, 5 long */
		0x80 + 11 * 8 + 0, 100,	 120,	    /* one line, +1 */
		0x80 + 14 * 8 + 0, 2,	 3,   5, 9, /* long, +1, 3 more lines */
		0x80 + 13 * 8 + 0, 0,		    /* no columns */
		0x80 + 15 * 8 + 0,		    /* none */
	};
	static const struct line_range want[] = {
		{7, 7, 31, 36}, {8, 8, 100, 120}, {9, 12, 4, 8},
		{9, 9, -1, -1}, {9, 9, -1, -1},	  {9, 9, -1, -1},
	};
	struct line_range got;

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(want); i++) {
		lines_range_311(table, sizeof(table), 7, i * 2, &got);
		assert_memory_equal(&got, &want[i], sizeof(got));
	}
}

/* Any bytes are taken, cut anywhere, without a read outside (the sanitizers watch). */
static void test_garbage(void **state)
{
	uint32_t seed = 12345;

	for (int round = 0; round < 20000; round++) {
		size_t len = round % 40;
		uint8_t *table = mem_calloc(len + 1, 1);

		for (size_t i = 0; i < len; i++) {
			seed = seed * 1664525 + 1013904223;
			table[i] = seed >> 24;
		}
		uint8_t *exact = len ? memcpy(malloc(len), table, len) : NULL;

		lines_27(exact, len, 1, seed >> 16);
		lines_39(exact, len, 1, seed >> 16);
		lines_310(exact, len, 1, seed >> 16);
		lines_311(exact, len, 1, seed >> 16);
		free(exact);
		free(table);
	}
}

/* Of an instruction that nobody knows the line is known where there is but one. */
static void test_unknown_instruction(void **state)
{
	uint8_t one[] = {0, 1}, two[] = {0, 1, 12, 1};
	struct python_code c = {.version = 0x03080000, .first_line = 7, .lines = one};

	c.lines_len = sizeof(one);
	assert_int_equal(python_code_line(&c, UNWIND_LASTI_UNKNOWN), 8);
	assert_int_equal(python_code_line(&c, UINT32_MAX), 7);
	c.lines = two;
	c.lines_len = sizeof(two);
	assert_int_equal(python_code_line(&c, 2), 8);
	assert_int_equal(python_code_line(&c, UNWIND_LASTI_UNKNOWN), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_27),
		cmocka_unit_test(test_39),
		cmocka_unit_test(test_310),
		cmocka_unit_test(test_311),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_unknown_instruction),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
