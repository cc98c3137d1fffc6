/* Copies of the stacks of threads that stand still: how far they reach, and what a walk is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/mman.h>
#include <unistd.h>

#include "unwind/thread_copy.h"

enum { PAGE = 4096, PAGES = 400, RED_ZONE = 128 };

/* Memory with nothing behind it; every word is its own address. */
static uint8_t *stack;
static struct memory memory;
static struct thread_copy copy;

static int setup(void **state)
{
	stack = mmap(NULL, (PAGES + 1) * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		     -1, 0);
	assert_ptr_not_equal(stack, MAP_FAILED);
	assert_int_equal(munmap(stack + PAGES * PAGE, PAGE), 0);
	for (uint64_t *word = (uint64_t *)stack; (uint8_t *)word < stack + PAGES * PAGE; word++)
		*word = (uintptr_t)word;
	memory = memory_of_process(getpid());
	return 0;
}

static int teardown(void **state)
{
	thread_copy_fini(&copy);
	return munmap(stack, PAGES * PAGE);
}

static uint64_t address_of(size_t offset)
{
	return (uintptr_t)stack + offset;
}

static void take(uint64_t sp, uint64_t end, bool only_stack)
{
	const struct thread_registers r = {
		.pc = 0x1234,
		.general = {[UNWIND_RSP] = sp},
		.in_call = true,
		.only_stack = only_stack,
	};

	thread_copy_take(&copy, &memory, &r, end);
	/* What is there is true. */
	for (uint32_t i = 0; i + 8 <= copy.region.bytes; i += 8)
		assert_int_equal(*(uint64_t *)(copy.bytes + i), copy.region.address + i);
}

static void test_how_far(void **state)
{
	uint64_t top = address_of(PAGES * PAGE);

	/* Not known: 64 KiB, with the red zone. */
	take(address_of(PAGE + 24), 0, false);
	assert_int_equal(copy.region.address, address_of(PAGE + 24 - RED_ZONE));
	assert_int_equal(copy.region.bytes, THREAD_COPY_BYTES);
	/* Known. */
	take(address_of(PAGE), address_of(PAGE + 800), false);
	assert_int_equal(copy.region.address + copy.region.bytes, address_of(PAGE + 800));
	take(address_of(PAGE), address_of(200 * PAGE), false);
	assert_int_equal(copy.region.address + copy.region.bytes, address_of(200 * PAGE));
	/* Too far, or below: as if it were not known. */
	take(address_of(PAGE), top, false);
	assert_int_equal(copy.region.bytes, THREAD_COPY_BYTES);
	take(address_of(PAGE), address_of(0), false);
	assert_int_equal(copy.region.bytes, THREAD_COPY_BYTES);
	/* The end of the memory. */
	take(top - 5000, 0, false);
	assert_int_equal(copy.region.address + copy.region.bytes, top);
	take(top - 40, top + 216, false);
	assert_int_equal(copy.region.address + copy.region.bytes, top);
}

static void test_no_stack(void **state)
{
	static const uint64_t pointers[] = {0,		8,	   4096, UINT64_MAX, UINT64_MAX - 8,
					    1ULL << 47, 1ULL << 63};

	for (size_t i = 0; i < ARRAY_SIZE(pointers); i++) {
		take(pointers[i], 0, false);
		assert_int_equal(copy.region.bytes, 0);
		take(pointers[i], UINT64_MAX, true);
		assert_int_equal(copy.region.bytes, 0);
	}
}

static void test_what_a_walk_is_told(void **state)
{
	struct replay r = {};

	take(address_of(PAGE), 0, false);
	thread_copy_replay(&copy, &r);
	assert_int_equal(r.pc, 0x1234);
	assert_true(r.in_kernel && r.nwalked == 0 && !r.lost);
	assert_ptr_equal(r.bytes, copy.bytes);
	take(address_of(PAGE), 0, true);
	thread_copy_replay(&copy, &r);
	assert_int_equal(r.nwalked, 1);
	assert_int_equal(r.walked[0].address, 0x1234);
	assert_int_equal(r.walked[0].tag, UNWIND_NATIVE);
	assert_int_equal(r.lost, TABLE_LOST_RBP | TABLE_LOST_RBX);
}

static void test_where_it_ended(void **state)
{
	static struct replay r;
	uint64_t sp = address_of(PAGE), last = sp + 3 * PAGE;

	take(sp, 0, false);
	r.count = 1;
	r.entries[0].sp = (uint32_t)last;
	r.end = UNWIND_NATIVE_UNREAD;
	assert_int_equal(thread_copy_end(&copy, &r), 0);
	r.end = UNWIND_NATIVE_COMPLETE;
	assert_in_range(thread_copy_end(&copy, &r), last + 8, last + PAGE);
	r.count = 0;
	assert_int_equal(thread_copy_end(&copy, &r), 0);
	/* Over the border of what entries keep of it. */
	copy.registers.general[UNWIND_RSP] = 0x7ffefffff000;
	r.count = 1;
	r.entries[0].sp = 0x1000;
	assert_in_range(thread_copy_end(&copy, &r), 0x7fff00001008, 0x7fff00002000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_how_far),
		cmocka_unit_test(test_no_stack),
		cmocka_unit_test(test_what_a_walk_is_told),
		cmocka_unit_test(test_where_it_ended),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
