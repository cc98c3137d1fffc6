/* A file stands for the kernel's memory: we write what it would, and what it never would. The real
 * one is read by tests of families and of mappings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <linux/perf_event.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/perf_ring.h"

enum { BYTES = 4096 };
struct record {
	struct perf_event_header header;
	uint64_t number[3];
};

static struct perf_ring open_ring(void)
{
	struct perf_ring r;
	int fd = memfd_create("ring", MFD_CLOEXEC);

	assert_true(fd >= 0 && !ftruncate(fd, sysconf(_SC_PAGESIZE) + BYTES));
	assert_int_equal(perf_ring_open(fd, BYTES, BYTES, &r), 0);
	assert_true(perf_ring_empty(&r));
	return r;
}

static void put(struct perf_ring *r, const void *bytes, size_t n)
{
	uint8_t *data = (uint8_t *)r->page + sysconf(_SC_PAGESIZE);

	for (size_t i = 0; i < n; i++)
		data[(r->page->data_head + i) % BYTES] = ((const uint8_t *)bytes)[i];
	r->page->data_head += n;
}

static void put_record(struct perf_ring *r, uint64_t number, uint16_t size)
{
	struct record one = {.header = {.size = size}, .number = {number, number, number}};

	put(r, &one, MIN(size, sizeof(one)));
	r->page->data_head += size - MIN(size, sizeof(one));
}

/* 32 bytes each, begun at 8: one in 128 goes over the end of the ring. */
static void test_order_and_end(void **state)
{
	struct perf_ring r = open_ring();
	struct record one;

	r.page->data_head = r.page->data_tail = 8;
	for (uint64_t i = 0; i < 1000; i += 100) {
		for (uint64_t k = i; k < i + 100; k++)
			put_record(&r, k, sizeof(one));
		for (uint64_t k = i; k < i + 100; k++) {
			assert_false(perf_ring_empty(&r));
			assert_int_equal(perf_ring_take(&r, &one, sizeof(one)), sizeof(one));
			for (size_t w = 0; w < ARRAY_SIZE(one.number); w++)
				assert_int_equal(one.number[w], k);
		}
		assert_int_equal(perf_ring_take(&r, &one, sizeof(one)), 0);
		assert_true(perf_ring_empty(&r));
	}
	perf_ring_close(&r);
}

static void test_too_long(void **state)
{
	struct perf_ring r = open_ring();
	struct record one;

	put_record(&r, 1, sizeof(one) + 8);
	put_record(&r, 2, sizeof(one));
	put_record(&r, 3, 2048);
	assert_int_equal(perf_ring_take(&r, &one, sizeof(one)), sizeof(one));
	assert_int_equal(one.number[0], 2);
	assert_int_equal(perf_ring_take(&r, &one, sizeof(one)), 0);
	assert_true(perf_ring_empty(&r));
	perf_ring_close(&r);
}

/* A size of nothing, and one that goes beyond what was written. */
static void test_no_records(void **state)
{
	static const uint16_t sizes[] = {0, 7, 4000};
	struct perf_ring r = open_ring();
	struct record one;

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct record bad = {.header = {.size = sizes[i]}};

		put(&r, &bad, sizeof(bad));
		assert_int_equal(perf_ring_take(&r, &one, sizeof(one)), -EPROTO);
		assert_true(perf_ring_empty(&r));
		put_record(&r, i, sizeof(one));
		assert_int_equal(perf_ring_take(&r, &one, sizeof(one)), sizeof(one));
		assert_int_equal(one.number[2], i);
	}
	perf_ring_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order_and_end),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_no_records),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
