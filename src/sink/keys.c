#include "sink/keys.h"

#include "base/utf8.h"

enum { ESC = 0x1b };

size_t keys_feed(struct keys *k, const void *p, size_t n)
{
	n = MIN(n, sizeof(k->bytes) - k->len);
	memcpy(k->bytes + k->len, p, n);
	k->len += n;
	return n;
}

bool keys_waiting(const struct keys *k)
{
	return k->len;
}

static void drop(struct keys *k, size_t n)
{
	memmove(k->bytes, k->bytes + n, k->len - n);
	k->len -= n;
}

/* By the last byte of a sequence (ECMA-48; xterm's ctlseqs: "PC-Style Function Keys"). */
static uint32_t key_of_letter(uint8_t letter)
{
	switch (letter) {
	case 'A':
		return KEY_UP;
	case 'B':
		return KEY_DOWN;
	case 'C':
		return KEY_RIGHT;
	case 'D':
		return KEY_LEFT;
	case 'H':
		return KEY_HOME;
	case 'F':
		return KEY_END;
	default:
		return KEY_OTHER;
	}
}

/* ESC [ NUMBER ~ */
static uint32_t key_of_number(unsigned int number)
{
	switch (number) {
	case 1:
	case 7:
		return KEY_HOME;
	case 4:
	case 8:
		return KEY_END;
	case 3:
		return KEY_DELETE;
	case 5:
		return KEY_PAGE_UP;
	case 6:
		return KEY_PAGE_DOWN;
	default:
		return KEY_OTHER;
	}
}

/* ESC [ parameters letter; *ret_len is 0 while it is not whole. */
static uint32_t control_sequence(const struct keys *k, size_t *ret_len)
{
	unsigned int number = 0;
	bool first = true;

	*ret_len = 0;
	for (size_t i = 2; i < k->len; i++) {
		uint8_t c = k->bytes[i];

		if (c >= '0' && c <= '9' && first && number < 1000)
			number = number * 10 + (c - '0');
		else if (c >= 0x20 && c <= 0x3f)
			first = false;
		else {
			*ret_len = i + 1;
			return c == '~' ? key_of_number(number) : key_of_letter(c);
		}
	}
	/* None of a terminal is that long. */
	if (k->len == sizeof(k->bytes))
		*ret_len = k->len;
	return KEY_OTHER;
}

static uint32_t escape(struct keys *k, bool ended)
{
	size_t len = 0;
	uint32_t key = KEY_OTHER;

	if (k->len > 1 && k->bytes[1] == '[') {
		key = control_sequence(k, &len);
	} else if (k->len > 2 && k->bytes[1] == 'O') {
		/* M: Enter of the number pad. */
		key = k->bytes[2] == 'M' ? KEY_ENTER : key_of_letter(k->bytes[2]);
		len = 3;
	} else if (k->len > 1 && k->bytes[1] != 'O') {
		/* The escape key, and another one soon after it: or one with Alt, which is unused.
		 */
		key = KEY_ESCAPE;
		len = 1;
	}
	if (!len && ended) {
		key = k->len == 1 ? KEY_ESCAPE : KEY_OTHER;
		len = k->len;
	}
	drop(k, len);
	return len ? key : KEY_NONE;
}

/* Can more bytes make a character of these? */
static bool is_start(const struct keys *k)
{
	static const char rest[] = "\x80\x80\x80", high[] = "\xbf\xbf\xbf";
	char all[8] = {};

	if (k->bytes[0] < 0xc2 || k->bytes[0] > 0xf4 || k->len > 3)
		return false;
	memcpy(all, k->bytes, k->len);
	memcpy(all + k->len, rest, 3);
	if (utf8_len(all, k->len + 3))
		return true;
	memcpy(all + k->len, high, 3);
	return utf8_len(all, k->len + 3);
}

static uint32_t character(struct keys *k, bool ended)
{
	size_t n = utf8_len((const char *)k->bytes, k->len);
	uint32_t point;

	if (!n) {
		if (!ended && is_start(k))
			return KEY_NONE;
		drop(k, 1);
		return KEY_OTHER;
	}
	point = utf8_point((const char *)k->bytes, n);
	drop(k, n);
	if (point == 0x7f)
		return KEY_BACKSPACE;
	if (point == '\n')
		return KEY_ENTER;
	return point ? point : KEY_OTHER;
}

uint32_t keys_next(struct keys *k, bool ended)
{
	if (!k->len)
		return KEY_NONE;
	return k->bytes[0] == ESC ? escape(k, ended) : character(k, ended);
}
