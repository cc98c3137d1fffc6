#include "unwind/python/lines.h"

/* Pairs of bytes: instructions, and the lines that the next instruction is further down. */
static int64_t lines_of_pairs(const uint8_t *table, size_t len, int64_t first_line, uint32_t lasti,
			      bool may_go_back)
{
	int64_t line = first_line;
	uint64_t at = 0;

	for (size_t i = 0; i + 1 < len; i += 2) {
		at += table[i];
		if (at > lasti)
			break;
		line += may_go_back ? (int8_t)table[i + 1] : table[i + 1];
	}
	return line;
}

int64_t lines_27(const uint8_t *table, size_t len, int64_t first_line, uint32_t lasti)
{
	return lines_of_pairs(table, len, first_line, lasti, false);
}

int64_t lines_39(const uint8_t *table, size_t len, int64_t first_line, uint32_t lasti)
{
	return lines_of_pairs(table, len, first_line, lasti, true);
}

int64_t lines_310(const uint8_t *table, size_t len, int64_t first_line, uint32_t lasti)
{
	enum { NO_LINE = -128 };
	int64_t line = first_line;
	uint64_t end = 0;

	for (size_t i = 0; i + 1 < len; i += 2) {
		int8_t delta = (int8_t)table[i + 1];

		/* Code without a line is shown at the line before it. */
		if (delta != NO_LINE)
			line += delta;
		end += table[i];
		if (lasti < end)
			return line;
	}
	return line;
}

/* Numbers are in groups of six bits, low ones first; bit 6 says that more follow. */
static uint64_t read_varint(const uint8_t *table, size_t len, size_t *at)
{
	uint64_t v = 0;

	for (unsigned int shift = 0; *at < len && shift < 36; shift += 6) {
		uint8_t b = table[(*at)++];

		v |= (uint64_t)(b & 63) << shift;
		if (!(b & 64))
			break;
	}
	return v;
}

static int64_t read_signed(const uint8_t *table, size_t len, size_t *at)
{
	uint64_t v = read_varint(table, len, at);

	return v & 1 ? -(int64_t)(v >> 1) : (int64_t)(v >> 1);
}

int64_t lines_311(const uint8_t *table, size_t len, int64_t first_line, uint32_t lasti)
{
	enum { CODE_UNIT = 2, ONE_LINE_0 = 10, ONE_LINE_2 = 12, NO_COLUMNS = 13, LONG = 14 };
	int64_t line = first_line;
	uint64_t end = 0;
	size_t i = 0;

	while (i < len) {
		uint8_t first = table[i++], code = first >> 3 & 15;

		if (code == LONG || code == NO_COLUMNS)
			line += read_signed(table, len, &i);
		else if (code >= ONE_LINE_0 && code <= ONE_LINE_2)
			line += code - ONE_LINE_0;
		end += ((first & 7) + 1) * CODE_UNIT;
		if (lasti < end)
			return line;
		/* Only the first byte of an entry has its top bit set. */
		while (i < len && !(table[i] & 128))
			i++;
	}
	return line;
}
