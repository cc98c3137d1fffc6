/* Heads, chunked bodies and queries: what is taken, what is refused, and that nothing is read past
 * the end. */
#include "server/http.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct http_head head;

/* Parse a copy of exactly the right size, so that the sanitizer sees every step too far. */
static int parse(const char *text)
{
	static char *copy;
	size_t n = strlen(text);
	struct err e = {};
	int status;

	free(copy);
	copy = malloc(n + 1);
	memcpy(copy, text, n + 1);
	assert_int_equal(http_head_size(copy, n), n);
	status = http_parse_head(copy, n, &head, &e);
	assert_true(!status || *e.msg);
	return status;
}

static void test_head_size(void **state)
{
	assert_int_equal(http_head_size("GET / HTTP/1.1\r\n\r\nbody", 22), 18);
	assert_int_equal(http_head_size("GET / HTTP/1.1\r\n\r", 17), 0);
	assert_int_equal(http_head_size("", 0), 0);
}

static void test_plain(void **state)
{
	assert_int_equal(parse("GET /a?b=c HTTP/1.1\r\nHost: x\r\nX-Thing: \t y z \r\n\r\n"), 0);
	assert_int_equal(head.method, HTTP_GET);
	assert_string_equal(head.target, "/a?b=c");
	assert_int_equal(head.minor, 1);
	assert_true(head.keep_alive);
	assert_string_equal(http_header(&head, "x-thing"), "y z");
	assert_null(http_header(&head, "x-other"));
	assert_int_equal(head.length, 0);
}

static void test_absolute_form(void **state)
{
	assert_int_equal(parse("GET http://h:1/p HTTP/1.1\r\nHost: h\r\n\r\n"), 0);
	assert_string_equal(head.target, "/p");
	assert_int_equal(parse("GET http://h HTTP/1.1\r\nHost: h\r\n\r\n"), 400);
	assert_int_equal(parse("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n"), 400);
}

static void test_keep_alive(void **state)
{
	assert_int_equal(parse("GET / HTTP/1.1\r\nHost: x\r\nConnection: TE, Close\r\n\r\n"), 0);
	assert_false(head.keep_alive);
	assert_int_equal(parse("GET / HTTP/1.0\r\n\r\n"), 0);
	assert_false(head.keep_alive);
	assert_int_equal(parse("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"), 0);
	assert_true(head.keep_alive);
}

static void test_lengths(void **state)
{
	assert_int_equal(parse("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n\r\n"), 0);
	assert_int_equal(head.length, 12);
	assert_int_equal(parse("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n"),
			 0);
	assert_true(head.chunked);
	/* Two readers must never see two requests. */
	assert_int_equal(parse("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
			       "Transfer-Encoding: chunked\r\n\r\n"),
			 400);
	assert_int_equal(parse("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
			       "Content-Length: 2\r\n\r\n"),
			 400);
	assert_int_equal(parse("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400);
	assert_int_equal(parse("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n"),
			 501);
}

static void test_bad_lengths(void **state)
{
	static const char *const bad[] = {"-1", "+1",  "1 2", "0x10",
					  "",	"1,2", "1e3", "9999999999999999999999"};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		char text[200];

		snprintf(text, sizeof(text),
			 "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %s\r\n\r\n", bad[i]);
		assert_int_equal(parse(text), 400);
	}
}

static void test_refused(void **state)
{
	static const struct {
		int status;
		const char *text;
	} cases[] = {
		{400, "\r\n\r\n"},
		{400, "GET\r\n\r\n"},
		{400, "GET /\r\n\r\n"},
		{400, "GET / HTTP/1.1 x\r\nHost: x\r\n\r\n"},
		{400, "G\xc3\xa4T / HTTP/1.1\r\nHost: x\r\n\r\n"},
		{400, "GET x HTTP/1.1\r\nHost: x\r\n\r\n"},
		{400, "GET / HTTP/1.1\r\n\r\n"},
		{400, "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"},
		{400, "GET / HTTP/1.1\r\nHost : x\r\n\r\n"},
		{400, "GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n"},
		{400, "GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n"},
		{400, "GET / HTTP/1.1\r\nHost: x\nX: y\r\n\r\n"},
		{400, "GET / HTTP/1.1\r\nHost: x\x01\r\n\r\n"},
		{505, "GET / HTTP/2.0\r\nHost: x\r\n\r\n"},
		{400, "GET / FTP/1.1\r\nHost: x\r\n\r\n"},
		{417, "GET / HTTP/1.1\r\nHost: x\r\nExpect: more\r\n\r\n"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int status = parse(cases[i].text);

		/* 505 and 400 are both right for a protocol that is not HTTP/1. */
		if (status != cases[i].status)
			fail_msg("case %zu: %d, not %d", i, status, cases[i].status);
	}
}

static void test_too_many_headers(void **state)
{
	cleanup_buf struct buf b = {};

	buf_puts(&b, "GET / HTTP/1.1\r\nHost: x\r\n");
	for (int i = 0; i < HTTP_HEADERS_MAX; i++)
		buf_printf(&b, "X-%d: 1\r\n", i);
	buf_puts(&b, "\r\n");
	assert_int_equal(parse(buf_cstr(&b)), 431);
}

/* Every truncation of a head, and every byte of it replaced, must be refused or taken, not crash.
 */
static void test_damaged(void **state)
{
	static const char text[] = "POST /a%20b?x=1&y=2 HTTP/1.1\r\nHost: h:4040\r\n"
				   "Content-Length: 5\r\nConnection: close\r\n\r\n";
	struct err e = {};

	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		for (int c = 0; c < 256; c += 5) {
			char *copy = malloc(sizeof(text) - 1);

			memcpy(copy, text, sizeof(text) - 1);
			copy[i] = (char)c;
			http_parse_head(copy, sizeof(text) - 1, &head, &e);
			free(copy);
		}
		char *part = malloc(i + 1);

		memcpy(part, text, i);
		assert_int_not_equal(http_parse_head(part, i, &head, &e), 0);
		free(part);
	}
}

static const char chunked[] = "5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\nTrailer: x\r\n\r\n";

static void test_chunks_in_pieces(void **state)
{
	for (size_t piece = 1; piece < sizeof(chunked); piece++) {
		cleanup_buf struct buf out = {};
		struct http_chunks c = {};
		size_t have = 0, at = 0;

		while (c.state != CHUNK_DONE) {
			have = MIN(have + piece, sizeof(chunked) - 1);
			ssize_t r = http_chunks_take(&c, chunked + at, have - at, 100, &out);

			assert_true(r >= 0);
			at += (size_t)r;
			assert_true(have < sizeof(chunked) - 1 || c.state == CHUNK_DONE);
		}
		assert_int_equal(at, sizeof(chunked) - 1);
		assert_string_equal(buf_cstr(&out), "hello world");
	}
}

static void test_chunks_limit(void **state)
{
	cleanup_buf struct buf out = {};
	struct http_chunks c = {};

	assert_int_equal(http_chunks_take(&c, chunked, sizeof(chunked) - 1, 10, &out), -EFBIG);
	c = (struct http_chunks){};
	out.len = 0;
	assert_int_equal(http_chunks_take(&c, "fffffffffffffff\r\nx", 18, 10, &out), -EFBIG);
}

static void test_chunks_refused(void **state)
{
	static const char *const bad[] = {
		"\r\n",
		"x\r\n",
		"5\n",
		"-5\r\n",
		"5\r\nhelloXX",
		"5\r\nhello\nX",
		"1234567890123456\r\n",
		"5 x\n",
		"0\r\nbad\n\r\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		cleanup_buf struct buf out = {};
		struct http_chunks c = {};

		if (http_chunks_take(&c, bad[i], strlen(bad[i]), 100, &out) != -EBADMSG)
			fail_msg("case %zu was taken", i);
	}
}

static void test_unescape(void **state)
{
	struct arena a = {};

	assert_string_equal(http_unescape(&a, "a%2Fb+c%c3%a4", 13, true), "a/b c\xc3\xa4");
	assert_string_equal(http_unescape(&a, "a+b", 3, false), "a+b");
	assert_null(http_unescape(&a, "%", 1, false));
	assert_null(http_unescape(&a, "%2", 2, false));
	assert_null(http_unescape(&a, "%2g", 3, false));
	assert_null(http_unescape(&a, "a%00", 4, false));
	arena_fini(&a);
}

static void test_query(void **state)
{
	struct http_pair p[HTTP_PARAMS_MAX];
	cleanup_buf struct buf many = {};
	struct arena a = {};
	size_t n = 0;

	assert_int_equal(http_parse_query(&a, "a=1&&b&c==%3D&", p, &n), 0);
	assert_int_equal(n, 3);
	assert_string_equal(p[0].value, "1");
	assert_string_equal(p[1].name, "b");
	assert_string_equal(p[1].value, "");
	assert_string_equal(p[2].value, "==");
	assert_int_equal(http_parse_query(&a, "a=%zz", p, &n), -EINVAL);
	for (int i = 0; i <= HTTP_PARAMS_MAX; i++)
		buf_puts(&many, "x=1&");
	assert_int_equal(http_parse_query(&a, buf_cstr(&many), p, &n), -E2BIG);
	arena_fini(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_head_size),     cmocka_unit_test(test_plain),
		cmocka_unit_test(test_absolute_form), cmocka_unit_test(test_keep_alive),
		cmocka_unit_test(test_lengths),	      cmocka_unit_test(test_bad_lengths),
		cmocka_unit_test(test_refused),	      cmocka_unit_test(test_too_many_headers),
		cmocka_unit_test(test_damaged),	      cmocka_unit_test(test_chunks_in_pieces),
		cmocka_unit_test(test_chunks_limit),  cmocka_unit_test(test_chunks_refused),
		cmocka_unit_test(test_unescape),      cmocka_unit_test(test_query),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
