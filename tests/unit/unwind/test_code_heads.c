/* The first words of code objects: how often they are read, and that what is none costs nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unwind/python/code_heads.h"

enum { CODE = 0x50000, NOTHING = 0x60000, MS = 1000000 };
static unsigned int reads;
static uint32_t word;

static int read_word(const struct memory *m, uint64_t address, void *buf, size_t n)
{
	(void)m;
	reads++;
	if (address != CODE)
		return -EFAULT;
	memset(buf, 0, n);
	memcpy(buf, &word, sizeof(word));
	return 0;
}

static const struct memory memory = {.read = read_word};

static int setup(void **state)
{
	struct code_heads *c = mem_calloc(1, sizeof(*c));

	c->memory = &memory;
	c->now_ns = 1000 * (int64_t)MS;
	*state = c;
	reads = 0;
	word = 1;
	return 0;
}

static int teardown(void **state)
{
	code_heads_fini(*state);
	free(*state);
	return 0;
}

static void test_another_takes_its_place(void **state)
{
	struct code_heads *c = *state;

	assert_int_equal(code_heads_get(c, CODE)->words[0], 1);
	word = 2;
	assert_int_equal(code_heads_get(c, CODE)->words[0], 1);
	assert_int_equal(reads, 1);
	c->now_ns += MS;
	assert_int_equal(code_heads_recent(c, CODE)->words[0], 1);
	assert_int_equal(code_heads_get(c, CODE)->words[0], 2);
	c->now_ns += 1000 * (int64_t)MS;
	word = 3;
	assert_int_equal(code_heads_recent(c, CODE)->words[0], 3);
	assert_int_equal(reads, 3);
}

static void test_nothing_is_there(void **state)
{
	struct code_heads *c = *state;

	for (int i = 0; i < 10; i++) {
		assert_null(code_heads_get(c, NOTHING));
		assert_null(code_heads_recent(c, NOTHING));
	}
	assert_int_equal(reads, 1);
	c->now_ns += MS;
	assert_null(code_heads_recent(c, NOTHING));
	assert_int_equal(reads, 2);
}

/* What lies where a frame is being made is often a small number, or no address. */
static void test_no_address(void **state)
{
	struct code_heads *c = *state;

	assert_null(code_heads_get(c, 3));
	assert_null(code_heads_get(c, CODE + 1));
	assert_int_equal(reads, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_another_takes_its_place, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nothing_is_there, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_address, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
