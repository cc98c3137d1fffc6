#include "server/route.h"

const struct route routes[] = {
	/* methods, pattern, access, flags, body, handler */
	{HTTP_GET, "/api/v1/status", ACCESS_PUBLIC, 0, BODY_NONE, status_get},
	{HTTP_POST, "/api/v1/accounts", ACCESS_PUBLIC, ROUTE_ORIGIN, BODY_FORM, account_add},
	{HTTP_POST, "/api/v1/session", ACCESS_PUBLIC, ROUTE_ORIGIN, BODY_FORM, session_add},
	{HTTP_DELETE, "/api/v1/session", ACCESS_PUBLIC, ROUTE_ORIGIN, BODY_NONE, session_remove},
	{HTTP_GET, "/api/v1/me", ACCESS_READ, 0, BODY_NONE, me_get},
	{HTTP_POST, "/api/v1/keys", ACCESS_ADMIN, 0, BODY_FORM, key_add},
	{HTTP_GET, "/api/v1/keys", ACCESS_ADMIN, 0, BODY_NONE, key_list},
	{HTTP_DELETE, "/api/v1/keys/{id}", ACCESS_ADMIN, 0, BODY_NONE, key_remove},
	{HTTP_POST, "/api/v1/services", ACCESS_ADMIN, 0, BODY_FORM, service_add},
	{HTTP_GET, "/api/v1/services", ACCESS_READ, 0, BODY_NONE, service_list},
	{HTTP_GET, "/api/v1/flamegraph", ACCESS_READ, 0, BODY_NONE, flamegraph_get},
	{HTTP_GET, "/api/v1/series", ACCESS_READ, 0, BODY_NONE, series_get},
	{HTTP_GET, "/api/v1/labels", ACCESS_READ, 0, BODY_NONE, label_list},
	{HTTP_GET, "/api/v1/labels/{name}/values", ACCESS_READ, 0, BODY_NONE, label_values},
	{HTTP_POST, "/v1development/profiles", ACCESS_INGEST, 0, BODY_INGEST, ingest_profiles},
	{HTTP_POST, "/v1/metrics", ACCESS_INGEST, 0, BODY_INGEST, ingest_metrics},
	{HTTP_GET, "/install.sh", ACCESS_PUBLIC, ROUTE_INLINE, BODY_NONE, install_script},
	{HTTP_GET, "/download/glim-linux-x86_64", ACCESS_PUBLIC, ROUTE_INLINE, BODY_NONE,
	 download_program},
	{HTTP_GET, "/download/glim-linux-x86_64.sha256", ACCESS_PUBLIC, ROUTE_INLINE, BODY_NONE,
	 download_checksum},
	{HTTP_GET, "/healthz", ACCESS_PUBLIC, ROUTE_INLINE | ROUTE_ANY_HOST, BODY_NONE, health_get},
	{HTTP_GET, "/metrics", ACCESS_PUBLIC, ROUTE_INLINE, BODY_NONE, metrics_get},
	{HTTP_GET, "*", ACCESS_PUBLIC, ROUTE_INLINE, BODY_NONE, page_get},
};
const size_t routes_count = ARRAY_SIZE(routes);
_Static_assert(ARRAY_SIZE(routes) <= ROUTES_MAX, "ROUTES_MAX is the size of the counters");

static bool starts_with(const char *s, size_t len, const char *prefix)
{
	size_t n = strlen(prefix);

	return len >= n && !memcmp(s, prefix, n);
}

/* Does the path fit the pattern? A {name} stands for one segment that is not empty. */
static bool matches(const char *pattern, const char *path, size_t len, const char **ret_arg,
		    size_t *ret_arg_len)
{
	const char *open = strchr(pattern, '{'), *tail = open ? strchr(open, '}') + 1 : "";
	size_t head = open ? (size_t)(open - pattern) : strlen(pattern), seg = 0;

	if (len < head || memcmp(path, pattern, head))
		return false;
	if (!open) {
		*ret_arg = "";
		*ret_arg_len = 0;
		return len == head;
	}
	while (head + seg < len && path[head + seg] != '/')
		seg++;
	if (!seg || len - head - seg != strlen(tail) ||
	    memcmp(path + head + seg, tail, strlen(tail)))
		return false;
	*ret_arg = path + head;
	*ret_arg_len = seg;
	return true;
}

const struct route *route_find(enum http_method method, const char *path, size_t len,
			       const char **ret_arg, size_t *ret_arg_len, unsigned int *ret_allowed)
{
	static const char *const not_pages[] = {"/api/", "/v1/", "/v1development/", "/download/"};
	unsigned int allowed = 0;
	bool page = true;

	if (method == HTTP_HEAD)
		method = HTTP_GET;
	for (size_t i = 0; i < ARRAY_SIZE(not_pages); i++)
		page = page && !starts_with(path, len, not_pages[i]);
	for (const struct route *r = routes; r < routes + routes_count; r++) {
		bool rest = !strcmp(r->pattern, "*");

		if (rest ? !page || allowed : !matches(r->pattern, path, len, ret_arg, ret_arg_len))
			continue;
		allowed |= r->methods;
		if (!(r->methods & (unsigned int)method))
			continue;
		if (rest) {
			*ret_arg = "";
			*ret_arg_len = 0;
		}
		return r;
	}
	*ret_allowed = allowed;
	return NULL;
}
