/* Memory of other processes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/mman.h>

#include "child.h"
#include "process/memory.h"
#include "process/process.h"

enum { PAGE = 4096 };

/* Two pages: the first ends in a string, the second is not there. Mapped before the fork, so that
 * parent and child know the address. */
static char *page;

static int setup(void **state)
{
	page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(page, MAP_FAILED);
	assert_int_equal(munmap(page + PAGE, PAGE), 0);
	return 0;
}

static void fill(int to_parent, int from_parent)
{
	memset(page, 'a', PAGE);
	memcpy(page + PAGE - 6, "hello", 6);
	child_tell(to_parent);
}

static void test_read(void **state)
{
	struct child c = child_start(fill);
	char buf[PAGE + 1];

	child_wait(c.from);
	assert_int_equal(process_read_memory(c.pid, (uintptr_t)page, buf, PAGE), 0);
	assert_int_equal(buf[0], 'a');
	assert_string_equal(buf + PAGE - 6, "hello");
	assert_int_equal(process_read_memory(c.pid, (uintptr_t)page, buf, 0), 0);
	/* All or nothing: the last byte is missing, then the first is. */
	assert_int_equal(process_read_memory(c.pid, (uintptr_t)page, buf, PAGE + 1), -EFAULT);
	assert_int_equal(process_read_memory(c.pid, (uintptr_t)page + PAGE, buf, 1), -EFAULT);
	assert_int_equal(process_read_memory(c.pid, UINT64_MAX, buf, 1), -EFAULT);
	assert_int_equal(process_read_memory(c.pid, UINT64_MAX - 1, buf, 8), -EFAULT);
	assert_int_equal(process_read_memory(c.pid, 1ULL << 47, buf, 8), -EFAULT);
	assert_int_equal(process_read_memory(c.pid, 1ULL << 63, buf, 8), -EFAULT);
	child_end(&c);
	assert_int_equal(process_read_memory(c.pid, (uintptr_t)page, buf, 1), -ESRCH);
	assert_int_equal(process_read_string(c.pid, (uintptr_t)page, buf, 1), -ESRCH);
}

/* Whole parts before the first that is not there. */
static void test_parts(void **state)
{
	struct child c = child_start(fill);
	uint64_t at = (uintptr_t)page;
	char a[4], b[6], gone[8], d[1];
	const struct memory_part parts[] = {
		{at + 1, a, sizeof(a)},
		{at + PAGE - 6, b, sizeof(b)},
		{at + PAGE - 4, gone, sizeof(gone)},
		{at, d, sizeof(d)},
	};
	struct memory_part many[2000];
	char bytes[ARRAY_SIZE(many)];
	struct memory m = memory_of_process(c.pid);

	child_wait(c.from);
	memset(bytes, 0, sizeof(bytes));
	for (size_t i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = (struct memory_part){at + i, &bytes[i], 1};
	for (int way = 0; way < 2; way++) {
		memset(b, 0, sizeof(b));
		assert_int_equal(memory_read_parts(&m, parts, 4), 2);
		assert_string_equal(b, "hello");
		assert_int_equal(memory_read_parts(&m, parts, 0), 0);
		assert_int_equal(memory_read_parts(&m, many, ARRAY_SIZE(many)), ARRAY_SIZE(many));
		assert_int_equal(bytes[ARRAY_SIZE(many) - 1], 'a');
		m.read_parts = NULL;
	}
	m = memory_of_process(c.pid);
	child_end(&c);
	assert_int_equal(memory_read_parts(&m, parts, 4), 0);
}

static void test_string(void **state)
{
	struct child c = child_start(fill);
	char buf[2 * PAGE];

	child_wait(c.from);
	/* It ends with the page: nothing behind it may be touched. */
	assert_int_equal(process_read_string(c.pid, (uintptr_t)page + PAGE - 6, buf, sizeof(buf)),
			 5);
	assert_string_equal(buf, "hello");
	assert_int_equal(process_read_string(c.pid, (uintptr_t)page + PAGE - 6, buf, 6), 5);
	assert_int_equal(process_read_string(c.pid, (uintptr_t)page + PAGE - 6, buf, 5),
			 -ENAMETOOLONG);
	assert_int_equal(process_read_string(c.pid, (uintptr_t)page + PAGE - 1, buf, 8), 0);
	assert_int_equal(process_read_string(c.pid, (uintptr_t)page, buf, sizeof(buf)), PAGE - 1);
	assert_int_equal(process_read_string(c.pid, (uintptr_t)page, buf, 0), -ENAMETOOLONG);
	assert_int_equal(process_read_string(c.pid, (uintptr_t)page + PAGE, buf, 8), -EFAULT);
	child_end(&c);
}

static void hide(int to_parent, int from_parent)
{
	memset(page, 'h', PAGE);
	CHECK(!mprotect(page, PAGE, PROT_NONE));
	child_tell(to_parent);
}

/* process_vm_readv refuses such a page, /proc/PID/mem does not. */
static void test_hidden_page(void **state)
{
	struct child c = child_start(hide);
	char byte = 0;

	child_wait(c.from);
	assert_int_equal(process_read_memory(c.pid, (uintptr_t)page + 7, &byte, 1), 0);
	assert_int_equal(byte, 'h');
	child_end(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_string),
		cmocka_unit_test(test_hidden_page),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
