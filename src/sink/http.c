#include "sink/http.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <event2/dns.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/util.h>

#include "base/buf.h"
#include "sink/tls.h"

enum { MAX_ADDRESSES = 8, MAX_ANSWER_HEADERS = 16384 };

struct http {
	struct event_base *loop;
	char *host, *prefix, *name, *host_header, *authorization;
	uint16_t port;
	unsigned int timeout_s;
	struct ssl_ctx_st *tls;

	struct lookup *lookup; /* while a name is being resolved */
	char addresses[MAX_ADDRESSES][INET6_ADDRSTRLEN];
	size_t naddresses, address; /* the one in use */
	size_t tried;		    /* since the request began */

	struct evhttp_connection *connection;
	struct evhttp_request *under_way;
	struct ssl_st *ssl;	 /* belongs to the connection */
	struct bufferevent *bev; /* likewise */
	bool served;		 /* the connection has answered before */
	bool broken;		 /* the connection is closed: do not use it again */
	bool was_connected;
	bool given;  /* a piece of this request's answer went to its owner */
	bool redone; /* this request was sent again after a kept connection broke */

	struct http_request request;
	http_done done;
	void *arg;
	struct event *step; /* what comes next runs outside of the library's callbacks */
	void (*next)(struct http *h);
	struct http_answer answer;
	struct buf body;
};

static void connect_next(struct http *h);

/* Run f on the loop, soon: connections may not be freed inside their own callbacks. */
static void soon(struct http *h, void (*f)(struct http *h))
{
	h->next = f;
	event_active(h->step, EV_TIMEOUT, 0);
}

static void on_step(evutil_socket_t fd, short what, void *arg)
{
	struct http *h = arg;

	h->next(h);
}

static void drop_connection(struct http *h)
{
	if (h->connection) {
		evhttp_connection_set_closecb(h->connection, NULL, NULL);
		evhttp_connection_free(h->connection);
	}
	h->connection = NULL;
	h->under_way = NULL;
	h->ssl = NULL;
	h->bev = NULL;
	h->served = h->broken = h->was_connected = false;
}

static void finish(struct http *h)
{
	http_done done = h->done;

	if (h->broken || !h->answer.status)
		drop_connection(h);
	h->answer.body = h->body.data;
	h->answer.len = h->body.len;
	h->done = NULL;
	done(&h->answer, h->arg);
}

static void no_answer(struct http *h, const char *why)
{
	h->answer.status = 0;
	snprintf(h->answer.error, sizeof(h->answer.error), "%.255s", why);
	soon(h, finish);
}

/* ---- one exchange ---- */

static void copy_header(struct evhttp_request *req, const char *name, char *ret, size_t size)
{
	const char *v = evhttp_find_header(evhttp_request_get_input_headers(req), name);

	snprintf(ret, size, "%s", v ? v : "");
}

static void take_answer(struct http *h, struct evhttp_request *req)
{
	struct evbuffer *in = evhttp_request_get_input_buffer(req);
	size_t len = evbuffer_get_length(in);

	h->answer.status = evhttp_request_get_response_code(req);
	h->answer.error[0] = 0;
	copy_header(req, "Retry-After", h->answer.retry_after, sizeof(h->answer.retry_after));
	copy_header(req, "Location", h->answer.location, sizeof(h->answer.location));
	copy_header(req, "Date", h->answer.date, sizeof(h->answer.date));
	h->body.len = 0;
	if (len) {
		buf_reserve(&h->body, len);
		evbuffer_remove(in, h->body.data, len);
		h->body.len = len;
	}
	h->served = true;
	soon(h, finish);
}

/* The exchange ended without an answer: again on a new connection, on the next address, or give
 * up. */
static void after_failure(struct http *h)
{
	bool kept = h->served, connected = h->was_connected;

	drop_connection(h);
	if (h->given) {
		finish(h);
	} else if (kept && !h->redone) {
		h->redone = true;
		h->tried = 0;
		connect_next(h);
	} else if (!connected && h->tried < h->naddresses) {
		h->address = (h->address + 1) % h->naddresses;
		connect_next(h);
	} else {
		h->naddresses = 0; /* ask for the name again the next time */
		finish(h);
	}
}

static void fail_exchange(struct http *h, const char *why)
{
	unsigned long error = h->ssl && h->bev ? bufferevent_get_openssl_error(h->bev) : 0;

	h->answer.status = 0;
	if (h->ssl && !h->was_connected &&
	    tls_failure(h->ssl, error, h->answer.error, sizeof(h->answer.error)))
		h->tried = h->naddresses; /* another address would bring the same */
	else
		snprintf(h->answer.error, sizeof(h->answer.error), "%s", why);
	soon(h, after_failure);
}

/* evhttp calls this with the reason, then on_answer with NULL. */
static void on_error(enum evhttp_request_error error, void *arg)
{
	struct http *h = arg;
	int code = EVUTIL_SOCKET_ERROR();
	char text[128];

	if (error == EVREQ_HTTP_TIMEOUT)
		snprintf(text, sizeof(text), "no answer within %u s", h->timeout_s);
	else if (error == EVREQ_HTTP_INVALID_HEADER)
		snprintf(text, sizeof(text), "the answer is not HTTP");
	else if (error == EVREQ_HTTP_DATA_TOO_LONG)
		snprintf(text, sizeof(text), "the answer is too long");
	else if (!h->was_connected && code)
		snprintf(text, sizeof(text), "cannot connect: %s", strerror(code));
	else
		snprintf(text, sizeof(text), "the connection was closed before the answer");
	h->under_way = NULL;
	fail_exchange(h, text);
}

static void on_answer(struct evhttp_request *req, void *arg)
{
	struct http *h = arg;

	h->under_way = NULL;
	if (!req)
		return; /* on_error has spoken */
	/* Without a status nobody listened (libevent 2.1.12, http.c, evhttp_connection_cb_cleanup):
	 * refused, or no connection in time. */
	if (evhttp_request_get_response_code(req))
		take_answer(h, req);
	else
		fail_exchange(h, "cannot connect: refused, or nothing answers at this address");
}

/* The owner of the request does not want the rest. */
static void give_up(struct http *h)
{
	drop_connection(h);
	h->answer.status = 0;
	snprintf(h->answer.error, sizeof(h->answer.error), "the answer could not be kept");
	finish(h);
}

static void on_piece(struct evhttp_request *req, void *arg)
{
	struct http *h = arg;
	struct evbuffer *in = evhttp_request_get_input_buffer(req);
	struct evbuffer_iovec piece;

	if (evhttp_request_get_response_code(req) != HTTP_OK)
		return; /* what is wrong says its status; the text is of no use */
	h->given = true;
	while (evbuffer_peek(in, -1, NULL, &piece, 1) > 0) {
		if (h->request.on_data(piece.iov_base, piece.iov_len, h->arg)) {
			soon(h, give_up);
			return;
		}
		evbuffer_drain(in, piece.iov_len);
	}
}

static void on_close(struct evhttp_connection *c, void *arg)
{
	struct http *h = arg;

	h->broken = h->was_connected = true;
}

static void send_request(struct http *h)
{
	struct evhttp_request *req = evhttp_request_new(on_answer, h);
	struct evkeyvalq *headers;
	cleanup_free char *path = mem_asprintf("%s%s", h->prefix, h->request.path);
	const struct http_request *r = &h->request;

	CHECK(req);
	headers = evhttp_request_get_output_headers(req);
	evhttp_request_set_error_cb(req, on_error);
	if (r->on_data)
		evhttp_request_set_chunked_cb(req, on_piece);
	evhttp_connection_set_max_body_size(
		h->connection, (ev_ssize_t)(r->on_data ? r->max_data : HTTP_MAX_ANSWER));
	evhttp_add_header(headers, "Host", h->host_header);
	evhttp_add_header(headers, "User-Agent", "glim/" GLIM_VERSION);
	if (h->authorization)
		evhttp_add_header(headers, "Authorization", h->authorization);
	if (r->content_type)
		evhttp_add_header(headers, "Content-Type", r->content_type);
	if (r->content_encoding)
		evhttp_add_header(headers, "Content-Encoding", r->content_encoding);
	if (r->len)
		evbuffer_add_reference(evhttp_request_get_output_buffer(req), r->body, r->len, NULL,
				       NULL);
	h->under_way = req;
	if (evhttp_make_request(h->connection, req, r->post ? EVHTTP_REQ_POST : EVHTTP_REQ_GET,
				path)) {
		h->under_way = NULL;
		fail_exchange(h, "cannot connect");
	}
}

/* ---- connections ---- */

static void connect_next(struct http *h)
{
	struct err e = {};

	h->tried++;
	if (h->tls) {
		if (tls_session_new(h->tls, h->host, &h->ssl, &e)) {
			no_answer(h, e.msg);
			return;
		}
		h->bev = bufferevent_openssl_socket_new(
			h->loop, -1, h->ssl, BUFFEREVENT_SSL_CONNECTING, BEV_OPT_CLOSE_ON_FREE);
		CHECK(h->bev);
		/* A server that ends the connection without a farewell is an end of file. */
		bufferevent_openssl_set_allow_dirty_shutdown(h->bev, 1);
	}
	h->connection = evhttp_connection_base_bufferevent_new(h->loop, NULL, h->bev,
							       h->addresses[h->address], h->port);
	CHECK(h->connection);
	/* A server may refuse a body before it has read all of it. */
	evhttp_connection_set_flags(h->connection, EVHTTP_CON_READ_ON_WRITE_ERROR);
	evhttp_connection_set_timeout(h->connection, (int)h->timeout_s);
	evhttp_connection_set_max_headers_size(h->connection, MAX_ANSWER_HEADERS);
	evhttp_connection_set_closecb(h->connection, on_close, h);
	send_request(h);
}

/* A lookup may outlive its client: the resolver calls back even when it is shut down. */
struct lookup {
	struct http *owner; /* NULL: nobody waits any more */
	struct evdns_base *dns;
	bool done; /* the resolver has called back */
};

static void free_lookup(struct http *h)
{
	if (h->lookup) {
		evdns_base_free(h->lookup->dns, 0);
		free(h->lookup);
	}
	h->lookup = NULL;
}

/* The client goes: a resolver that has not called back yet will do so, and frees the rest. */
static void abandon_lookup(struct http *h)
{
	if (h->lookup && !h->lookup->done) {
		h->lookup->owner = NULL;
		evdns_base_free(h->lookup->dns, 1);
		h->lookup = NULL;
	}
	free_lookup(h);
}

static void after_lookup(struct http *h)
{
	free_lookup(h);
	if (h->naddresses)
		connect_next(h);
	else
		finish(h);
}

static void add_address(struct http *h, const struct evutil_addrinfo *a)
{
	const void *address =
		a->ai_family == AF_INET6
			? (const void *)&((struct sockaddr_in6 *)a->ai_addr)->sin6_addr
			: &((struct sockaddr_in *)a->ai_addr)->sin_addr;

	if (h->naddresses < MAX_ADDRESSES &&
	    inet_ntop(a->ai_family, address, h->addresses[h->naddresses], sizeof(h->addresses[0])))
		h->naddresses++;
}

static void on_lookup(int code, struct evutil_addrinfo *list, void *arg)
{
	struct lookup *l = arg;
	struct http *h = l->owner;

	for (struct evutil_addrinfo *a = list; h && a; a = a->ai_next)
		add_address(h, a);
	if (list)
		evutil_freeaddrinfo(list);
	if (!h) {
		free(l);
		return;
	}
	l->done = true;
	if (!h->naddresses)
		snprintf(h->answer.error, sizeof(h->answer.error),
			 "the name \"%.100s\" is not known: %s", h->host,
			 code ? evutil_gai_strerror(code) : "it has no address");
	soon(h, after_lookup);
}

static void resolve(struct http *h)
{
	struct evutil_addrinfo hints = {
		.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_protocol = IPPROTO_TCP};
	struct lookup *l;

	h->naddresses = h->address = 0;
	/* This name means this host, whatever a name server says (RFC 6761, section 6.3). */
	if (!strcasecmp(h->host, "localhost")) {
		memcpy(h->addresses[h->naddresses++], "127.0.0.1", 10);
		memcpy(h->addresses[h->naddresses++], "::1", 4);
		connect_next(h);
		return;
	}
	l = mem_calloc(1, sizeof(*l));
	l->owner = h;
	/* A new resolver each time: it reads what /etc/resolv.conf and /etc/hosts say now. */
	l->dns = evdns_base_new(h->loop, 0);
	CHECK(l->dns);
	/* A missing file leaves the name server of this host, which is the usual rule. */
	evdns_base_resolv_conf_parse(l->dns, DNS_OPTIONS_ALL, "/etc/resolv.conf");
	h->lookup = l;
	evdns_getaddrinfo(l->dns, h->host, NULL, &hints, on_lookup, l);
}

void http_start(struct http *h, const struct http_request *r, http_done done, void *arg)
{
	CHECK(!h->done);
	h->request = *r;
	h->done = done;
	h->arg = arg;
	h->redone = h->given = false;
	h->tried = 0;
	h->answer = (struct http_answer){};
	h->body.len = 0;
	if (h->broken)
		drop_connection(h);
	if (h->connection)
		send_request(h);
	else if (h->naddresses)
		connect_next(h);
	else
		resolve(h);
}

/* ---- life ---- */

/* Take the URL apart; everything that could smuggle in more than an address is refused. */
static int parse_url(struct http *h, const char *url, bool *ret_tls, struct err *e)
{
	struct evhttp_uri *u = evhttp_uri_parse(url);
	const char *scheme = u ? evhttp_uri_get_scheme(u) : NULL;
	const char *host = u ? evhttp_uri_get_host(u) : NULL;
	const char *path = u ? evhttp_uri_get_path(u) : NULL;
	int port = u ? evhttp_uri_get_port(u) : -1, r = 0;
	bool tls = scheme && !strcasecmp(scheme, "https");
	size_t n = path ? strlen(path) : 0;

	if (!scheme || (!tls && strcasecmp(scheme, "http")) || !host || !*host || port == 0)
		r = err_set(e, -EINVAL,
			    "\"%.200s\" is no server: write http://HOST:PORT or https://HOST:PORT",
			    url);
	else if (evhttp_uri_get_userinfo(u))
		r = err_set(e, -EINVAL, "the server's address may not hold a password or key");
	else if (evhttp_uri_get_query(u) || evhttp_uri_get_fragment(u))
		r = err_set(e, -EINVAL, "the server's address may not hold \"?\" or \"#\"");
	if (!r) {
		bool v6 = host[0] == '[';

		if (port < 0)
			port = tls ? 443 : 80;
		while (n && path[n - 1] == '/')
			n--;
		h->port = (uint16_t)port;
		h->host = v6 ? strndup(host + 1, strlen(host) - 2) : mem_strdup(host);
		h->prefix = n ? strndup(path, n) : mem_strdup("");
		CHECK(h->host && h->prefix);
		h->host_header = mem_asprintf("%s:%d", host, port);
		h->name =
			mem_asprintf("%s://%s:%d%s", tls ? "https" : "http", host, port, h->prefix);
		*ret_tls = tls;
	}
	if (u)
		evhttp_uri_free(u);
	return r;
}

/* A key that holds a line end would let its owner write headers. */
static int take_key(struct http *h, const char *key, struct err *e)
{
	if (!key || !*key)
		return 0;
	for (const char *p = key; *p; p++)
		if (!isgraph((unsigned char)*p))
			return err_set(e, -EINVAL,
				       "the key holds a space or another character that no key "
				       "has");
	h->authorization = mem_asprintf("Bearer %s", key);
	return 0;
}

int http_open(struct event_base *loop, const struct http_config *cfg, struct http **ret,
	      struct err *e)
{
	struct http *h = mem_calloc(1, sizeof(*h));
	bool tls = false;
	int r = parse_url(h, cfg->url, &tls, e);

	h->loop = loop;
	h->timeout_s = cfg->timeout_s;
	h->step = event_new(loop, -1, 0, on_step, h);
	CHECK(h->step);
	if (!r)
		r = take_key(h, cfg->key, e);
	if (!r && tls)
		r = tls_client_new(cfg->ca_file, &h->tls, e);
	if (r) {
		http_close(h);
		return r;
	}
	*ret = h;
	return 0;
}

void http_cancel(struct http *h)
{
	abandon_lookup(h);
	event_del(h->step);
	drop_connection(h);
	h->done = NULL;
}

void http_close(struct http *h)
{
	if (!h)
		return;
	http_cancel(h);
	event_free(h->step);
	tls_client_free(h->tls);
	if (h->authorization)
		explicit_bzero(h->authorization, strlen(h->authorization));
	free(h->authorization);
	free(h->host);
	free(h->prefix);
	free(h->name);
	free(h->host_header);
	buf_fini(&h->body);
	free(h);
}

bool http_is_plain(const struct http *h)
{
	return !h->tls && strcmp(h->host, "localhost") && strcmp(h->host, "::1") &&
	       strncmp(h->host, "127.", 4);
}

const char *http_name(const struct http *h)
{
	return h->name;
}
