/* UTF-8 and JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "base/json.h"
#include "base/utf8.h"

static void test_utf8_len(void **state)
{
	static const struct {
		const char *s;
		size_t len, want;
	} cases[] = {
		{"", 0, 0},
		{"a", 1, 1},
		{"\0", 1, 1},
		{"\x7f", 1, 1},
		{"\x80", 1, 0},		    /* a continuation alone */
		{"\xc3\xa9", 2, 2},	    /* U+00E9 */
		{"\xc3\xa9", 1, 0},	    /* cut */
		{"\xc3z", 2, 0},	    /* no continuation */
		{"\xc0\x80", 2, 0},	    /* overlong NUL */
		{"\xc1\xbf", 2, 0},	    /* overlong */
		{"\xdf\xbf", 2, 2},	    /* U+07FF */
		{"\xe0\x9f\xbf", 3, 0},	    /* overlong */
		{"\xe0\xa0\x80", 3, 3},	    /* U+0800 */
		{"\xe2\x82\xac", 3, 3},	    /* U+20AC */
		{"\xe2\x82\xac", 2, 0},	    /* cut */
		{"\xed\x9f\xbf", 3, 3},	    /* U+D7FF */
		{"\xed\xa0\x80", 3, 0},	    /* a surrogate */
		{"\xef\xbf\xbf", 3, 3},	    /* U+FFFF */
		{"\xf0\x8f\xbf\xbf", 4, 0}, /* overlong */
		{"\xf0\x90\x80\x80", 4, 4}, /* U+10000 */
		{"\xf0\x9f\x94\xa5", 4, 4}, /* U+1F525 */
		{"\xf0\x9f\x94\xa5", 3, 0}, /* cut */
		{"\xf4\x8f\xbf\xbf", 4, 4}, /* U+10FFFF */
		{"\xf4\x90\x80\x80", 4, 0}, /* behind the end of Unicode */
		{"\xf5\x80\x80\x80", 4, 0},
		{"\xff", 1, 0},
		{"\xf8\x88\x80\x80\x80", 5, 0}, /* five bytes were never allowed */
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(utf8_len(cases[i].s, cases[i].len), cases[i].want);
}

static void test_utf8_width(void **state)
{
	static const struct {
		const char *s;
		uint32_t point;
		unsigned int width;
	} cases[] = {
		{"a", 'a', 1},
		{"\xc3\xa9", 0xe9, 1},
		{"\xcc\x81", 0x301, 0},		  /* an accent that combines */
		{"\xd7\x90", 0x5d0, 1},		  /* Hebrew */
		{"\xe1\x84\x80", 0x1100, 2},	  /* Hangul: a first consonant, */
		{"\xe1\x85\xa1", 0x1161, 0},	  /* and its vowel */
		{"\xe2\x80\x8b", 0x200b, 0},	  /* a space of no width */
		{"\xe2\x80\xae", 0x202e, 0},	  /* from right to left from here on */
		{"\xe2\x82\xac", 0x20ac, 1},	  /* euro */
		{"\xe6\x97\xa5", 0x65e5, 2},	  /* a sign of Chinese */
		{"\xef\xbc\xa1", 0xff21, 2},	  /* a wide A */
		{"\xf0\x9f\x94\xa5", 0x1f525, 2}, /* fire */
		{"\xf0\xa0\x80\x80", 0x20000, 2}, /* more Chinese */
		{"\xf3\xa0\x84\x80", 0xe0100, 0}, /* a variation selector */
		{"\xf4\x8f\xbf\xbf", 0x10ffff, 1},
	};
	cleanup_buf struct buf none = {};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t n = utf8_len(cases[i].s, strlen(cases[i].s));
		cleanup_buf struct buf b = {};

		assert_int_equal(utf8_point(cases[i].s, n), cases[i].point);
		assert_int_equal(utf8_width(cases[i].point), cases[i].width);
		utf8_put_character(&b, cases[i].point);
		assert_string_equal(buf_cstr(&b), cases[i].s);
	}
	utf8_put_character(&none, 0xd800);
	utf8_put_character(&none, 0x110000);
	assert_string_equal(buf_cstr(&none), "\xef\xbf\xbd\xef\xbf\xbd");
}

static void expect_printable(const char *s, size_t len, const char *want)
{
	cleanup_buf struct buf b = {};

	utf8_put_printable(&b, s, len);
	assert_string_equal(buf_cstr(&b), want);
}

static void test_printable(void **state)
{
	expect_printable("plain", 5, "plain");
	expect_printable("a\nb\tc\x1b[31m", 10, "a\\x0ab\\x09c\\x1b[31m");
	expect_printable("\0x", 2, "\\x00x");
	expect_printable("caf\xc3\xa9 \xf0\x9f\x94\xa5", 10, "caf\xc3\xa9 \xf0\x9f\x94\xa5");
	expect_printable("\xc2\x9b"
			 "31m",
			 5, "\\xc2\\x9b31m"); /* CSI as one character */
	expect_printable("\xc2\xa0", 2, "\xc2\xa0");
	expect_printable("\xff\xc3", 2, "\\xff\\xc3");
	expect_printable("\x7f", 1, "\\x7f");
}

static void expect_valid(const char *s, size_t len, const char *want)
{
	cleanup_buf struct buf b = {};

	utf8_put_valid(&b, s, len);
	assert_string_equal(buf_cstr(&b), want);
}

static void test_valid(void **state)
{
	expect_valid("", 0, "");
	expect_valid("as it is \xc3\xa9\n", 12, "as it is \xc3\xa9\n");
	expect_valid("\xff", 1, "\xef\xbf\xbd");
	expect_valid("a\xc3", 2, "a\xef\xbf\xbd");
	expect_valid("a\xed\xa0\x80z", 5, "a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz");
}

static void expect_json_string(const char *s, size_t len, const char *want)
{
	cleanup_buf struct buf b = {};
	struct json j = {.out = &b};

	json_text_n(&j, s, len);
	assert_string_equal(buf_cstr(&b), want);
}

static void test_json_strings(void **state)
{
	expect_json_string("", 0, "\"\"");
	expect_json_string("a\"b\\c", 5, "\"a\\\"b\\\\c\"");
	expect_json_string("\n\r\t\x01\x7f", 5, "\"\\n\\r\\t\\u0001\\u007f\"");
	expect_json_string("\0", 1, "\"\\u0000\"");
	expect_json_string("</script>&", 10, "\"\\u003c/script\\u003e\\u0026\"");
	expect_json_string("\xc3\xa9\xf0\x9f\x94\xa5", 6, "\"\xc3\xa9\xf0\x9f\x94\xa5\"");
	expect_json_string("\xff-\xed\xa0\x80", 5,
			   "\"\xef\xbf\xbd-\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
	expect_json_string("\xe2\x82", 2, "\"\xef\xbf\xbd\xef\xbf\xbd\"");
}

static void test_json_nesting(void **state)
{
	cleanup_buf struct buf b = {};
	struct json j = {.out = &b};

	json_object_begin(&j);
	json_key(&j, "empty");
	json_array_begin(&j);
	json_array_end(&j);
	json_key(&j, "list");
	json_array_begin(&j);
	json_int(&j, 1);
	json_object_begin(&j);
	json_object_end(&j);
	json_array_begin(&j);
	json_none(&j);
	json_array_end(&j);
	json_text(&j, "x");
	json_array_end(&j);
	json_key(&j, "a\"b");
	json_bool(&j, true);
	json_member_bool(&j, "no", false);
	json_member_int(&j, "n", -2);
	json_member_double(&j, "d", 0.5);
	json_member_text(&j, "s", "");
	json_member_text(&j, "t", NULL);
	json_object_end(&j);
	assert_string_equal(buf_cstr(&b), "{\"empty\":[],\"list\":[1,{},[null],\"x\"],"
					  "\"a\\\"b\":true,\"no\":false,\"n\":-2,\"d\":0.5,"
					  "\"s\":\"\",\"t\":null}");
}

static void test_json_numbers(void **state)
{
	cleanup_buf struct buf b = {};
	struct json j = {.out = &b};

	json_array_begin(&j);
	json_int(&j, INT64_MIN);
	json_int(&j, INT64_MAX);
	json_double(&j, 0.1);
	json_double(&j, -0.0);
	json_double(&j, 1e300);
	json_double(&j, NAN);
	json_double(&j, INFINITY);
	json_double(&j, -INFINITY);
	json_array_end(&j);
	double back = strtod(strchr(strchr(buf_cstr(&b), ',') + 1, ',') + 1, NULL);

	assert_true(back == 0.1);
	assert_string_equal(buf_cstr(&b), "[-9223372036854775808,9223372036854775807,0.1,-0,"
					  "1e+300,null,null,null]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_utf8_len),     cmocka_unit_test(test_utf8_width),
		cmocka_unit_test(test_printable),    cmocka_unit_test(test_valid),
		cmocka_unit_test(test_json_strings), cmocka_unit_test(test_json_nesting),
		cmocka_unit_test(test_json_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
