/* sink/http.h - a small HTTP and HTTPS client on the caller's event loop.
 *
 * One server, one request at a time, one connection that is kept. Names are resolved without
 * blocking, again for each new connection; all addresses of a name are tried. A kept connection
 * that broke is replaced once without bothering the caller. The key travels in the Authorization
 * header and nowhere else.
 *
 * Memory: the client owns all but the request's body, which must stay until the answer. The answer
 * dies when the callback returns. Threads: the loop's. SIGPIPE must be ignored by the program. */
#ifndef GLIM_SINK_HTTP_H
#define GLIM_SINK_HTTP_H

#include "base/err.h"

struct event_base;
struct http; /* opaque */
struct http_config {
	const char *url;     /* http://host:port or https://host:port, path prefix allowed */
	const char *key;     /* "" or NULL: none */
	const char *ca_file; /* NULL: the system's */
	unsigned int timeout_s;
};
struct http_request {
	const char *path; /* behind the prefix of the URL, starts with a slash */
	bool post;	  /* else GET */
	const char *content_type, *content_encoding; /* NULL: none */
	const void *body;
	size_t len;
	/* When set, the body of an answer 200 goes there piece by piece, max_data bytes at most,
	 * and is not in the answer. Not 0: give up. Such a request is not sent a second time once a
	 * piece has come. */
	int (*on_data)(const void *p, size_t n, void *arg);
	uint64_t max_data;
};
struct http_answer {
	int status;	      /* 0: none came, error says why */
	char error[256];      /* "" when an answer came */
	char retry_after[64]; /* these headers, "" when missing */
	char location[256];
	char date[64];
	const uint8_t *body; /* at most HTTP_MAX_ANSWER bytes */
	size_t len;
};
enum { HTTP_MAX_ANSWER = 65536 };
/* Runs on the loop, never inside http_start; may start the next request or close the client. */
typedef void (*http_done)(const struct http_answer *a, void *arg);

int http_open(struct event_base *loop, const struct http_config *cfg, struct http **ret,
	      struct err *e);
/* Only when nothing is under way. */
void http_start(struct http *h, const struct http_request *r, http_done done, void *arg);
/* Give up a request under way, without a callback; the client may be used again. */
void http_cancel(struct http *h);
/* A request under way is given up without a callback. */
void http_close(struct http *h);
/* Does the key, if any, travel without encryption to another machine? */
bool http_is_plain(const struct http *h);
/* The server as it is named in messages: scheme, host and port. */
const char *http_name(const struct http *h);

#endif
