/* server/conn.c - connections: bytes in, requests to the workers, answers out.
 *
 * One state machine a connection, on a bufferevent (plain or TLS). libevent's own HTTP server is
 * not used: it reads a body to its end before anybody can refuse it, answers errors in HTML, and
 * its timeouts count silence, not slowness.
 *
 * A request belongs to its connection while it is read and answered, and to the pool while a
 * worker has it. When a client goes away meanwhile, the connection goes and leaves req->conn NULL
 * behind: the answer is then dropped. Threads: the loop only, but for request_run. */
#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <time.h>

#include "base/clock.h"
#include "base/compress.h"
#include "server/server_priv.h"

enum {
	IDLE_SECONDS = 75,  /* until a request begins */
	HEAD_SECONDS = 10,  /* from a request's first byte to the end of its head */
	BODY_SECONDS = 20,  /* for a body, and more by its size: */
	BODY_RATE = 32768,  /* bytes a second that a client must manage on average */
	WRITE_SECONDS = 20, /* without any byte taken by the client */
	LINGER_SECONDS = 5, /* to let a client read an answer that came before it had said all */
	READ_AHEAD = 65536, /* bytes waiting in a connection's input */
	GZIP_FROM = 1400,   /* smaller answers fit a packet anyway */
};

enum conn_state { CONN_HEAD, CONN_BODY, CONN_BUSY, CONN_WRITING, CONN_LINGER };

struct conn {
	struct server *server;
	struct bufferevent *bev;
	struct event *timer;
	enum conn_state state;
	struct request *req; /* from the first byte of a head to the last byte of its answer */
	struct http_chunks chunks;
	bool keep_alive;
	bool body_read; /* all of the request was taken */
	bool head_begun;
	bool eof;      /* the client will say no more */
	size_t unsent; /* at the last look of the write timer */
	char peer[INET6_ADDRSTRLEN];
	TAILQ_ENTRY(conn) link;
};

static void deadline(struct conn *c, int seconds)
{
	struct timeval tv = {seconds, 0};

	event_add(c->timer, &tv);
}

static void charge_body(struct server *s, struct request *req, size_t now)
{
	s->bodies += now - req->body_charged;
	req->body_charged = now;
}

static void request_free(struct request *req)
{
	if (!req)
		return;
	charge_body(req->server, req, 0);
	buf_fini(&req->body);
	buf_fini(&req->response.body);
	arena_fini(&req->arena);
	free(req);
}

static void conn_free(struct conn *c)
{
	struct server *s = c->server;

	if (c->state == CONN_BUSY)
		c->req->conn = NULL; /* its worker brings it home */
	else
		request_free(c->req);
	TAILQ_REMOVE(&s->conns, c, link);
	s->nconns--;
	event_free(c->timer);
	bufferevent_free(c->bev);
	free(c);
	if (s->stopping && !s->nconns)
		event_base_loopexit(s->base, NULL);
}

/* --- answers --------------------------------------------------------------------------------- */

static void free_bytes(const void *data, size_t len, void *arg)
{
	free(arg);
}

static void put_date(struct evbuffer *out)
{
	char text[64];
	time_t now = time(NULL);
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &tm);
	evbuffer_add_printf(out, "Date: %s\r\n", text);
}

static void put_headers(struct evbuffer *out, const struct conn *c, const struct response *res)
{
	/* Nothing of the page comes from elsewhere, and nothing here may be framed or guessed at.
	 */
	static const char fixed[] =
		"Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "
		"img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; "
		"base-uri 'none'; form-action 'self'\r\n"
		"X-Content-Type-Options: nosniff\r\n"
		"Referrer-Policy: no-referrer\r\n"
		"Cross-Origin-Opener-Policy: same-origin\r\n"
		"Cross-Origin-Resource-Policy: same-origin\r\n";

	put_date(out);
	evbuffer_add(out, fixed, sizeof(fixed) - 1);
	for (size_t i = 0; i < res->nheaders; i++)
		evbuffer_add_printf(out, "%s: %s\r\n", res->headers[i].name, res->headers[i].value);
	if (!res->cacheable)
		evbuffer_add_printf(out, "Cache-Control: no-store\r\n");
	if (!c->keep_alive)
		evbuffer_add_printf(out, "Connection: close\r\n");
	else if (c->req->head.minor == 0)
		evbuffer_add_printf(out, "Connection: keep-alive\r\n");
}

/* Send req->response; what comes then is on_write's business. */
static void conn_send(struct conn *c)
{
	struct evbuffer *out = bufferevent_get_output(c->bev);
	struct request *req = c->req;
	struct response *res = &req->response;
	int status = res->status ? res->status : 200;
	bool bare = status == 204 || status == 304;
	size_t len = res->fixed ? res->fixed_len : res->body.len;

	if (!c->body_read || c->eof || c->server->stopping)
		c->keep_alive = false;
	stats_request(&c->server->stats, req->route, status);
	evbuffer_add_printf(out, "HTTP/1.1 %d %s\r\n", status, http_status_text(status));
	put_headers(out, c, res);
	if (!bare && res->type)
		evbuffer_add_printf(out, "Content-Type: %s\r\n", res->type);
	if (!bare)
		evbuffer_add_printf(out, "Content-Length: %zu\r\n", len);
	evbuffer_add(out, "\r\n", 2);
	if (!bare && len && req->head.method != HTTP_HEAD) {
		void *own = res->fixed ? NULL : take_ptr(res->body.data);

		evbuffer_add_reference(out, own ? own : res->fixed, len, own ? free_bytes : NULL,
				       own);
	}
	request_free(take_ptr(c->req));
	c->state = CONN_WRITING;
	c->unsent = evbuffer_get_length(out);
	deadline(c, WRITE_SECONDS);
}

static void fail(struct conn *c, int status, const char *why)
{
	respond_error(&c->req->response, status, "%s", why);
	conn_send(c);
}

/* Answers that shrink are worth a little of a worker's time. */
static void compress_response(struct request *req)
{
	struct response *res = &req->response;
	const char *accept = http_header(&req->head, "Accept-Encoding");
	cleanup_buf struct buf small = {};

	if (res->fixed || res->body.len < GZIP_FROM || !accept || !strstr(accept, "gzip") ||
	    !res->type || !strncmp(res->type, "application/octet-stream", 24))
		return;
	if (compress_gzip(res->body.data, res->body.len, 1, &small) || small.len >= res->body.len)
		return;
	struct buf big = res->body;

	res->body = small;
	small = big;
	respond_header(res, "Content-Encoding", "gzip");
	respond_header(res, "Vary", "Accept-Encoding");
}

void request_run(struct job *j)
{
	struct request *req = (struct request *)j;
	struct response *res = &req->response;
	int r;

	if (!auth_check(req, res))
		return;
	r = req->route->handle(req, res);
	if (r < 0) {
		log_error("%s: %s", req->route->pattern, strerror(-r));
		respond_error(res, 500, "the server failed; its log says why");
	}
	compress_response(req);
}

void request_done(struct job *j)
{
	struct request *req = (struct request *)j;

	if (req->conn)
		conn_send(req->conn);
	else
		request_free(req);
}

/* --- requests -------------------------------------------------------------------------------- */

static void conn_dispatch(struct conn *c)
{
	struct request *req = c->req;

	c->body_read = true;
	if (!(req->route->flags & ROUTE_INLINE)) {
		c->state = CONN_BUSY;
		event_del(c->timer);
		bufferevent_disable(c->bev, EV_READ);
		pool_submit(c->server->pool, &req->job);
		return;
	}
	request_run(&req->job);
	conn_send(c);
}

/* Take what there is of the body. */
static void read_body(struct conn *c)
{
	struct evbuffer *in = bufferevent_get_input(c->bev);
	struct request *req = c->req;
	size_t max = req->route->body == BODY_INGEST ? c->server->cfg.max_body
						     : (size_t)req->route->body;
	size_t n = evbuffer_get_length(in);
	bool whole;

	if (!req->head.chunked) {
		n = MIN(n, req->head.length - req->body.len);
		buf_reserve(&req->body, n);
		evbuffer_remove(in, req->body.data + req->body.len, n);
		req->body.len += n;
		whole = req->body.len == req->head.length;
	} else {
		ssize_t r = n ? http_chunks_take(&c->chunks, (const char *)evbuffer_pullup(in, -1),
						 n, max, &req->body)
			      : 0;

		if (r < 0)
			return fail(c, r == -EFBIG ? 413 : 400,
				    r == -EFBIG ? "the body is larger than this route takes"
						: "the chunks of the body are malformed");
		evbuffer_drain(in, (size_t)r);
		whole = c->chunks.state == CHUNK_DONE;
	}
	charge_body(c->server, req, req->body.cap);
	if (whole)
		return conn_dispatch(c);
	if (c->server->bodies > BODIES_MAX) {
		respond_header(&req->response, "Retry-After", "5");
		fail(c, 503, "too many large requests at once");
	}
}

static void begin_body(struct conn *c)
{
	struct request *req = c->req;
	uint64_t expected = req->head.chunked ? c->server->cfg.max_body : req->head.length;

	if (!req->head.chunked && !req->head.length)
		return conn_dispatch(c);
	c->state = CONN_BODY;
	memset(&c->chunks, 0, sizeof(c->chunks));
	deadline(c, BODY_SECONDS + (int)(expected / BODY_RATE));
	if (req->head.expect_continue && !evbuffer_get_length(bufferevent_get_input(c->bev)))
		bufferevent_write(c->bev, "HTTP/1.1 100 Continue\r\n\r\n", 25);
	read_body(c);
}

static void not_routed(struct conn *c, unsigned int allowed)
{
	struct response *res = &c->req->response;
	char methods[64] = "";

	if (!allowed)
		return fail(c, 404, "there is nothing at this address");
	for (unsigned int m = HTTP_GET; m < HTTP_OTHER; m <<= 1)
		if (allowed & m)
			snprintf(methods + strlen(methods), sizeof(methods) - strlen(methods),
				 "%s%s", *methods ? ", " : "", http_method_name(m));
	respond_header(res, "Allow", arena_strdup(&c->req->arena, methods));
	fail(c, 405, "this address does not take this method");
}

/* Find the route; false after an error answer. */
static bool route_request(struct conn *c)
{
	struct request *req = c->req;
	size_t len = strcspn(req->head.target, "?#"), arg_len = 0;
	const char *arg = "", *rest = req->head.target + len;
	unsigned int allowed;

	req->path = http_unescape(&req->arena, req->head.target, len, false);
	req->query = *rest == '?' ? rest + 1 : "";
	if (!req->path || http_parse_query(&req->arena, req->query, req->params, &req->nparams)) {
		fail(c, 400, "the address is malformed");
		return false;
	}
	req->route = route_find(req->head.method, req->head.target, len, &arg, &arg_len, &allowed);
	if (!req->route) {
		not_routed(c, allowed);
		return false;
	}
	req->arg = http_unescape(&req->arena, arg, arg_len, false);
	if (!req->arg) {
		fail(c, 400, "the address is malformed");
		return false;
	}
	return true;
}

/* What can be refused before a body was sent. */
static bool accept_request(struct conn *c)
{
	struct request *req = c->req;
	const struct route *r = req->route;
	size_t max = r->body == BODY_INGEST ? c->server->cfg.max_body : (size_t)r->body;

	if (!(r->flags & ROUTE_ANY_HOST) &&
	    !auth_host_ok(c->server, http_header(&req->head, "Host"))) {
		fail(c, 421,
		     "this server does not go by that name; start it with --public-url to "
		     "give it one");
		return false;
	}
	if (r->access == ACCESS_INGEST && !http_header(&req->head, "Authorization")) {
		respond_header(&req->response, "WWW-Authenticate", "Bearer");
		fail(c, 401, "an API key is needed: Authorization: Bearer KEY");
		return false;
	}
	if (req->head.length > max || (req->head.chunked && !max)) {
		if (r->access == ACCESS_INGEST)
			stats_add(&c->server->stats.rejected[REJECT_TOO_LARGE], 1);
		respond_error(&req->response, 413,
			      "the body is larger than the %zu bytes that are "
			      "taken here",
			      max);
		conn_send(c);
		return false;
	}
	return true;
}

static void request_new(struct conn *c)
{
	struct request *req = mem_calloc(1, sizeof(*req));

	*req = (struct request){
		.job = {request_run, request_done, NULL},
		.server = c->server,
		.conn = c,
		.path = "",
		.arg = "",
		.query = "",
		.tls = c->server->tls != NULL,
		.started_ns = clock_mono_ns(),
	};
	memcpy(req->peer, c->peer, sizeof(req->peer));
	c->req = req;
	c->body_read = false;
	c->keep_alive = false;
}

static void read_head(struct conn *c)
{
	struct evbuffer *in = bufferevent_get_input(c->bev);
	size_t n = evbuffer_get_length(in), size;
	struct err e = {};
	char *text;
	int status;

	if (!n)
		return;
	if (!c->head_begun) {
		c->head_begun = true;
		deadline(c, HEAD_SECONDS);
		TAILQ_REMOVE(&c->server->conns, c, link);
		TAILQ_INSERT_TAIL(&c->server->conns, c, link);
	}
	n = MIN(n, (size_t)HTTP_HEAD_MAX);
	size = http_head_size((const char *)evbuffer_pullup(in, (ssize_t)n), n);
	if (!size && n < HTTP_HEAD_MAX)
		return;
	request_new(c);
	if (!size)
		return fail(c, 431, "the head of the request is larger than 16 KiB");
	text = arena_alloc(&c->req->arena, size, 1);
	evbuffer_remove(in, text, size);
	status = http_parse_head(text, size, &c->req->head, &e);
	if (status)
		return fail(c, status, e.msg);
	c->keep_alive = c->req->head.keep_alive;
	/* With nothing to follow, an early answer leaves the connection usable. */
	c->body_read = !c->req->head.chunked && !c->req->head.length;
	if (route_request(c) && accept_request(c))
		begin_body(c);
}

/* --- events ---------------------------------------------------------------------------------- */

static void say_goodbye(struct conn *c)
{
	if (c->server->tls) {
		SSL_shutdown(bufferevent_openssl_get_ssl(c->bev));
		ERR_clear_error();
	}
}

/* Closing with bytes unread would reset the connection and could take the answer away from a client
 * that is still talking. */
static void linger(struct conn *c)
{
	c->state = CONN_LINGER;
	shutdown(bufferevent_getfd(c->bev), SHUT_WR);
	bufferevent_enable(c->bev, EV_READ);
	deadline(c, LINGER_SECONDS);
}

static void drain(struct conn *c)
{
	struct evbuffer *in = bufferevent_get_input(c->bev);

	evbuffer_drain(in, evbuffer_get_length(in));
}

static void on_read(struct bufferevent *bev, void *arg)
{
	struct conn *c = arg;

	if (c->state == CONN_HEAD)
		read_head(c);
	else if (c->state == CONN_BODY)
		read_body(c);
	else if (c->state == CONN_LINGER)
		drain(c);
	else
		bufferevent_disable(bev, EV_READ); /* a request at a time: the next one waits */
}

static void on_write(struct bufferevent *bev, void *arg)
{
	struct conn *c = arg;

	if (c->state != CONN_WRITING || evbuffer_get_length(bufferevent_get_output(bev)))
		return;
	if (!c->keep_alive || c->eof || c->server->stopping) {
		say_goodbye(c);
		if (c->eof || (c->body_read && !evbuffer_get_length(bufferevent_get_input(bev))))
			return conn_free(c);
		drain(c);
		return linger(c);
	}
	c->state = CONN_HEAD;
	c->head_begun = false;
	deadline(c, IDLE_SECONDS);
	TAILQ_REMOVE(&c->server->conns, c, link);
	TAILQ_INSERT_HEAD(&c->server->conns, c, link);
	bufferevent_enable(bev, EV_READ);
	read_head(c);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	struct conn *c = arg;

	if (what & BEV_EVENT_CONNECTED)
		return;
	/* A client may stop talking and still listen. */
	if ((what & BEV_EVENT_EOF) && (c->state == CONN_BUSY || c->state == CONN_WRITING)) {
		c->eof = true;
		bufferevent_disable(bev, EV_READ);
		return;
	}
	conn_free(c);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;
	size_t unsent = evbuffer_get_length(bufferevent_get_output(c->bev));

	if (c->state == CONN_HEAD && c->head_begun) {
		request_new(c);
		return fail(c, 408, "the head of the request took too long");
	}
	if (c->state == CONN_BODY)
		return fail(c, 408, "the body of the request took too long");
	if (c->state == CONN_WRITING && unsent < c->unsent) {
		c->unsent = unsent;
		return deadline(c, WRITE_SECONDS);
	}
	conn_free(c);
}

/* Make room by closing the connection that has been idle for longest. */
static bool make_room(struct server *s)
{
	struct conn *c, *idle = NULL;

	TAILQ_FOREACH(c, &s->conns, link)
	{
		if (c->state != CONN_HEAD || c->head_begun)
			break;
		idle = c;
	}
	if (idle)
		conn_free(idle);
	return idle != NULL;
}

static void name_peer(struct conn *c, const struct sockaddr *addr)
{
	const struct sockaddr_in6 *v6 = (const void *)addr;
	const struct sockaddr_in *v4 = (const void *)addr;

	if (addr->sa_family == AF_INET)
		inet_ntop(AF_INET, &v4->sin_addr, c->peer, sizeof(c->peer));
	else if (addr->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
		inet_ntop(AF_INET, &v6->sin6_addr.s6_addr[12], c->peer, sizeof(c->peer));
	else if (addr->sa_family == AF_INET6)
		inet_ntop(AF_INET6, &v6->sin6_addr, c->peer, sizeof(c->peer));
}

void conn_open(struct server *s, int fd, const struct sockaddr *addr)
{
	/* Callbacks come from the loop, never out of a call of ours. */
	const int options = BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS;
	SSL *ssl = s->tls ? SSL_new(s->tls) : NULL;
	struct bufferevent *bev;
	struct conn *c;

	if ((s->nconns >= CONNECTIONS_MAX && !make_room(s)) || (s->tls && !ssl)) {
		stats_add(&s->stats.refused_connections, 1);
		SSL_free(ssl);
		evutil_closesocket(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	bev = ssl ? bufferevent_openssl_socket_new(s->base, fd, ssl, BUFFEREVENT_SSL_ACCEPTING,
						   options)
		  : bufferevent_socket_new(s->base, fd, options);
	CHECK(bev);
	c = mem_calloc(1, sizeof(*c));
	c->server = s;
	c->bev = bev;
	c->timer = evtimer_new(s->base, on_timer, c);
	CHECK(c->timer);
	name_peer(c, addr);
	TAILQ_INSERT_HEAD(&s->conns, c, link);
	s->nconns++;
	stats_add(&s->stats.connections, 1);
	if (ssl)
		bufferevent_openssl_set_allow_dirty_shutdown(bev, 1);
	bufferevent_setwatermark(bev, EV_READ, 0, READ_AHEAD);
	bufferevent_setcb(bev, on_read, on_write, on_event, c);
	bufferevent_enable(bev, EV_READ | EV_WRITE);
	deadline(c, IDLE_SECONDS);
}

void conn_close_idle(struct server *s)
{
	struct conn *c, *next;

	for (c = TAILQ_FIRST(&s->conns); c; c = next) {
		next = TAILQ_NEXT(c, link);
		if (c->state == CONN_LINGER || (c->state == CONN_HEAD && !c->head_begun))
			conn_free(c);
	}
}

void conn_close_all(struct server *s)
{
	while (!TAILQ_EMPTY(&s->conns))
		conn_free(TAILQ_FIRST(&s->conns));
}
