/* Memory of other processes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/mman.h>

#include "child.h"
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
		cmocka_unit_test(test_string),
		cmocka_unit_test(test_hidden_page),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
