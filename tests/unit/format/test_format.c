/* What every format promises, and how formats are found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "dump.h"
#include "format/format.h"

static char *folded(const struct profile *p)
{
	struct buf b = {};

	assert_int_equal(format_folded.write(p, &b, NULL), 0);
	buf_cstr(&b);
	return (char *)b.data;
}

static struct profile *sample(void)
{
	struct profile *p = dump_sample_profile("cpu", "nanoseconds", 10);

	profile_add(p, 0, 0, 0, 50); /* its samples without a stack have a value, too */
	return p;
}

/* What was written is recognised, and comes back with its stacks, processes and counts. */
static void test_round_trip(void **state)
{
	cleanup_profile struct profile *p = sample();
	cleanup_free char *want = folded(p);
	const struct format *f;
	size_t n = 0;

	for (size_t i = 0; (f = format_at(i)); i++) {
		cleanup(profile_vec_fini) profile_vec v = {};
		cleanup_buf struct buf b = {};
		struct err e = {};

		if (!f->write || !f->read)
			continue;
		assert_int_equal(f->write(p, &b, NULL), 0);
		assert_ptr_equal(format_detect(b.data, b.len), f);
		if (f->read(b.data, b.len, &v, &e) < 0)
			fail_msg("%s: %s", f->name, e.msg);
		assert_int_equal(v.len, 1);
		cleanup_free char *got = folded(v.data[0]);

		assert_string_equal(got, want);
		n++;
	}
	assert_true(n >= 4);
}

/* Nothing is read from nothing but what nothing means, and nothing is left behind. */
static void test_empty_and_damaged(void **state)
{
	cleanup_profile struct profile *p = sample();
	const struct format *f;

	for (size_t i = 0; (f = format_at(i)); i++) {
		cleanup_buf struct buf b = {};

		if (!f->read)
			continue;
		assert_int_equal(f->write(p, &b, NULL), 0);
		for (size_t at = 0; at < b.len; at++) {
			cleanup(profile_vec_fini) profile_vec v = {};
			struct err e = {};

			b.data[at] ^= 0x55;
			int r = f->read(b.data, b.len, &v, &e);

			b.data[at] ^= 0x55;
			if (r < 0)
				assert_true(v.len == 0 && *e.msg && e.code == r);
		}
	}
}

static void test_registry(void **state)
{
	const struct format *f;

	for (size_t i = 0; (f = format_at(i)); i++) {
		cleanup_free char *path = mem_asprintf("/tmp/x%s", f->suffix);

		assert_ptr_equal(format_by_name(f->name), f);
		assert_ptr_equal(format_by_file_name(path), f);
		assert_null(format_by_file_name(f->suffix));
		assert_non_null(f->detect);
		assert_true(f->read || f->write);
	}
	assert_null(format_by_name("none"));
	assert_null(format_by_file_name("x.gz"));
	assert_null(format_by_file_name(""));
}

static void test_detect(void **state)
{
	assert_null(format_detect("hello\n", 6));
	assert_null(format_detect("{\"a\": 1}\n", 9));
	assert_null(format_detect("", 0));
	assert_null(format_detect(NULL, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_empty_and_damaged),
		cmocka_unit_test(test_registry),
		cmocka_unit_test(test_detect),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
