/* zstd and gzip, and what tries to be larger than allowed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/compress.h"

typedef int compress_fn(const void *, size_t, int, struct buf *);
typedef int decompress_fn(const void *, size_t, size_t, struct buf *, struct err *);
static const struct {
	compress_fn *compress;
	decompress_fn *decompress;
} methods[] = {{compress_zstd, decompress_zstd}, {compress_gzip, decompress_gzip}};

static void fill(struct buf *b, size_t n)
{
	uint32_t random = 7;

	for (size_t i = 0; i < n; i++) {
		random = random * 1664525 + 1013904223;
		buf_putc(b, (char)(random >> 28)); /* 16 values: it can be compressed */
	}
}

static void test_round_trip(void **state)
{
	static const size_t sizes[] = {0, 1, 100, 70000, 1 << 20};

	for (size_t m = 0; m < ARRAY_SIZE(methods); m++) {
		for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
			cleanup_buf struct buf plain = {}, packed = {}, again = {};

			fill(&plain, sizes[i]);
			buf_puts(&again, "kept");
			assert_int_equal(methods[m].compress(plain.data, plain.len, 3, &packed), 0);
			/* Exactly as much as allowed is allowed. */
			assert_int_equal(methods[m].decompress(packed.data, packed.len, sizes[i],
							       &again, NULL),
					 0);
			assert_int_equal(again.len, 4 + sizes[i]);
			assert_memory_equal(again.data, "kept", 4);
			if (sizes[i])
				assert_memory_equal(again.data + 4, plain.data, sizes[i]);
		}
	}
}

static void test_one_byte_too_many(void **state)
{
	for (size_t m = 0; m < ARRAY_SIZE(methods); m++) {
		cleanup_buf struct buf plain = {}, packed = {}, out = {};
		struct err e = {};

		fill(&plain, 300000);
		methods[m].compress(plain.data, plain.len, 3, &packed);
		assert_int_equal(methods[m].decompress(packed.data, packed.len, 299999, &out, &e),
				 -EFBIG);
		assert_non_null(strstr(e.msg, "299999"));
	}
}

/* 64 MiB of zeros in some kilobytes: refused, and never held. */
static void test_bomb(void **state)
{
	for (size_t m = 0; m < ARRAY_SIZE(methods); m++) {
		cleanup_buf struct buf plain = {}, packed = {}, out = {};
		size_t size = 64 << 20;

		buf_reserve(&plain, size);
		memset(plain.data, 0, size);
		methods[m].compress(plain.data, size, 1, &packed);
		buf_fini(&plain);
		assert_true(packed.len < 1 << 20);
		assert_int_equal(methods[m].decompress(packed.data, packed.len, 1 << 20, &out,
						       NULL),
				 -EFBIG);
		assert_true(out.cap <= 4 << 20);
	}
}

static void test_truncated(void **state)
{
	for (size_t m = 0; m < ARRAY_SIZE(methods); m++) {
		cleanup_buf struct buf plain = {}, packed = {};

		fill(&plain, 500);
		methods[m].compress(plain.data, plain.len, 3, &packed);
		for (size_t cut = 0; cut < packed.len; cut++) {
			cleanup_buf struct buf out = {};
			/* A copy of the exact size, so that a read behind it is seen. */
			cleanup_free uint8_t *copy = mem_calloc(1, cut);

			memcpy(copy, packed.data, cut);
			assert_int_equal(methods[m].decompress(copy, cut, 1 << 20, &out, NULL),
					 -EBADMSG);
		}
	}
}

static void test_damaged(void **state)
{
	for (size_t m = 0; m < ARRAY_SIZE(methods); m++) {
		cleanup_buf struct buf plain = {}, packed = {};

		fill(&plain, 200);
		methods[m].compress(plain.data, plain.len, 3, &packed);
		for (size_t i = 0; i < packed.len * 8; i++) {
			cleanup_buf struct buf out = {};

			packed.data[i / 8] ^= (uint8_t)(1 << i % 8);
			/* Some bits do not matter to it: then the size must still be kept. */
			if (methods[m].decompress(packed.data, packed.len, 1000, &out, NULL) == 0)
				assert_true(out.len <= 1000);
			packed.data[i / 8] ^= (uint8_t)(1 << i % 8);
		}
	}
}

static void test_not_compressed_at_all(void **state)
{
	for (size_t m = 0; m < ARRAY_SIZE(methods); m++) {
		cleanup_buf struct buf out = {};
		struct err e = {};

		assert_int_equal(methods[m].decompress("hello, this is text", 19, 100, &out, &e),
				 -EBADMSG);
		assert_true(e.msg[0]);
	}
}

/* Two pieces after each other are one text, as zstd and gzip files may have it. */
static void test_two_pieces(void **state)
{
	for (size_t m = 0; m < ARRAY_SIZE(methods); m++) {
		cleanup_buf struct buf packed = {}, out = {}, small = {};

		methods[m].compress("one ", 4, 3, &packed);
		methods[m].compress("two", 3, 3, &packed);
		assert_int_equal(methods[m].decompress(packed.data, packed.len, 7, &out, NULL), 0);
		assert_string_equal(buf_cstr(&out), "one two");
		/* The limit is of both. */
		assert_int_equal(methods[m].decompress(packed.data, packed.len, 6, &small, NULL),
				 -EFBIG);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip), cmocka_unit_test(test_one_byte_too_many),
		cmocka_unit_test(test_bomb),	   cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_damaged),	   cmocka_unit_test(test_not_compressed_at_all),
		cmocka_unit_test(test_two_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
