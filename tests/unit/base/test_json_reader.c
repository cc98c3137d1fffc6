/* JSON read piece by piece, judged by libjansson. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>

#include "base/json.h"
#include "base/json_reader.h"

/* Does our reader take the whole text? */
static bool takes(const char *s, size_t n)
{
	cleanup(json_reader_fini) struct json_reader r;

	json_reader_init(&r, s, n);
	return json_skip(&r) && json_end(&r);
}

static bool judge_takes(const char *s, size_t n)
{
	json_t *v = json_loadb(s, n, JSON_DECODE_ANY, NULL);

	json_decref(v);
	return v;
}

static const char *const texts[] = {
	"0",	      "-1.5e+3",     "1e5",
	"\"\"",	      "[]",	     "{}",
	"[[],{}]",    " [ 1 , 2 ] ", "{\"a\":{\"b\":[null,true,false,\"x\\n\\\"\"]},\"c\":-0.25}",
	"",	      "01",	     "1.",
	".5",	      "+1",	     "1e",
	"-",	      "[1,]",	     "[,1]",
	"[1 2]",      "{\"a\"}",     "{\"a\":}",
	"{\"a\":1,}", "{a:1}",	     "[1]]",
	"tru",	      "nulll",	     "\"a",
	"\"\\x\"",    "\"\n\"",	     "\"\\",
	"[1}",	      "{\"a\":1]",   "\"\\u12\"",
	"[\"\\",      "\x01",	     "[1,2",
	"{\"a\":1",
};

static void test_takes_what_is_json(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		bool want = judge_takes(texts[i], strlen(texts[i]));

		if (takes(texts[i], strlen(texts[i])) != want)
			fail_msg("%s: %s", texts[i], want ? "is JSON" : "is none");
	}
}

/* Every byte of a text changed to every character that means something. */
static void test_changed_texts(void **state)
{
	static const char other[] = "{}[]\",:\\ 01-.eEtnx";
	size_t taken = 0;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		cleanup_free char *s = mem_strdup(texts[i]);

		for (size_t k = 0; s[k]; k++) {
			for (size_t c = 0; other[c]; c++) {
				bool want;

				s[k] = other[c];
				want = judge_takes(s, strlen(s));
				taken += want;
				if (takes(s, strlen(s)) != want)
					fail_msg("%s: %s", s, want ? "is JSON" : "is none");
			}
			s[k] = texts[i][k];
		}
	}
	assert_true(taken > 100);
}

static void test_values(void **state)
{
	static const char text[] =
		"{\"n\": [0, 7, -3, 123456789012345, 1234567890123456789, 2.5e-3],"
		" \"skip\": {\"n\": [1, {}]},"
		" \"t\": \"a\\u00e9\\uD83D\\uDD25\\ud83dx\\u0041\\/\xff\"}";
	static const double want[] = {0, 7, -3, 123456789012345., 1234567890123456789., 0.0025};
	cleanup(json_reader_fini) struct json_reader r;
	size_t n = 0, keys = 0;
	double v;

	json_reader_init(&r, text, sizeof(text) - 1);
	assert_int_equal(json_peek(&r), JSON_KIND_OBJECT);
	assert_true(json_enter_object(&r));
	while (json_next_key(&r)) {
		keys++;
		if (json_text_is(&r, "n")) {
			assert_true(json_enter_array(&r));
			for (; json_next_item(&r); n++) {
				assert_true(json_read_number(&r, &v));
				assert_true(v == want[n]);
			}
		} else if (json_text_is(&r, "t")) {
			assert_true(json_read_text(&r));
			assert_true(
				json_text_is(&r, "a\xc3\xa9\xf0\x9f\x94\xa5\xef\xbf\xbdxA/\xff"));
		} else {
			assert_true(json_skip(&r));
		}
	}
	assert_true(json_end(&r));
	assert_int_equal(json_reader_error(&r, NULL), 0);
	assert_int_equal(n, ARRAY_SIZE(want));
	assert_int_equal(keys, 3);
}

/* What was not expected is said with its place, and stays said. */
static void test_says_what_was_wrong(void **state)
{
	cleanup(json_reader_fini) struct json_reader r;
	struct err e = {};
	double v;

	json_reader_init(&r, "[1, \"x\"]", 8);
	assert_true(json_enter_array(&r) && json_next_item(&r) && json_read_number(&r, &v));
	assert_true(json_next_item(&r));
	assert_false(json_read_number(&r, &v));
	assert_false(json_skip(&r));
	assert_false(json_next_item(&r));
	assert_int_equal(json_reader_error(&r, &e), -EBADMSG);
	assert_string_equal(e.msg, "byte 4: expected a number");
}

static void test_nesting_has_an_end(void **state)
{
	char s[2 * JSON_MAX_DEPTH];

	memset(s, '[', JSON_MAX_DEPTH);
	memset(s + JSON_MAX_DEPTH, ']', JSON_MAX_DEPTH);
	assert_false(takes(s, sizeof(s)));
	assert_true(takes(s + 1, sizeof(s) - 2));
}

/* Any text that our writer quotes comes back. */
static void test_written_text_comes_back(void **state)
{
	cleanup_buf struct buf b = {};
	cleanup(json_reader_fini) struct json_reader r = {};
	char s[256];

	for (size_t i = 0; i < sizeof(s); i++)
		s[i] = (char)(i % 128);
	struct json j = {.out = &b};

	json_text_n(&j, s, sizeof(s));
	json_reader_init(&r, b.data, b.len);
	assert_true(json_read_text(&r));
	assert_int_equal(r.text.len, sizeof(s));
	assert_memory_equal(r.text.data, s, sizeof(s));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_takes_what_is_json),
		cmocka_unit_test(test_changed_texts),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_says_what_was_wrong),
		cmocka_unit_test(test_nesting_has_an_end),
		cmocka_unit_test(test_written_text_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
