/* Frames of several interpreters in one stack, in the order in which they called each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/base.h"
#include "unwind/python/states.h"

enum { MAX = 64 };
static struct unwind_entry entries[MAX], joined[MAX];
static uint32_t n;

static void add(uint64_t address, uint32_t kind)
{
	entries[n++] = (struct unwind_entry){.address = address, .tag = kind};
}

static void expect(const uint64_t *addresses, uint32_t count)
{
	assert_int_equal(python_join_states(entries, n, joined), count);
	for (uint32_t i = 0; i < count; i++)
		assert_int_equal(joined[i].address, addresses[i]);
	n = 0;
}

/* Deeper in the C stack is farther inside, wherever it is listed. */
static void test_by_their_place(void **state)
{
	add(1, UNWIND_PYTHON);
	add(0x3000, UNWIND_PYTHON_BOUNDARY);
	add(0, UNWIND_PYTHON_STATE);
	add(2, UNWIND_PYTHON);
	add(0x1000, UNWIND_PYTHON_BOUNDARY);
	add(3, UNWIND_PYTHON);
	add(0x1800, UNWIND_PYTHON_BOUNDARY);
	add(0, UNWIND_PYTHON_STATE);
	add(4, UNWIND_PYTHON);
	add(0x2000, UNWIND_PYTHON_BOUNDARY);
	expect((const uint64_t[]){2, 0x1000, 3, 0x1800, 4, 0x2000, 1, 0x3000}, 8);
}

static void test_as_they_are_listed(void **state)
{
	expect(NULL, 0);
	add(1, UNWIND_PYTHON_LAST);
	expect((const uint64_t[]){1}, 1);
	add(1, UNWIND_PYTHON_LAST);
	add(0, UNWIND_PYTHON_STATE);
	add(2, UNWIND_PYTHON_LAST);
	expect((const uint64_t[]){1, 2}, 2);
	/* Marks at the ends, and two behind each other, from memory that lies. */
	add(0, UNWIND_PYTHON_STATE);
	add(0, UNWIND_PYTHON_STATE);
	add(1, UNWIND_PYTHON);
	add(0, UNWIND_PYTHON_STATE);
	expect((const uint64_t[]){1}, 1);
}

static void test_more_than_are_sorted(void **state)
{
	uint64_t all[MAX / 2];

	for (uint32_t i = 0; i < MAX / 2; i++) {
		all[i] = i + 1;
		add(i + 1, UNWIND_PYTHON_LAST);
		add(0, UNWIND_PYTHON_STATE);
	}
	expect(all, MAX / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_by_their_place),
		cmocka_unit_test(test_as_they_are_listed),
		cmocka_unit_test(test_more_than_are_sorted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
