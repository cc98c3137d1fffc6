/* Heads of requests, chunked bodies, queries, times and filters: all that a stranger says before
 * anybody knows who it is. */
#include "fuzz.h"
#include "server/http.h"
#include "server/query.h"

static void fuzz_head(const char *text, size_t n)
{
	struct http_head head;
	struct err e = {};
	char *copy = memcpy(mem_calloc(1, n + 1), text, n);

	if (!http_parse_head(copy, n, &head, &e)) {
		CHECK(head.target[0] == '/');
		CHECK(head.nheaders <= HTTP_HEADERS_MAX);
		CHECK(!head.chunked || !head.length);
	}
	free(copy);
}

static void fuzz_chunks(const char *text, size_t n)
{
	enum { MAX = 1000 };
	cleanup_buf struct buf out = {};
	struct http_chunks c = {};
	ssize_t r = http_chunks_take(&c, text, n, MAX, &out);

	CHECK(r <= (ssize_t)n);
	CHECK(out.len <= MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *text = memcpy(mem_calloc(1, size + 1), data, size);
	struct http_pair params[HTTP_PARAMS_MAX];
	struct arena a = {};
	struct store_filter f;
	size_t n = 0;
	int64_t ns;

	fuzz_head(text, size);
	fuzz_chunks(text, size);
	if (!http_parse_query(&a, text, params, &n))
		CHECK(n <= HTTP_PARAMS_MAX);
	if (!query_time(text, INT64_MAX / 2, &ns))
		CHECK(ns >= 0);
	query_filter(text, &f);
	arena_fini(&a);
	return 0;
}
