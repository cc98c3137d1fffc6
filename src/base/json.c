#include "base/json.h"

#include <math.h>

#include "base/utf8.h"

static void value(struct json *j)
{
	if (j->comma)
		buf_putc(j->out, ',');
	j->comma = true;
}

static void open_with(struct json *j, char c)
{
	value(j);
	buf_putc(j->out, c);
	j->comma = false;
}

static void close_with(struct json *j, char c)
{
	buf_putc(j->out, c);
	j->comma = true;
}

void json_object_begin(struct json *j)
{
	open_with(j, '{');
}

void json_object_end(struct json *j)
{
	close_with(j, '}');
}

void json_array_begin(struct json *j)
{
	open_with(j, '[');
}

void json_array_end(struct json *j)
{
	close_with(j, ']');
}

void json_key(struct json *j, const char *key)
{
	json_text(j, key);
	buf_putc(j->out, ':');
	j->comma = false;
}

static void put_escaped(struct buf *out, uint8_t c)
{
	switch (c) {
	case '"':
		buf_puts(out, "\\\"");
		break;
	case '\\':
		buf_puts(out, "\\\\");
		break;
	case '\n':
		buf_puts(out, "\\n");
		break;
	case '\t':
		buf_puts(out, "\\t");
		break;
	case '\r':
		buf_puts(out, "\\r");
		break;
	default:
		if (c < 0x20 || c == 0x7f || c == '<' || c == '>' || c == '&')
			buf_printf(out, "\\u%04x", c);
		else
			buf_putc(out, (char)c);
	}
}

void json_text_n(struct json *j, const char *s, size_t len)
{
	value(j);
	buf_putc(j->out, '"');
	for (size_t i = 0; i < len;) {
		size_t n = utf8_len(s + i, len - i);

		if (n == 1)
			put_escaped(j->out, (uint8_t)s[i]);
		else if (n)
			buf_append(j->out, s + i, n);
		else
			buf_puts(j->out, "\xef\xbf\xbd");
		i += n ? n : 1;
	}
	buf_putc(j->out, '"');
}

void json_text(struct json *j, const char *s)
{
	json_text_n(j, s, strlen(s));
}

void json_int(struct json *j, int64_t v)
{
	char digits[20], *p = digits + sizeof(digits);
	uint64_t n = v < 0 ? -(uint64_t)v : (uint64_t)v;

	/* Columns of a million numbers are written here: printf would be most of the work. */
	do {
		*--p = (char)('0' + n % 10);
		n /= 10;
	} while (n);
	value(j);
	if (v < 0)
		buf_putc(j->out, '-');
	buf_append(j->out, p, (size_t)(digits + sizeof(digits) - p));
}

void json_double(struct json *j, double v)
{
	value(j);
	if (isfinite(v))
		buf_printf(j->out, "%.15g", v);
	else
		buf_puts(j->out, "null");
}

void json_bool(struct json *j, bool v)
{
	value(j);
	buf_puts(j->out, v ? "true" : "false");
}

void json_none(struct json *j)
{
	value(j);
	buf_puts(j->out, "null");
}

void json_member_text(struct json *j, const char *key, const char *s)
{
	json_key(j, key);
	if (s)
		json_text(j, s);
	else
		json_none(j);
}

void json_member_int(struct json *j, const char *key, int64_t v)
{
	json_key(j, key);
	json_int(j, v);
}

void json_member_double(struct json *j, const char *key, double v)
{
	json_key(j, key);
	json_double(j, v);
}

void json_member_bool(struct json *j, const char *key, bool v)
{
	json_key(j, key);
	json_bool(j, v);
}
