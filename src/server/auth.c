/* server/auth.c - who is asking, and may they? */
#include <arpa/inet.h>
#include <ctype.h>
#include <strings.h>

#include "base/clock.h"
#include "server/server_priv.h"

enum { KEY_TOUCH_SECONDS = 60 };

/* A session is prolonged at most once an hour. */
static const struct rate_limit slide = {.kind = 's', .burst = 1, .every = 3600};

/* --- names and origins ----------------------------------------------------------------------- */

/* The name in "name:port", "[v6]:port" or "name": its length; 0 when the text is no such thing. */
static size_t host_name(const char *host)
{
	size_t n = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");

	for (size_t i = 0; i < strlen(host); i++)
		if (!isalnum((unsigned char)host[i]) && !strchr(".-_:[]", host[i]))
			return 0;
	if (n > strlen(host) || (host[n] && host[n] != ':') ||
	    strspn(host + n + (host[n] == ':'), "0123456789") !=
		    strlen(host + n + (host[n] == ':')))
		return 0;
	return n;
}

static bool is_address(const char *name, size_t n)
{
	struct in6_addr any;
	char text[64];

	if (n >= sizeof(text))
		return false;
	memcpy(text, name, n);
	text[n] = '\0';
	if (text[0] == '[') {
		text[n - 1] = '\0';
		return inet_pton(AF_INET6, text + 1, &any) == 1;
	}
	return inet_pton(AF_INET, text, &any) == 1;
}

static bool ends_with(const char *s, size_t n, const char *end)
{
	size_t len = strlen(end);

	return n >= len && !strncasecmp(s + n - len, end, len);
}

/* What stands behind "http://" or "https://", NULL when it is neither. */
static const char *after_scheme(const char *url)
{
	if (!strncasecmp(url, "http://", 7))
		return url + 7;
	return strncasecmp(url, "https://", 8) ? NULL : url + 8;
}

bool auth_host_ok(const struct server *s, const char *host)
{
	const char *public = s->cfg.public_url ? after_scheme(s->cfg.public_url) : NULL;
	size_t n = host ? host_name(host) : 0;

	if (!host) /* HTTP/1.0: no browser */
		return true;
	if (!n)
		return false;
	/* A page elsewhere may point its own name at this machine's loopback address and would
	 * then pass for our own page. Beyond loopback nothing is to be had without a secret, and
	 * the names by which a network knows this machine are not ours to list. */
	if (!s->loopback || is_address(host, n))
		return true;
	if ((n == 9 && !strncasecmp(host, "localhost", 9)) || ends_with(host, n, ".localhost"))
		return true;
	return public && !strncasecmp(public, host, n) && (!public[n] || strchr(":/", public[n]));
}

/* Does the request come from a page of ours? Browsers tell the origin of every request that
 * changes something; other programs do not. */
static bool origin_ok(const struct request *req, bool required)
{
	const char *origin = http_header(&req->head, "Origin");
	const char *host = http_header(&req->head, "Host");
	const char *public = req->server->cfg.public_url, *name;

	if (!origin)
		return !required;
	if (public && !strcasecmp(origin, public))
		return true;
	name = after_scheme(origin);
	return name && host && !strcasecmp(name, host);
}

/* --- callers --------------------------------------------------------------------------------- */

static bool refuse(struct response *res, int status, const char *why)
{
	if (status == 401)
		respond_header(res, "WWW-Authenticate", "Bearer");
	respond_error(res, status, "%s", why);
	return false;
}

static bool refuse_store(struct response *res, int code)
{
	struct err e = {};

	err_sys(&e, code, "the store cannot look up who is asking");
	respond_store_error(res, code, &e);
	return false;
}

static bool scope_fits(enum route_access access, enum key_scope scope)
{
	return scope == KEY_ADMIN || (scope == KEY_INGEST && access == ACCESS_INGEST) ||
	       (scope == KEY_READ && access == ACCESS_READ);
}

static bool check_key(struct request *req, struct response *res, const char *authorization)
{
	const char *secret = authorization + 6 + strspn(authorization + 6, " ");
	int64_t now = clock_real_ns();
	struct store_key key;
	uint8_t hash[32];
	int r;

	if (strlen(secret) != SECRET_KEY_LEN)
		return refuse(res, 401, "this is not an API key");
	secret_hash(secret, hash);
	r = store_key_by_hash(req->server->cfg.store, hash, &key);
	if (r == -ENOENT)
		return refuse(res, 401, "this API key is not known, or was revoked");
	if (r < 0)
		return refuse_store(res, r);
	if (!scope_fits(req->route->access, key.scope))
		return refuse(res, 403, "this API key's scope does not allow that");
	if (now - key.last_used > KEY_TOUCH_SECONDS * NSEC_PER_SEC)
		store_key_touch(req->server->cfg.store, key.id, now);
	req->caller =
		(struct caller){.tenant = key.tenant, .account = key.account, .scope = key.scope};
	return true;
}

/* Does the browser speak TLS, to us or to a proxy before us? */
static bool is_secure(const struct request *req)
{
	const char *public = req->server->cfg.public_url;
	const char *host = http_header(&req->head, "Host");

	return req->tls || (public && host && !strncasecmp(public, "https://", 8) &&
			    !strcasecmp(after_scheme(public), host));
}

static void put_cookie(struct request *req, struct response *res, const char *secret, int age)
{
	respond_header(res, "Set-Cookie",
		       arena_printf(&req->arena,
				    "glim_session=%s; HttpOnly; SameSite=Strict; Path=/; "
				    "Max-Age=%d%s",
				    secret, age, is_secure(req) ? "; Secure" : ""));
}

/* Each use moves the end of a session to 30 days from now. */
static void slide_session(struct request *req, struct response *res, const char *secret)
{
	int64_t now = clock_real_ns();
	char name[65];

	secret_hex(req->caller.session, name);
	if (rate_take(&req->server->rate, &slide, name, clock_mono_ns()))
		return;
	if (!store_session_add(req->server->cfg.store, req->caller.session, req->caller.account,
			       now + SESSION_SECONDS * NSEC_PER_SEC, NULL))
		put_cookie(req, res, secret, SESSION_SECONDS);
}

static bool check_session(struct request *req, struct response *res)
{
	const char *secret = request_cookie(req, "glim_session");
	struct store *store = req->server->cfg.store;
	struct store_account account;
	int r;

	if (!secret || strlen(secret) != SECRET_SESSION_LEN)
		return refuse(res, 401, "sign in, or send an API key: Authorization: Bearer KEY");
	secret_hash(secret, req->caller.session);
	r = store_session_get(store, req->caller.session, clock_real_ns(), &req->caller.account);
	if (!r)
		r = store_account_by_id(store, req->caller.account, &account);
	if (r == -ENOENT)
		return refuse(res, 401, "the session has ended: sign in again");
	if (r < 0)
		return refuse_store(res, r);
	if (req->head.method != HTTP_GET && req->head.method != HTTP_HEAD && !origin_ok(req, true))
		return refuse(res, 403,
			      "a request with a session must come from the page itself "
			      "(its Origin header is missing or another's)");
	req->caller.tenant = account.tenant;
	req->caller.scope = KEY_ADMIN;
	req->caller.by_session = true;
	slide_session(req, res, secret);
	return true;
}

bool auth_check(struct request *req, struct response *res)
{
	const char *authorization = http_header(&req->head, "Authorization");

	if (req->route->access == ACCESS_PUBLIC) {
		bool change =
			req->head.method == HTTP_DELETE && request_cookie(req, "glim_session");

		if (!(req->route->flags & ROUTE_ORIGIN) || origin_ok(req, change))
			return true;
		return refuse(res, 403,
			      "this must come from the page itself (its Origin header is "
			      "missing or another's)");
	}
	if (authorization && !strncasecmp(authorization, "Bearer ", 7))
		return check_key(req, res, authorization);
	if (authorization || req->route->access == ACCESS_INGEST)
		return refuse(res, 401, "an API key is needed: Authorization: Bearer KEY");
	return check_session(req, res);
}

int auth_session_start(struct request *req, struct response *res, int64_t account, struct err *e)
{
	char *secret = arena_alloc(&req->arena, SECRET_SESSION_LEN + 1, 1);
	uint8_t hash[32];
	int r;

	secret_random(secret, SECRET_SESSION_LEN);
	secret_hash(secret, hash);
	r = store_session_add(req->server->cfg.store, hash, account,
			      clock_real_ns() + SESSION_SECONDS * NSEC_PER_SEC, e);
	if (r < 0)
		return r;
	put_cookie(req, res, secret, SESSION_SECONDS);
	return 0;
}

void auth_session_end(struct request *req, struct response *res)
{
	const char *secret = request_cookie(req, "glim_session");
	uint8_t hash[32];

	if (secret && strlen(secret) == SECRET_SESSION_LEN) {
		secret_hash(secret, hash);
		store_session_remove(req->server->cfg.store, hash);
	}
	put_cookie(req, res, "", 0);
}
