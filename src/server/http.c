#include "server/http.h"

#include <ctype.h>
#include <strings.h>

static const struct {
	const char *name;
	enum http_method method;
} methods[] = {
	{"GET", HTTP_GET}, {"HEAD", HTTP_HEAD},	    {"POST", HTTP_POST},
	{"PUT", HTTP_PUT}, {"DELETE", HTTP_DELETE},
};

const char *http_method_name(enum http_method m)
{
	for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
		if (methods[i].method == m)
			return methods[i].name;
	return "?";
}

size_t http_head_size(const char *p, size_t n)
{
	const char *end = memmem(p, n, "\r\n\r\n", 4);

	return end ? (size_t)(end - p) + 4 : 0;
}

/* RFC 9110 5.6.2 */
static bool is_token(const char *s)
{
	if (!*s)
		return false;
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr("!#$%&'*+-.^_`|~", *s))
			return false;
	return true;
}

/* Cut the next line off *p, which ends at end; NULL when it does not end with CR LF or holds a
 * control character. */
static char *next_line(char **p, const char *end)
{
	char *line = *p;

	for (char *c = line; c < end; c++) {
		if (c[0] == '\r' && c + 1 < end && c[1] == '\n') {
			*c = '\0';
			*p = c + 2;
			return line;
		}
		if (((unsigned char)*c < 0x20 && *c != '\t') || *c == 0x7f)
			return NULL;
	}
	return NULL;
}

static int parse_request_line(char *line, struct http_head *h, struct err *e)
{
	char *target = strchr(line, ' '), *version = target ? strchr(target + 1, ' ') : NULL;

	if (!version || strchr(version + 1, ' '))
		return err_set(e, 400, "the request line is malformed");
	*target++ = '\0';
	*version++ = '\0';
	if (!is_token(line))
		return err_set(e, 400, "the method is malformed");
	if (strncmp(version, "HTTP/1.", 7) || !isdigit((unsigned char)version[7]) || version[8])
		return err_set(e, strncmp(version, "HTTP/", 5) ? 400 : 505,
			       "only HTTP/1.0 and HTTP/1.1 are spoken here");
	h->minor = version[7] == '0' ? 0 : 1;
	h->method = HTTP_OTHER;
	for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
		if (!strcmp(methods[i].name, line))
			h->method = methods[i].method;
	/* The absolute form is what a proxy is asked; its path is what counts (RFC 9112 3.2.2). */
	if (!strncasecmp(target, "http://", 7) || !strncasecmp(target, "https://", 8)) {
		target = strchr(strchr(target, ':') + 3, '/');
		if (!target)
			return err_set(e, 400, "the request target has no path");
	}
	if (target[0] != '/')
		return err_set(e, 400, "the request target must be a path");
	h->target = target;
	return 0;
}

static int parse_header(char *line, struct http_head *h, struct err *e)
{
	char *colon = strchr(line, ':'), *value, *end;

	if (!colon)
		return err_set(e, 400, "a header has no colon");
	*colon = '\0';
	if (!is_token(line))
		return err_set(e, 400, "the name of a header is malformed");
	if (h->nheaders == HTTP_HEADERS_MAX)
		return err_set(e, 431, "more than %d headers", HTTP_HEADERS_MAX);
	value = colon + 1 + strspn(colon + 1, " \t");
	end = value + strlen(value);
	while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
		*--end = '\0';
	h->headers[h->nheaders++] = (struct http_pair){line, value};
	return 0;
}

const char *http_header(const struct http_head *h, const char *name)
{
	for (size_t i = 0; i < h->nheaders; i++)
		if (!strcasecmp(h->headers[i].name, name))
			return h->headers[i].value;
	return NULL;
}

static size_t count_header(const struct http_head *h, const char *name)
{
	size_t n = 0;

	for (size_t i = 0; i < h->nheaders; i++)
		n += !strcasecmp(h->headers[i].name, name);
	return n;
}

/* Is this word one of the comma-separated ones? */
static bool has_word(const char *list, const char *word)
{
	size_t len = strlen(word);

	while (list && *list) {
		list += strspn(list, ", \t");
		size_t n = strcspn(list, ", \t");

		if (n == len && !strncasecmp(list, word, len))
			return true;
		list += n;
	}
	return false;
}

static int parse_length(struct http_head *h, struct err *e)
{
	const char *length = http_header(h, "Content-Length");
	const char *coding = http_header(h, "Transfer-Encoding");

	if (coding) {
		if (length || h->minor == 0)
			return err_set(e, 400, "a request has one way to say its length");
		if (strcasecmp(coding, "chunked") || count_header(h, "Transfer-Encoding") > 1)
			return err_set(e, 501, "the only transfer coding known is chunked");
		h->chunked = true;
		return 0;
	}
	if (!length)
		return 0;
	if (count_header(h, "Content-Length") > 1)
		return err_set(e, 400, "Content-Length was sent more than once");
	/* 18 digits cannot overflow. */
	if (!*length || strlen(length) > 18 || strspn(length, "0123456789") != strlen(length))
		return err_set(e, 400, "Content-Length is not a number");
	h->length = strtoull(length, NULL, 10);
	return 0;
}

static int check_head(struct http_head *h, struct err *e)
{
	const char *connection = http_header(h, "Connection");
	const char *expect = http_header(h, "Expect");
	size_t hosts = count_header(h, "Host");

	if (hosts > 1 || (hosts == 0 && h->minor == 1))
		return err_set(e, 400, "a request needs one Host header");
	h->keep_alive =
		h->minor == 1 ? !has_word(connection, "close") : has_word(connection, "keep-alive");
	if (expect && strcasecmp(expect, "100-continue"))
		return err_set(e, 417, "the only expectation known is 100-continue");
	h->expect_continue = expect && h->minor == 1;
	return parse_length(h, e);
}

int http_parse_head(char *p, size_t n, struct http_head *ret_head, struct err *e)
{
	char *end = p + n, *line = next_line(&p, end);
	int r;

	memset(ret_head, 0, sizeof(*ret_head));
	if (!line)
		return err_set(e, 400, "the request line is malformed");
	r = parse_request_line(line, ret_head, e);
	while (!r) {
		line = next_line(&p, end);
		if (!line)
			return err_set(e, 400, "a header line is malformed");
		if (!*line)
			return check_head(ret_head, e);
		r = parse_header(line, ret_head, e);
	}
	return r;
}

/* The size line of a chunk: hexadecimal digits, perhaps an extension, CR LF. Returns its length, 0
 * when it is not complete, -EBADMSG when it is none. */
static ssize_t chunk_size_line(const char *p, size_t n, uint64_t *ret_size)
{
	const char *lf = memchr(p, '\n', MIN(n, (size_t)256));
	uint64_t size = 0;
	size_t digits = 0;

	if (!lf)
		return n >= 256 ? -EBADMSG : 0;
	for (; digits < n && isxdigit((unsigned char)p[digits]); digits++) {
		char c = p[digits];

		if (digits == 15)
			return -EBADMSG;
		size = size * 16 +
		       (uint64_t)(isdigit((unsigned char)c) ? c - '0' : (c | 32) - 'a' + 10);
	}
	if (!digits || lf[-1] != '\r' || !p[digits] || !strchr(";\r \t", p[digits]))
		return -EBADMSG;
	*ret_size = size;
	return lf - p + 1;
}

/* One step of http_chunks_take: bytes taken, 0 when more are needed. */
static ssize_t chunk_step(struct http_chunks *c, const char *p, size_t n, size_t max,
			  struct buf *out)
{
	const char *lf;
	ssize_t r;

	switch (c->state) {
	case CHUNK_SIZE:
		r = chunk_size_line(p, n, &c->left);
		if (r > 0 && (c->left > max || out->len > max - c->left))
			return -EFBIG;
		if (r > 0)
			c->state = c->left ? CHUNK_DATA : CHUNK_TRAILER;
		return r;
	case CHUNK_DATA:
		n = MIN(n, c->left);
		buf_append(out, p, n);
		c->left -= n;
		if (!c->left)
			c->state = CHUNK_DATA_END;
		return (ssize_t)n;
	case CHUNK_DATA_END:
		if (n < 2)
			return 0;
		if (memcmp(p, "\r\n", 2))
			return -EBADMSG;
		c->state = CHUNK_SIZE;
		return 2;
	case CHUNK_TRAILER:
		lf = memchr(p, '\n', n);
		if (!lf)
			return c->trailer + n > HTTP_HEAD_MAX ? -EBADMSG : 0;
		c->trailer += (size_t)(lf - p) + 1;
		if (lf == p || lf[-1] != '\r' || c->trailer > HTTP_HEAD_MAX)
			return -EBADMSG;
		if (lf == p + 1)
			c->state = CHUNK_DONE;
		return lf - p + 1;
	default:
		return 0;
	}
}

ssize_t http_chunks_take(struct http_chunks *c, const char *p, size_t n, size_t max,
			 struct buf *out)
{
	size_t taken = 0;

	while (taken < n && c->state != CHUNK_DONE) {
		ssize_t r = chunk_step(c, p + taken, n - taken, max, out);

		if (r < 0)
			return r;
		if (!r)
			break;
		taken += (size_t)r;
	}
	return (ssize_t)taken;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 32;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

char *http_unescape(struct arena *a, const char *s, size_t len, bool plus)
{
	char *out = arena_alloc(a, len + 1, 1), *o = out;

	for (size_t i = 0; i < len; i++) {
		if (s[i] == '+' && plus) {
			*o++ = ' ';
			continue;
		}
		if (s[i] != '%') {
			*o++ = s[i];
			continue;
		}
		if (len - i < 3 || hex_digit(s[i + 1]) < 0 || hex_digit(s[i + 2]) < 0)
			return NULL;
		*o = (char)(hex_digit(s[i + 1]) << 4 | hex_digit(s[i + 2]));
		if (!*o++)
			return NULL;
		i += 2;
	}
	return out;
}

int http_parse_query(struct arena *a, const char *query, struct http_pair *ret_params,
		     size_t *ret_n)
{
	size_t n = 0;

	while (*query) {
		size_t len = strcspn(query, "&"), name = 0;

		while (name < len && query[name] != '=')
			name++;
		if (len && n == HTTP_PARAMS_MAX)
			return -E2BIG;
		if (len) {
			const char *value = name < len ? query + name + 1 : query + len;
			struct http_pair p = {
				http_unescape(a, query, name, true),
				http_unescape(a, value, (size_t)(query + len - value), true),
			};

			if (!p.name || !p.value)
				return -EINVAL;
			ret_params[n++] = p;
		}
		query += len + (query[len] == '&');
	}
	*ret_n = n;
	return 0;
}

/* RFC 9110 15 */
const char *http_status_text(int status)
{
	static const struct {
		int status;
		const char *text;
	} texts[] = {
		{100, "Continue"},
		{200, "OK"},
		{201, "Created"},
		{204, "No Content"},
		{304, "Not Modified"},
		{400, "Bad Request"},
		{401, "Unauthorized"},
		{403, "Forbidden"},
		{404, "Not Found"},
		{405, "Method Not Allowed"},
		{408, "Request Timeout"},
		{409, "Conflict"},
		{413, "Content Too Large"},
		{415, "Unsupported Media Type"},
		{417, "Expectation Failed"},
		{421, "Misdirected Request"},
		{429, "Too Many Requests"},
		{431, "Request Header Fields Too Large"},
		{500, "Internal Server Error"},
		{501, "Not Implemented"},
		{503, "Service Unavailable"},
		{505, "HTTP Version Not Supported"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (texts[i].status == status)
			return texts[i].text;
	return "Unknown";
}
