#include "server/request.h"

#include <jansson.h>

#include "server/server_priv.h"

const char *request_param(const struct request *req, const char *name)
{
	for (size_t i = 0; i < req->nparams; i++)
		if (!strcmp(req->params[i].name, name))
			return req->params[i].value;
	return NULL;
}

const char *request_cookie(struct request *req, const char *name)
{
	const char *c = http_header(&req->head, "Cookie");
	size_t len = strlen(name);

	while (c && *c) {
		size_t n;

		c += strspn(c, "; ");
		n = strcspn(c, ";");
		if (n > len && c[len] == '=' && !memcmp(c, name, len))
			return arena_strndup(&req->arena, c + len + 1, n - len - 1);
		c += n;
	}
	return NULL;
}

void respond_header(struct response *res, const char *name, const char *value)
{
	CHECK(res->nheaders < RESPONSE_HEADERS_MAX);
	res->headers[res->nheaders++] = (struct http_pair){name, value};
}

struct json respond_json(struct response *res, int status)
{
	res->status = status;
	res->type = "application/json";
	res->fixed = NULL;
	res->body.len = 0;
	return (struct json){&res->body, false};
}

static const char *error_code(int status)
{
	static const struct {
		int status;
		const char *code;
	} codes[] = {
		{400, "bad_request"}, {401, "unauthorized"}, {403, "forbidden"}, {404, "not_found"},
		{405, "not_allowed"}, {408, "timeout"},	     {409, "conflict"},	 {413, "too_large"},
		{415, "unsupported"}, {421, "wrong_host"},   {429, "too_many"},	 {431, "too_large"},
		{500, "internal"},    {503, "unavailable"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
		if (codes[i].status == status)
			return codes[i].code;
	return "bad_request";
}

int respond_error(struct response *res, int status, const char *fmt, ...)
{
	struct json j = respond_json(res, status);
	char msg[600];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	json_object_begin(&j);
	json_key(&j, "error");
	json_object_begin(&j);
	json_member_text(&j, "code", error_code(status));
	json_member_text(&j, "message", msg);
	json_object_end(&j);
	json_object_end(&j);
	return 0;
}

int respond_store_error(struct response *res, int code, const struct err *e)
{
	const char *msg = e && e->code ? e->msg : strerror(-code);

	switch (-code) {
	case ENOENT:
		return respond_error(res, 404, "%s", msg);
	case EINVAL:
	case EBADMSG:
	case E2BIG:
		return respond_error(res, 400, "%s", msg);
	case EAGAIN:
	case EBUSY:
	case ENOSPC:
		respond_header(res, "Retry-After", code == -ENOSPC ? "60" : "5");
		return respond_error(res, 503, "%s", msg);
	default:
		log_error("store: %s", msg);
		return respond_error(res, 500, "the store failed; the server's log says why");
	}
}

void json_decref_cleanup(struct json_t **j)
{
	json_decref(*j);
}

struct json_t *request_json(struct request *req, struct response *res)
{
	const char *type = http_header(&req->head, "Content-Type");
	json_error_t je;
	json_t *j;

	/* A page of another site can send a form or plain text without being asked; JSON it cannot.
	 */
	if (!type || strncasecmp(type, "application/json", 16) || !strchr("; \t", type[16])) {
		respond_error(res, 415, "Content-Type must be application/json");
		return NULL;
	}
	j = json_loadb((const char *)req->body.data, req->body.len, JSON_REJECT_DUPLICATES, &je);
	if (!j) {
		respond_error(res, 400, "the body is not JSON: %s (line %d)", je.text, je.line);
		return NULL;
	}
	if (!json_is_object(j)) {
		json_decref(j);
		respond_error(res, 400, "the body must be a JSON object");
		return NULL;
	}
	return j;
}

const char *json_text_field(const struct json_t *j, const char *name)
{
	const json_t *v = json_object_get(j, name);

	/* Without JSON_ALLOW_NUL a string holds none. */
	return json_is_string(v) ? json_string_value(v) : NULL;
}

const char *request_base_url(const struct request *req)
{
	const char *host = http_header(&req->head, "Host");

	if (req->server->cfg.public_url)
		return req->server->cfg.public_url;
	return arena_printf((struct arena *)&req->arena, "%s://%s", req->tls ? "https" : "http",
			    host ? host : "127.0.0.1");
}
