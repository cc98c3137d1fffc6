/* The lists of Python's garbage collector: whole ones, and ones that lie, over a memory made of
 * bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "unwind/python/tracked.h"

enum {
	BYTES = 1 << 16,
	BASE = 0x10000,
	INTERPRETER = BASE,
	/* Of 3.12: generations, and the pointer at the first of them, which is before `collecting`.
	 */
	LISTS = INTERPRETER + 312 - 176,
	POINTER = LISTS + 72,
	PERMANENT = POINTER + 8,
	OBJECTS = BASE + 0x2000, /* each with its two links before it */
	OBJECT_BYTES = 64,
	LINKS = 16,
};
static uint8_t bytes[BYTES];

static int read_bytes(const struct memory *m, uint64_t address, void *buf, size_t n)
{
	(void)m;
	if (address < BASE || address - BASE > BYTES || n > BYTES - (address - BASE))
		return -EFAULT;
	memcpy(buf, bytes + (address - BASE), n);
	return 0;
}

static void put(uint64_t address, uint64_t value)
{
	memcpy(bytes + (address - BASE), &value, sizeof(value));
}

static uint64_t head_of(unsigned int list)
{
	return list == 3 ? PERMANENT : LISTS + list * 24ULL;
}

/* Objects first to last are in a list. */
static void put_list(unsigned int list, unsigned int first, unsigned int n)
{
	uint64_t at = head_of(list);

	for (unsigned int i = first; i < first + n; i++) {
		uint64_t next = OBJECTS + i * (uint64_t)OBJECT_BYTES;

		put(at, next);
		put(next + LINKS + 8, 0x7000 + i);
		at = next;
	}
	put(at, head_of(list));
}

static int setup(void **state)
{
	(void)state;
	memset(bytes, 0, sizeof(bytes));
	put(POINTER, LISTS);
	put_list(0, 0, 2);
	put_list(1, 2, 0);
	put_list(2, 2, 3);
	put_list(3, 5, 1);
	return 0;
}

struct told {
	uint64_t n, types, enough;
};
static bool tell(void *arg, uint64_t object, uint64_t type)
{
	struct told *t = arg;

	assert_int_equal(object % OBJECT_BYTES, LINKS);
	t->types += type;
	return ++t->n != t->enough;
}

static int each(struct told *t, bool *ret_cut)
{
	const struct memory m = {.read = read_bytes};
	const struct python py = {.version = 0x030c01f0};
	struct python_objects o;

	assert_int_equal(python_objects_init(&o, &m, py.version), 0);
	return python_tracked_each(&o, &py, INTERPRETER, tell, t, ret_cut);
}

static void test_all(void **state)
{
	struct told t = {};
	bool cut = true;

	(void)state;
	assert_int_equal(each(&t, &cut), 0);
	assert_false(cut);
	assert_int_equal(t.n, 6);
	assert_int_equal(t.types, 6 * 0x7000 + 0 + 1 + 2 + 3 + 4 + 5);
	t = (struct told){.enough = 2};
	assert_int_equal(each(&t, &cut), 0);
	assert_int_equal(t.n, 2);
}

static void test_flags_and_moved(void **state)
{
	struct told t = {};
	bool cut = true;

	(void)state;
	/* A collection marks links; an object went to an older list while it was looked at. */
	put(LISTS, OBJECTS | 1);
	put(OBJECTS + OBJECT_BYTES, head_of(2));
	assert_int_equal(each(&t, &cut), 0);
	assert_false(cut);
	assert_int_equal(t.n, 6);
}

static void test_lies(void **state)
{
	struct told t = {};
	bool cut = false;

	(void)state;
	/* It leads nowhere: the other lists are told of, this one as far as it goes, at each try.
	 */
	put(OBJECTS + OBJECT_BYTES, 0xdead0000);
	assert_int_equal(each(&t, &cut), 0);
	assert_true(cut);
	assert_int_equal(t.n, 3 * 2 + 4);
	/* It never comes back. */
	put(OBJECTS + OBJECT_BYTES, OBJECTS);
	t = (struct told){};
	cut = false;
	assert_int_equal(each(&t, &cut), 0);
	assert_true(cut);
	/* The lists are not where they should be. */
	put(POINTER, LISTS + 8);
	assert_int_equal(each(&t, &cut), -ENOTSUP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_all, setup),
		cmocka_unit_test_setup(test_flags_and_moved, setup),
		cmocka_unit_test_setup(test_lies, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
