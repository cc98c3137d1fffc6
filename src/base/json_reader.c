#include "base/json_reader.h"

#include "base/utf8.h"

enum { MAX_NUMBER = 64 /* characters; longer ones mean nothing that a double can hold */ };

void json_reader_init(struct json_reader *r, const void *p, size_t n)
{
	*r = (struct json_reader){.start = p, .at = p, .end = (const char *)p + n};
}

void json_reader_fini(struct json_reader *r)
{
	buf_fini(&r->text);
}

int json_reader_error(const struct json_reader *r, struct err *e)
{
	if (!r->expected)
		return 0;
	return err_set(e, -EBADMSG, "byte %zu: expected %s", (size_t)(r->at - r->start),
		       r->expected);
}

static bool fail(struct json_reader *r, const char *expected)
{
	if (!r->expected)
		r->expected = expected;
	return false;
}

/* The next character that is no blank, 0 at the end. */
static char look(struct json_reader *r)
{
	while (r->at < r->end &&
	       (*r->at == ' ' || *r->at == '\n' || *r->at == '\t' || *r->at == '\r'))
		r->at++;
	return r->at < r->end ? *r->at : 0;
}

static bool take(struct json_reader *r, char c)
{
	if (r->expected || look(r) != c)
		return false;
	r->at++;
	return true;
}

enum json_kind json_peek(struct json_reader *r)
{
	switch (r->expected ? 0 : look(r)) {
	case '{':
		return JSON_KIND_OBJECT;
	case '[':
		return JSON_KIND_ARRAY;
	case '"':
		return JSON_KIND_TEXT;
	case 't':
	case 'f':
		return JSON_KIND_BOOL;
	case 'n':
		return JSON_KIND_NULL;
	case '-':
	case '0' ... '9':
		return JSON_KIND_NUMBER;
	default:
		return JSON_KIND_BAD;
	}
}

static bool enter(struct json_reader *r, char c, const char *expected)
{
	if (!take(r, c))
		return fail(r, expected);
	if (r->depth + 1 >= JSON_MAX_DEPTH)
		return fail(r, "less nesting");
	r->depth++;
	r->comma &= ~(1ULL << r->depth);
	return true;
}

bool json_enter_object(struct json_reader *r)
{
	return enter(r, '{', "an object");
}

bool json_enter_array(struct json_reader *r)
{
	return enter(r, '[', "an array");
}

/* To the next element of what ends with `close`. */
static bool next(struct json_reader *r, char close)
{
	if (r->expected)
		return false;
	CHECK(r->depth);
	if (take(r, close)) {
		r->depth--;
		return false;
	}
	if (r->comma >> r->depth & 1 && !take(r, ','))
		return fail(r, close == '}' ? "a comma or }" : "a comma or ]");
	r->comma |= 1ULL << r->depth;
	return true;
}

static bool read_quoted(struct json_reader *r);

bool json_next_key(struct json_reader *r)
{
	if (!next(r, '}'))
		return false;
	if (look(r) != '"')
		return fail(r, "a key");
	return read_quoted(r) && (take(r, ':') || fail(r, "a colon"));
}

bool json_next_item(struct json_reader *r)
{
	return next(r, ']');
}

bool json_text_is(const struct json_reader *r, const char *s)
{
	size_t n = strlen(s);

	return r->text.len == n && !memcmp(r->text.data, s, n);
}

/* --- strings -----------------------------------------------------------------------------------
 */

static bool read_hex(struct json_reader *r, uint32_t *ret_v)
{
	uint32_t v = 0;

	if (r->end - r->at < 4)
		return fail(r, "four hex digits");
	for (int i = 0; i < 4; i++) {
		char c = *r->at, lower = (char)(c | 0x20);

		if (c >= '0' && c <= '9')
			v = v << 4 | (uint32_t)(c - '0');
		else if (lower >= 'a' && lower <= 'f')
			v = v << 4 | (uint32_t)(lower - 'a' + 10);
		else
			return fail(r, "four hex digits");
		r->at++;
	}
	*ret_v = v;
	return true;
}

/* Behind \u. */
static bool read_unicode(struct json_reader *r)
{
	uint32_t c, low;

	if (!read_hex(r, &c))
		return false;
	if (c >= 0xd800 && c <= 0xdbff && r->end - r->at >= 2 && r->at[0] == '\\' &&
	    r->at[1] == 'u') {
		const char *back = r->at;

		r->at += 2;
		if (!read_hex(r, &low))
			return false;
		if (low >= 0xdc00 && low <= 0xdfff)
			c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
		else
			r->at = back;
	}
	if (c)
		utf8_put_character(&r->text, c);
	else
		buf_putc(&r->text, 0);
	return true;
}

static bool read_escape(struct json_reader *r)
{
	static const char names[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
	const char *name;

	if (r->at >= r->end)
		return fail(r, "an escape");
	if (*r->at == 'u') {
		r->at++;
		return read_unicode(r);
	}
	name = *r->at ? strchr(names, *r->at) : NULL;
	if (!name)
		return fail(r, "an escape");
	buf_putc(&r->text, meanings[name - names]);
	r->at++;
	return true;
}

static bool read_quoted(struct json_reader *r)
{
	r->text.len = 0;
	r->at++;
	while (r->at < r->end && *r->at != '"') {
		const char *from = r->at;

		if ((uint8_t)*r->at < 0x20)
			return fail(r, "no control character");
		if (*r->at == '\\') {
			r->at++;
			if (!read_escape(r))
				return false;
			continue;
		}
		while (r->at < r->end && *r->at != '"' && *r->at != '\\' && (uint8_t)*r->at >= 0x20)
			r->at++;
		buf_append(&r->text, from, (size_t)(r->at - from));
	}
	if (r->at >= r->end)
		return fail(r, "the end of a string");
	r->at++;
	return true;
}

bool json_read_text(struct json_reader *r)
{
	return json_peek(r) == JSON_KIND_TEXT ? read_quoted(r) : fail(r, "a string");
}

/* --- other values ------------------------------------------------------------------------------
 */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static size_t digits(const char **at, const char *end)
{
	const char *from = *at;

	while (*at < end && is_digit(**at))
		++*at;
	return (size_t)(*at - from);
}

/* The number from r->at on: where it ends, NULL where it is none. */
static const char *number_end(const struct json_reader *r, bool *ret_whole)
{
	const char *p = r->at;

	*ret_whole = true;
	if (p < r->end && *p == '-')
		p++;
	bool zero = p < r->end && *p == '0';
	size_t n = digits(&p, r->end);

	if (!n || (zero && n > 1))
		return NULL;
	if (p < r->end && *p == '.') {
		*ret_whole = false;
		p++;
		if (!digits(&p, r->end))
			return NULL;
	}
	if (p < r->end && (*p | 0x20) == 'e') {
		*ret_whole = false;
		p++;
		if (p < r->end && (*p == '+' || *p == '-'))
			p++;
		if (!digits(&p, r->end))
			return NULL;
	}
	return p;
}

bool json_read_number(struct json_reader *r, double *ret_v)
{
	char text[MAX_NUMBER];
	bool whole;

	if (json_peek(r) != JSON_KIND_NUMBER)
		return fail(r, "a number");
	const char *end = number_end(r, &whole);

	if (!end || end - r->at >= MAX_NUMBER)
		return fail(r, "a number");
	size_t n = (size_t)(end - r->at);

	if (whole && n <= 15 && *r->at != '-') {
		uint64_t v = 0;

		/* Columns of indices are read here: strtod would be most of the work. */
		for (; r->at < end; r->at++)
			v = v * 10 + (uint64_t)(*r->at - '0');
		*ret_v = (double)v;
		return true;
	}
	memcpy(text, r->at, n);
	text[n] = 0;
	*ret_v = strtod(text, NULL);
	r->at = end;
	return true;
}

static bool skip_word(struct json_reader *r)
{
	static const char *const words[] = {"true", "false", "null"};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		size_t n = strlen(words[i]);

		if ((size_t)(r->end - r->at) >= n && !memcmp(r->at, words[i], n)) {
			r->at += n;
			return true;
		}
	}
	return fail(r, "a value");
}

/* A value that holds no other; or into one that does. */
static bool skip_step(struct json_reader *r, uint64_t *objects)
{
	double v;

	switch (json_peek(r)) {
	case JSON_KIND_OBJECT:
		if (!json_enter_object(r))
			return false;
		*objects |= 1ULL << r->depth;
		return true;
	case JSON_KIND_ARRAY:
		if (!json_enter_array(r))
			return false;
		*objects &= ~(1ULL << r->depth);
		return true;
	case JSON_KIND_TEXT:
		return read_quoted(r);
	case JSON_KIND_NUMBER:
		return json_read_number(r, &v);
	default:
		return skip_word(r);
	}
}

bool json_skip(struct json_reader *r)
{
	unsigned int outside = r->depth;
	uint64_t objects = 0; /* bit d: depth d is an object, else an array */

	if (r->expected || !skip_step(r, &objects))
		return false;
	while (r->depth > outside) {
		bool more = objects >> r->depth & 1 ? json_next_key(r) : json_next_item(r);

		if (r->expected || (more && !skip_step(r, &objects)))
			return false;
	}
	return true;
}

struct json_place json_place(const struct json_reader *r)
{
	return (struct json_place){r->at, r->comma, r->depth};
}

void json_return(struct json_reader *r, struct json_place place)
{
	if (r->expected)
		return;
	r->at = place.at;
	r->comma = place.comma;
	r->depth = place.depth;
}

bool json_end(struct json_reader *r)
{
	if (r->expected)
		return false;
	look(r);
	return r->at == r->end || fail(r, "the end");
}
