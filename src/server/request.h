/* server/request.h - what a handler gets and what it fills in.
 *
 * A handler is `int h(struct request *, struct response *)`: it validates, calls the store, and
 * encodes; a negative value becomes a 500 (its errno goes to the log). Memory: text of a request
 * and everything in its arena live until the answer is sent. Threads: a handler runs on a worker
 * (routes marked inline: on the loop) and touches only its request, the store and what the server
 * says is safe. */
#ifndef GLIM_SERVER_REQUEST_H
#define GLIM_SERVER_REQUEST_H

#include <netinet/in.h>

#include "base/json.h"
#include "server/http.h"
#include "server/pool.h"
#include "store/store.h"

struct conn;
struct route;
struct server;

enum { RESPONSE_HEADERS_MAX = 12 };

struct response {
	int status; /* 0: 200 */
	const char *type;
	struct buf body;
	/* Bytes that live as long as the server, in place of body. */
	const void *fixed;
	size_t fixed_len;
	struct http_pair headers[RESPONSE_HEADERS_MAX];
	size_t nheaders;
	bool cacheable; /* the handler sets Cache-Control itself */
};

/* Who asks. */
struct caller {
	int64_t tenant; /* 0: nobody */
	int64_t account;
	enum key_scope scope; /* of the key; a session may do what an admin key may */
	bool by_session;
	uint8_t session[32]; /* hash of the session's secret */
};

struct request {
	struct job job; /* first: the pool's handle on it */
	struct server *server;
	struct conn *conn; /* for the loop only; NULL when the client went away */
	const struct route *route;
	struct http_head head;
	const char *path; /* unescaped */
	const char *arg; /* what stood for the {name} in the route's pattern, "" when it has none */
	const char *query; /* as sent */
	struct http_pair params[HTTP_PARAMS_MAX];
	size_t nparams;
	struct buf body;
	size_t body_charged; /* of the server's body budget */
	char peer[INET6_ADDRSTRLEN];
	bool tls;
	struct caller caller;
	int64_t started_ns;
	struct response response;
	struct arena arena;
};

typedef int handler_fn(struct request *req, struct response *res);

/* The first parameter of this name, NULL when there is none. */
const char *request_param(const struct request *req, const char *name);
/* Value of a cookie, NULL when there is none. */
const char *request_cookie(struct request *req, const char *name);
/* "http://HOST" as the client knows this server, or the public URL; no slash behind. */
const char *request_base_url(const struct request *req);

void respond_header(struct response *res, const char *name, const char *value);
/* The error of docs/api.md that belongs to the HTTP status; returns 0 so that it ends a handler:
 * `return respond_error(res, 404, "...")`. */
int respond_error(struct response *res, int status, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* The error that belongs to what a store function returned. */
int respond_store_error(struct response *res, int code, const struct err *e);
/* Start a JSON answer. */
struct json respond_json(struct response *res, int status);

/* The body as a JSON object of at most a few fields. NULL after an error was answered. The object
 * is the caller's: cleanup_json_t. */
struct json_t;
struct json_t *request_json(struct request *req, struct response *res);
void json_decref_cleanup(struct json_t **j);
#define cleanup_json_t cleanup(json_decref_cleanup)
/* A string field, NULL when it is missing, of another type, or holds a NUL byte. */
const char *json_text_field(const struct json_t *j, const char *name);

#endif
