/* Memory read by pages: the same bytes, in few reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "process/memory_pages.h"

/* So many pages are there, from this address on; the byte at each place tells where it is. */
enum { BASE = 0x10000, THERE = 300, LEFT = 1 << 20 };
static uint64_t reads;
static uint8_t more; /* that the memory has by now */

static uint8_t byte_at(uint64_t address)
{
	return (uint8_t)(address * 31 + address / MEMORY_PAGE + more);
}

static int read_made(const struct memory *m, uint64_t address, void *buf, size_t n)
{
	uint8_t *out = buf;

	(void)m;
	reads++;
	if (address < BASE || address - BASE > THERE * MEMORY_PAGE ||
	    n > THERE * MEMORY_PAGE - (address - BASE))
		return -EFAULT;
	for (size_t i = 0; i < n; i++)
		out[i] = byte_at(address + i);
	return 0;
}

static const struct memory made = {.read = read_made, .pid = 7};
static struct memory_pages pages;

static int setup(void **state)
{
	(void)state;
	reads = more = 0;
	memory_pages_start(&pages, &made, LEFT);
	return 0;
}

static void expect(uint64_t address, size_t n)
{
	uint8_t bytes[2 * MEMORY_PAGE];

	assert_int_equal(memory_read(&pages.memory, address, bytes, n), 0);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(bytes[i], byte_at(address + i));
}

static void test_few_reads(void **state)
{
	(void)state;
	assert_int_equal(pages.memory.pid, 7);
	for (uint64_t at = 0; at < 64; at++)
		expect(BASE + at * 8, 8);
	assert_int_equal(reads, 1);
	/* Over the border of two pages. */
	expect(BASE + MEMORY_PAGE - 3, 8);
	expect(BASE + 1, MEMORY_PAGE);
	assert_int_equal(reads, 2);
	/* Larger than a page: not by way of one. */
	expect(BASE + 1, MEMORY_PAGE + 1);
	assert_int_equal(reads, 3);
}

/* More pages than there is room for: each is what it is. */
static void test_many_pages(void **state)
{
	(void)state;
	for (int round = 0; round < 2; round++)
		for (uint64_t i = 0; i < THERE; i++)
			expect(BASE + i * MEMORY_PAGE + i, 8);
	assert_true(reads <= 2 * THERE);
}

static void test_another_moment(void **state)
{
	(void)state;
	expect(BASE, 8);
	more = 1;
	memory_pages_start(&pages, &made, LEFT);
	expect(BASE, 8);
	assert_int_equal(reads, 2);
}

static void test_not_there(void **state)
{
	uint8_t bytes[16];

	(void)state;
	assert_int_equal(memory_read(&pages.memory, BASE - 8, bytes, 8), -EFAULT);
	assert_int_equal(memory_read(&pages.memory, BASE - 8, bytes, 16), -EFAULT);
	assert_int_equal(memory_read(&pages.memory, BASE + THERE * MEMORY_PAGE - 8, bytes, 16),
			 -EFAULT);
	assert_int_equal(memory_read(&pages.memory, 0, bytes, 8), -EFAULT);
	assert_int_equal(memory_read(&pages.memory, UINT64_MAX - 3, bytes, 8), -EFAULT);
	expect(BASE + THERE * MEMORY_PAGE - 8, 8);
}

static void test_enough(void **state)
{
	uint8_t bytes[8];
	uint64_t n = 0;

	(void)state;
	memory_pages_start(&pages, &made, 20 * MEMORY_PAGE_COST);
	while (!memory_read(&pages.memory, BASE + n * MEMORY_PAGE, bytes, 8))
		n++;
	assert_int_equal(n, 18);
	assert_int_equal(pages.left, 0);
	assert_int_equal(memory_read(&pages.memory, BASE, bytes, 8), -E2BIG);
	/* Of what is here, too. */
	memory_pages_start(&pages, &made, 100);
	for (n = 0; !memory_read(&pages.memory, BASE, bytes, 8); n++)
		;
	assert_int_equal(n, 100 - MEMORY_PAGE_COST - 1);
	assert_int_equal(reads, 18 + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_few_reads, setup),
		cmocka_unit_test_setup(test_many_pages, setup),
		cmocka_unit_test_setup(test_another_moment, setup),
		cmocka_unit_test_setup(test_not_there, setup),
		cmocka_unit_test_setup(test_enough, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
