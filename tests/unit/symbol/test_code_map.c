/* Ranges of made code, compared with an array that has a cell for each address. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "symbol/code_map.h"

enum { SPACE = 300, BASE = 1000 };

static uint32_t value_at(const struct code_map *m, uint64_t address)
{
	const struct code_range *r = code_map_find(m, address);

	return r ? r->value : 0;
}

static void check(const struct code_map *m, const uint32_t *truth)
{
	for (size_t i = 0; i < SPACE; i++)
		assert_int_equal(value_at(m, BASE + i), truth[i]);
	for (size_t i = 1; i < m->ranges.len; i++)
		assert_true(m->ranges.data[i - 1].start + m->ranges.data[i - 1].size <=
			    m->ranges.data[i].start);
}

static void test_random(void **state)
{
	srandom(7);
	for (int round = 0; round < 300; round++) {
		struct code_map m = {};
		uint32_t truth[SPACE] = {}, value = 1;
		long longest = 1 + random() % 60;

		for (int batches = 0; batches < 8; batches++) {
			code_range_vec batch = {};

			for (long n = random() % 12; n > 0; n--, value++) {
				struct code_range r;
				uint64_t start = (uint64_t)(random() % SPACE);
				uint64_t size = (uint64_t)(1 + random() % longest);

				size = MIN(size, SPACE - start);
				assert_true(code_range_make(BASE + start, size, value, &r));
				vec_push(&batch, r);
				for (uint64_t i = start; i < start + size; i++)
					truth[i] = value;
			}
			code_map_put(&m, &batch);
			assert_null(batch.data);
			check(&m, truth);
		}
		code_map_fini(&m);
	}
}

static void test_ends(void **state)
{
	struct code_map m = {};
	code_range_vec batch = {};
	struct code_range r;

	assert_null(code_map_find(&m, 5));
	code_map_put(&m, &batch);
	assert_false(code_range_make(5, 0, 1, &r));
	assert_false(code_range_make(UINT64_MAX - 1, 3, 1, &r));
	assert_true(code_range_make(UINT64_MAX - 2, 2, 1, &r));
	vec_push(&batch, r);
	assert_true(code_range_make(0, UINT64_MAX, 2, &r));
	assert_int_equal(r.size, UINT32_MAX);
	vec_push(&batch, r);
	code_map_put(&m, &batch);
	assert_int_equal(value_at(&m, 0), 2);
	assert_int_equal(value_at(&m, UINT32_MAX), 0);
	assert_int_equal(value_at(&m, UINT64_MAX - 1), 1);
	assert_int_equal(value_at(&m, UINT64_MAX), 0);
	code_map_fini(&m);
}

/* Hostile: every range holds all that come later, or all begin at one place. */
static void test_nested(void **state)
{
	enum { MANY = 100000 };
	int64_t start = clock_cpu_ns();

	for (int kind = 0; kind < 3; kind++) {
		struct code_map m = {};
		code_range_vec batch = {};

		for (uint32_t i = 0; i < MANY; i++) {
			struct code_range r = {i, 2 * (MANY - i), i + 1};

			if (kind == 1)
				r = (struct code_range){7, i + 1, i + 1};
			if (kind == 2)
				r = (struct code_range){7, MANY - i, i + 1};
			vec_push(&batch, r);
		}
		code_map_put(&m, &batch);
		assert_in_range(m.ranges.len, 1, 2 * MANY);
		assert_int_equal(value_at(&m, 7), kind ? MANY : 8);
		code_map_fini(&m);
	}
	assert_true(clock_cpu_ns() - start < 5 * NSEC_PER_SEC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_nested),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
