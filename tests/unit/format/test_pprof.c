/* pprof: round trips, other writers' files, and what is refused. That `go tool pprof` reads what is
 * written here is tested in tests/integration/test_formats.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/compress.h"
#include "base/wire.h"
#include "dump.h"
#include "format/format.h"

static void test_round_trip(void **state)
{
	cleanup_profile struct profile *p = dump_sample_profile("cpu", "nanoseconds", 10);
	cleanup_buf struct buf b = {};
	cleanup(profile_vec_fini) profile_vec v = {};
	struct err e = {};

	/* What pprof has no place for. */
	memset(p->id, 0, sizeof(p->id));
	p->samples.data[0].value = 30;
	assert_int_equal(format_pprof.write(p, &b, NULL), 0);
	if (format_pprof.read(b.data, b.len, &v, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(v.len, 1);
	cleanup_free char *want = dump_profile(p), *got = dump_profile(v.data[0]);

	assert_string_equal(got, want);
}

static void test_round_trip_of_other_types(void **state)
{
	static const char *const types[][2] = {
		{"wall", "nanoseconds"}, {"alloc", "bytes"}, {"inuse", "bytes"}};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		cleanup_profile struct profile *p =
			dump_sample_profile(types[i][0], types[i][1], 0);
		cleanup_buf struct buf b = {};
		cleanup(profile_vec_fini) profile_vec v = {};

		assert_int_equal(format_pprof.write(p, &b, NULL), 0);
		assert_int_equal(format_pprof.read(b.data, b.len, &v, NULL), 0);
		assert_int_equal(v.len, 1);
		assert_string_equal(v.data[0]->type, types[i][0]);
		assert_int_equal(profile_total_count(v.data[0]), profile_total_count(p));
		assert_int_equal(profile_total_value(v.data[0]), profile_total_value(p));
	}
}

/* --- files of other writers, made by hand ------------------------------------------------------
 */

static void put_type(struct buf *b, uint32_t field, uint64_t type, uint64_t unit)
{
	size_t mark = wire_begin(b, field);

	wire_put_uint(b, 1, type);
	wire_put_uint(b, 2, unit);
	wire_end(b, mark);
}

static void put_strings(struct buf *b, size_t n, const char *const *strings)
{
	for (size_t i = 0; i < n; i++)
		wire_put_string(b, 6, strings[i]);
}

/* The heap profile of a Go program: four columns, ids that are no places, an inlined function,
 * numbers as labels. */
static void put_go_heap(struct buf *b)
{
	static const char *const strings[] = {
		"",	      "alloc_objects", "count",	       "alloc_space",
		"bytes",      "inuse_objects", "inuse_space",  "space",
		"main.inner", "main.outer",    "/src/main.go", "/bin/prog",
		"size",	      "build"};
	put_type(b, 1, 1, 2);
	put_type(b, 1, 3, 4);
	put_type(b, 1, 5, 2);
	put_type(b, 1, 6, 4);
	size_t sample = wire_begin(b, 2);

	wire_put_uint(b, 1, 1000000007); /* not packed */
	size_t values = wire_begin(b, 2);

	for (uint64_t v = 1; v <= 4; v++)
		wire_put_varint(b, v * 10);
	wire_end(b, values);
	size_t label = wire_begin(b, 3);

	wire_put_uint(b, 1, 12);
	wire_put_uint(b, 3, 512);
	wire_end(b, label);
	wire_end(b, sample);
	size_t mapping = wire_begin(b, 3);

	wire_put_uint(b, 1, 77);
	wire_put_uint(b, 5, 11);
	wire_put_uint(b, 6, 13);
	wire_end(b, mapping);
	size_t location = wire_begin(b, 4);

	wire_put_uint(b, 1, 1000000007);
	wire_put_uint(b, 2, 77);
	wire_put_uint(b, 3, 0xabc);
	for (uint64_t f = 0; f < 2; f++) {
		size_t line = wire_begin(b, 4);

		wire_put_uint(b, 1, 5000 + f);
		wire_put_uint(b, 2, 21 + f);
		wire_end(b, line);
	}
	wire_end(b, location);
	for (uint64_t f = 0; f < 2; f++) {
		size_t function = wire_begin(b, 5);

		wire_put_uint(b, 1, 5000 + f);
		wire_put_uint(b, 2, 8 + f);
		wire_put_uint(b, 4, 10);
		wire_put_uint(b, 5, 20);
		wire_end(b, function);
	}
	put_type(b, 11, 7, 4);
	wire_put_uint(b, 12, 524288);
	put_strings(b, ARRAY_SIZE(strings), strings);
}

static void test_go_heap(void **state)
{
	cleanup_buf struct buf b = {};
	cleanup(profile_vec_fini) profile_vec v = {};
	struct err e = {};

	put_go_heap(&b);
	if (format_pprof.read(b.data, b.len, &v, &e) < 0) /* gzip is not demanded */
		fail_msg("%s", e.msg);
	assert_int_equal(v.len, 2);
	cleanup_free char *alloc = dump_profile(v.data[0]), *inuse = dump_profile(v.data[1]);

	assert_string_equal(alloc, "alloc bytes period 524288 time 0 + 0 id \n"
				   "size=512 ; 1 main.outer [/src/main.go @20 in prog] line 22 at "
				   "0x0; 1 main.inner [/src/main.go @20 in prog] line 21 at 0x0"
				   " | 10 20\n");
	assert_string_equal(strrchr(inuse, '|'), "| 30 40\n");
	assert_string_equal(v.data[1]->type, "inuse");
}

/* Nothing but a count: a period each. */
static void test_samples_alone(void **state)
{
	static const char *const strings[] = {"", "samples", "count", "cpu", "ms"};
	cleanup_buf struct buf b = {};
	cleanup(profile_vec_fini) profile_vec v = {};

	put_type(&b, 1, 1, 2);
	size_t sample = wire_begin(&b, 2);

	wire_put_uint(&b, 2, 7);
	wire_end(&b, sample);
	put_type(&b, 11, 3, 4);
	wire_put_uint(&b, 12, 10);
	put_strings(&b, ARRAY_SIZE(strings), strings);
	assert_int_equal(format_pprof.read(b.data, b.len, &v, NULL), 0);
	assert_int_equal(v.len, 1);
	assert_int_equal(v.data[0]->period, 10000000);
	assert_int_equal(profile_total_count(v.data[0]), 7);
	assert_int_equal(profile_total_value(v.data[0]), 70000000);
}

static void expect_refused(struct buf *b, const char *reason)
{
	cleanup(profile_vec_fini) profile_vec v = {};
	struct err e = {};

	assert_int_equal(format_pprof.read(b->data, b->len, &v, &e), -EBADMSG);
	if (!strstr(e.msg, reason))
		fail_msg("\"%s\" is not in \"%s\"", reason, e.msg);
	assert_int_equal(v.len, 0);
	buf_fini(b);
}

/* One more entry that names what is not there. */
static void test_refuses(void **state)
{
	static const struct {
		const char *entry;
		size_t len;
		const char *reason;
	} cases[] = {
		{"\x0a\x02\x08\x63", 4, "string 99"},
		{"\x12\x02\x08\x63", 4, "no location"},
		{"\x12\x04\x1a\x02\x08\x63", 6, "string 99"},
		{"\x1a\x02\x28\x63", 4, "string 99"},
		{"\x22\x02\x10\x63", 4, "no mapping"},
		{"\x22\x04\x22\x02\x08\x63", 6, "no function"},
		{"\x2a\x02\x10\x63", 4, "string 99"},
		{"\x5a\x02\x08\x63", 4, "string 99"},
		{"\x12\x02\x0a\x63", 4, "damaged"},
		{"\x12\x63", 2, "damaged"},
	};
	struct buf b = {};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		put_go_heap(&b);
		buf_append(&b, cases[i].entry, cases[i].len);
		expect_refused(&b, cases[i].reason);
	}
	put_go_heap(&b);
	buf_append(&b, "\x12\x0e\x12\x0c\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x01", 16);
	expect_refused(&b, "negative");
	expect_refused(&b, "string 0");
	wire_put_string(&b, 6, "");
	expect_refused(&b, "no sample type");
	buf_puts(&b, "\x1f\x8b not gzip at all");
	expect_refused(&b, "gzip");
}

static void test_deep(void **state)
{
	cleanup_profile struct profile *p = profile_new("cpu", "nanoseconds", 1);
	cleanup_buf struct buf b = {};
	cleanup(profile_vec_fini) profile_vec v = {};
	uint32_t stack = 0, frames[FORMAT_MAX_DEPTH];

	for (uint32_t i = 0; i < FORMAT_MAX_DEPTH + 5; i++)
		stack = profile_stack(p, stack,
				      dump_frame(p, "f", "x.py", "", 0, i + 1, 0, FRAME_PYTHON));
	profile_add(p, stack, 0, 1, 1);
	assert_int_equal(format_pprof.write(p, &b, NULL), 0);
	assert_int_equal(format_pprof.read(b.data, b.len, &v, NULL), 0);
	const struct profile *got = v.data[0];

	assert_int_equal(profile_unroll(got, got->samples.data[0].stack, frames, FORMAT_MAX_DEPTH),
			 FORMAT_MAX_DEPTH);
	assert_int_equal(got->frames.data[frames[0]].line, FORMAT_MAX_DEPTH + 5);
	assert_int_equal(
		got->functions.data[got->frames.data[frames[FORMAT_MAX_DEPTH - 1]].function].kind,
		FRAME_MARK);
}

static void test_truncated_and_damaged(void **state)
{
	cleanup_buf struct buf b = {};

	put_go_heap(&b);
	for (size_t n = 0; n < b.len; n++) {
		cleanup_free uint8_t *copy = mem_calloc(1, n);
		cleanup(profile_vec_fini) profile_vec v = {};

		memcpy(copy, b.data, n);
		format_pprof.read(copy, n, &v, NULL);
	}
	for (size_t i = 0; i < b.len; i++) {
		for (int k = 1; k < 256; k += 9) {
			cleanup(profile_vec_fini) profile_vec v = {};

			b.data[i] ^= (uint8_t)k;
			format_pprof.read(b.data, b.len, &v, NULL);
			b.data[i] ^= (uint8_t)k;
		}
	}
}

/* Zeros that unpack to more than a file may be. */
static void test_bomb(void **state)
{
	cleanup_buf struct buf zeros = {}, packed = {};
	cleanup(profile_vec_fini) profile_vec v = {};
	size_t size = 300 << 20;

	buf_reserve(&zeros, size);
	memset(zeros.data, 0, size);
	compress_gzip(zeros.data, size, 1, &packed);
	buf_fini(&zeros);
	assert_int_equal(format_pprof.read(packed.data, packed.len, &v, NULL), -EFBIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_round_trip_of_other_types),
		cmocka_unit_test(test_go_heap),
		cmocka_unit_test(test_samples_alone),
		cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_deep),
		cmocka_unit_test(test_truncated_and_damaged),
		cmocka_unit_test(test_bomb),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
