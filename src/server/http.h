/* server/http.h - HTTP/1.1 messages as text: the head of a request, chunked bodies, queries.
 *
 * RFC 9112. No I/O: bytes in, structs out. Strict where leniency lets two readers see two
 * requests: one length only, no folded lines, no space before a colon, only "chunked" as transfer
 * coding. Memory: text points into the bytes that the caller gave (http_parse_head writes into
 * them) or into the caller's arena. Threads: any. */
#ifndef GLIM_SERVER_HTTP_H
#define GLIM_SERVER_HTTP_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum {
	HTTP_HEAD_MAX = 16384, /* bytes of request line and headers */
	HTTP_HEADERS_MAX = 100,
	HTTP_PARAMS_MAX = 64,
};

enum http_method {
	HTTP_GET = 1,
	HTTP_HEAD = 2,
	HTTP_POST = 4,
	HTTP_PUT = 8,
	HTTP_DELETE = 16,
	HTTP_OTHER = 32, /* a method that no route has */
};
const char *http_method_name(enum http_method m);

struct http_pair {
	const char *name;
	const char *value;
};

struct http_head {
	enum http_method method;
	const char *target; /* path and query as sent, origin form */
	unsigned int minor; /* HTTP/1.minor: 0 or 1 */
	struct http_pair headers[HTTP_HEADERS_MAX];
	size_t nheaders;
	bool keep_alive;
	bool expect_continue;
	bool chunked;
	uint64_t length; /* of the body, 0 when there is none or it is chunked */
};

/* Bytes of the head at the start of p, its empty line included; 0 when it is not complete. */
size_t http_head_size(const char *p, size_t n);
/* Parse the n bytes of one head, which are changed: text is terminated in place.
 * Returns 0 or the HTTP status to refuse with, the reason in e. */
int http_parse_head(char *p, size_t n, struct http_head *ret_head, struct err *e);
/* Value of a header by name in any case, NULL when there is none. */
const char *http_header(const struct http_head *h, const char *name);

/* A chunked body on its way in. Zero bytes start one. */
struct http_chunks {
	enum { CHUNK_SIZE, CHUNK_DATA, CHUNK_DATA_END, CHUNK_TRAILER, CHUNK_DONE } state;
	uint64_t left;	/* of the chunk */
	size_t trailer; /* bytes of trailers so far */
};
/* Take what can be taken of these n bytes and append data to out. Returns how many bytes were
 * taken, -EFBIG when out would hold more than max, -EBADMSG at bad framing; state is CHUNK_DONE at
 * the end of the body. */
ssize_t http_chunks_take(struct http_chunks *c, const char *p, size_t n, size_t max,
			 struct buf *out);

/* Undo %XX (and + in queries) into the arena; NULL when it is malformed or holds a NUL byte. */
char *http_unescape(struct arena *a, const char *s, size_t len, bool plus);
/* name=value pairs of a query, in order. -EINVAL when one is malformed, -E2BIG when there are more
 * than HTTP_PARAMS_MAX. */
int http_parse_query(struct arena *a, const char *query, struct http_pair *ret_params,
		     size_t *ret_n);

const char *http_status_text(int status);

#endif
