/* The protobuf wire format. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/wire.h"

static void test_varints(void **state)
{
	static const uint64_t values[] = {
		0, 1, 127, 128, 300, 16383, 16384, UINT32_MAX, 1ULL << 56, INT64_MAX, UINT64_MAX};

	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		cleanup_buf struct buf b = {};
		uint64_t v = 1;

		wire_put_varint(&b, values[i]);
		struct wire_reader r = wire_reader(b.data, b.len);

		assert_true(wire_varint(&r, &v));
		assert_true(v == values[i]);
		assert_false(wire_varint(&r, &v));
		assert_false(r.error);
		/* Every shorter piece is an error, but for none at all. */
		for (size_t cut = 1; cut < b.len; cut++) {
			r = wire_reader(b.data, cut);
			assert_false(wire_varint(&r, &v));
			assert_true(r.error);
		}
	}
}

static void test_overlong_varint(void **state)
{
	static const uint8_t ten[] = {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00};
	static const uint8_t eleven[] = {0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
					 0x80, 0x80, 0x80, 0x80, 0x00};
	struct wire_reader r = wire_reader(ten, sizeof(ten));
	uint64_t v = 1;

	assert_true(wire_varint(&r, &v)); /* zeros in front are allowed, ten bytes are the end */
	assert_int_equal(v, 0);
	r = wire_reader(eleven, sizeof(eleven));
	assert_false(wire_varint(&r, &v));
	assert_true(r.error);
	assert_false(wire_varint(&r, &v)); /* stuck at its end */
}

static void test_fields(void **state)
{
	cleanup_buf struct buf b = {};
	struct wire_field f;

	wire_put_uint(&b, 1, 300);
	wire_put_fixed64(&b, 2, 0x1122334455667788);
	wire_put_double(&b, 536870911, -2.5);
	wire_put_string(&b, 4, "text");
	wire_put_bytes(&b, 5, NULL, 0);
	buf_append(&b, "\x35\x01\x02\x03\x04", 5); /* field 6, four bytes */
	struct wire_reader r = wire_reader(b.data, b.len);

	assert_true(wire_next(&r, &f));
	assert_int_equal(f.number, 1);
	assert_int_equal(f.type, WIRE_VARINT);
	assert_int_equal(f.value, 300);
	assert_true(wire_next(&r, &f));
	assert_int_equal(f.type, WIRE_FIXED64);
	assert_true(f.value == 0x1122334455667788);
	assert_true(wire_next(&r, &f));
	assert_int_equal(f.number, 536870911);
	assert_true(wire_to_double(f.value) == -2.5);
	assert_true(wire_next(&r, &f));
	assert_int_equal(f.len, 4);
	assert_memory_equal(f.data, "text", 4);
	assert_true(wire_next(&r, &f));
	assert_int_equal(f.number, 5);
	assert_int_equal(f.len, 0);
	assert_true(wire_next(&r, &f));
	assert_int_equal(f.type, WIRE_FIXED32);
	assert_int_equal(f.value, 0x04030201);
	assert_false(wire_next(&r, &f));
	assert_false(r.error);
}

/* Every cut of a message is found out, unless it falls between two fields. */
static void test_truncated(void **state)
{
	cleanup_buf struct buf b = {};
	struct wire_field f;

	wire_put_uint(&b, 1, 300);	     /* bytes 0..2 */
	wire_put_fixed64(&b, 2, 7);	     /* bytes 3..11 */
	wire_put_string(&b, 4, "something"); /* bytes 12..22 */
	for (size_t cut = 0; cut <= b.len; cut++) {
		struct wire_reader r = wire_reader(b.data, cut);

		while (wire_next(&r, &f))
			;
		assert_int_equal(r.error, !(cut == 0 || cut == 3 || cut == 12 || cut == b.len));
	}
}

static void expect_error(const char *bytes, size_t n)
{
	struct wire_reader r = wire_reader(bytes, n);
	struct wire_field f;

	assert_false(wire_next(&r, &f));
	assert_true(r.error);
	assert_false(wire_next(&r, &f));
}

static void test_malformed(void **state)
{
	expect_error("\x00\x01", 2); /* field 0 */
	expect_error("\x0b\x0c", 2); /* groups are gone */
	expect_error("\x0e\x00", 2); /* type 6 */
	expect_error("\x0f\x00", 2); /* type 7 */
	expect_error("\x0a\x05"
		     "abc",
		     5); /* longer than the message */
	expect_error("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11); /* 2^64 - 1 bytes */
	expect_error("\x80\x80\x80\x80\x10\x00", 6);			  /* field number 2^29 */
	expect_error("\x09\x00\x00", 3);
	expect_error("\x0d\x00\x00", 3);
}

static void test_empty(void **state)
{
	struct wire_reader r = wire_reader(NULL, 0);
	struct wire_field f = {.number = 9};

	assert_false(wire_next(&r, &f));
	assert_false(r.error);
	assert_int_equal(f.number, 9);
	/* The inside of something that is no message is empty. */
	r = wire_sub(&(struct wire_field){.type = WIRE_VARINT, .value = 3});
	assert_false(wire_next(&r, &f));
	assert_false(r.error);
}

/* Lengths of one, two and three bytes, nested. */
static void test_nesting(void **state)
{
	for (size_t n = 0; n < 40000; n = n * 2 + 1) {
		cleanup_buf struct buf b = {};
		struct wire_field f;

		buf_puts(&b, "before");
		size_t outer = wire_begin(&b, 1), inner = wire_begin(&b, 2);

		for (size_t i = 0; i < n; i++)
			buf_putc(&b, (char)i);
		wire_end(&b, inner);
		wire_put_uint(&b, 3, n);
		wire_end(&b, outer);
		assert_memory_equal(b.data, "before", 6);
		struct wire_reader r = wire_reader(b.data + 6, b.len - 6);

		assert_true(wire_next(&r, &f));
		struct wire_reader sub = wire_sub(&f);

		assert_false(wire_next(&r, &f));
		assert_true(wire_next(&sub, &f));
		assert_int_equal(f.number, 2);
		assert_int_equal(f.len, n);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(f.data[i], (uint8_t)i);
		assert_true(wire_next(&sub, &f));
		assert_int_equal(f.value, n);
		assert_false(sub.error || r.error);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_varints),	  cmocka_unit_test(test_overlong_varint),
		cmocka_unit_test(test_fields),	  cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_malformed), cmocka_unit_test(test_empty),
		cmocka_unit_test(test_nesting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
