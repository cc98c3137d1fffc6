#include "base/utf8.h"

static bool tail(const uint8_t *p, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return false;
	return true;
}

size_t utf8_len(const char *s, size_t len)
{
	const uint8_t *p = (const uint8_t *)s;

	if (!len)
		return 0;
	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		return len >= 2 && tail(p, 2) ? 2 : 0;
	if (p[0] >= 0xe0 && p[0] <= 0xef) {
		if (len < 3 || !tail(p, 3) || (p[0] == 0xe0 && p[1] < 0xa0) ||
		    (p[0] == 0xed && p[1] > 0x9f))
			return 0;
		return 3;
	}
	if (p[0] >= 0xf0 && p[0] <= 0xf4) {
		if (len < 4 || !tail(p, 4) || (p[0] == 0xf0 && p[1] < 0x90) ||
		    (p[0] == 0xf4 && p[1] > 0x8f))
			return 0;
		return 4;
	}
	return 0;
}

uint32_t utf8_point(const char *s, size_t n)
{
	const uint8_t *p = (const uint8_t *)s;
	/* Of the first byte, a bit less a byte that follows, after those that say how many. */
	uint32_t point = n > 1 ? p[0] & (0x7f >> n) : p[0];

	for (size_t i = 1; i < n; i++)
		point = point << 6 | (p[i] & 0x3f);
	return point;
}

void utf8_put_character(struct buf *out, uint32_t c)
{
	enum { REPLACEMENT = 0xfffd };

	if (!c || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		c = REPLACEMENT;
	if (c < 0x80) {
		buf_putc(out, (char)c);
	} else if (c < 0x800) {
		buf_putc(out, (char)(0xc0 | c >> 6));
		buf_putc(out, (char)(0x80 | (c & 63)));
	} else if (c < 0x10000) {
		buf_putc(out, (char)(0xe0 | c >> 12));
		buf_putc(out, (char)(0x80 | (c >> 6 & 63)));
		buf_putc(out, (char)(0x80 | (c & 63)));
	} else {
		buf_putc(out, (char)(0xf0 | c >> 18));
		buf_putc(out, (char)(0x80 | (c >> 12 & 63)));
		buf_putc(out, (char)(0x80 | (c >> 6 & 63)));
		buf_putc(out, (char)(0x80 | (c & 63)));
	}
}

void utf8_put_printable(struct buf *out, const char *s, size_t len)
{
	for (size_t i = 0; i < len;) {
		size_t n = utf8_len(s + i, len - i);
		uint8_t c = (uint8_t)s[i];
		/* U+0080 to U+009F are control characters of terminals too. */
		bool c1 = n == 2 && c == 0xc2 && (uint8_t)s[i + 1] < 0xa0;

		if (!n || c1 || c < 0x20 || c == 0x7f) {
			for (size_t k = 0; k < (n ? n : 1); k++)
				buf_printf(out, "\\x%02x", (uint8_t)s[i + k]);
		} else {
			buf_append(out, s + i, n);
		}
		i += n ? n : 1;
	}
}

void utf8_put_valid(struct buf *out, const char *s, size_t len)
{
	size_t done = 0;

	for (size_t i = 0; i < len;) {
		size_t n = utf8_len(s + i, len - i);

		i += n;
		if (n)
			continue;
		buf_append(out, s + done, i - done);
		buf_puts(out, "\xef\xbf\xbd");
		done = ++i;
	}
	buf_append(out, s + done, len - done);
}
