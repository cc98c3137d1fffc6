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

/* Forms of an entry, Objects/locations.md; those below say columns in the same line in a byte. */
enum { ONE_LINE_0 = 10, ONE_LINE_2 = 12, NO_COLUMNS = 13, LONG = 14 };

static uint8_t read_byte(const uint8_t *table, size_t len, size_t *at)
{
	return *at < len ? table[(*at)++] : 0;
}

/* What follows the line of an entry. */
static void read_columns(uint8_t form, const uint8_t *table, size_t len, size_t at,
			 struct line_range *ret)
{
	uint8_t b;

	if (form < ONE_LINE_0) {
		b = read_byte(table, len, &at);
		ret->column = form << 3 | b >> 4;
		ret->end_column = ret->column + (b & 15);
	} else if (form <= ONE_LINE_2) {
		ret->column = read_byte(table, len, &at);
		ret->end_column = read_byte(table, len, &at);
	} else if (form == LONG) {
		ret->end_line += (int64_t)read_varint(table, len, &at);
		ret->column = (int64_t)read_varint(table, len, &at) - 1;
		ret->end_column = (int64_t)read_varint(table, len, &at) - 1;
	}
}

void lines_range_311(const uint8_t *table, size_t len, int64_t first_line, uint32_t lasti,
		     struct line_range *ret)
{
	enum { CODE_UNIT = 2 };
	int64_t line = first_line;
	uint64_t end = 0;
	size_t i = 0;

	*ret = (struct line_range){.column = -1, .end_column = -1};
	while (i < len) {
		uint8_t first = table[i++], form = first >> 3 & 15;

		if (form == LONG || form == NO_COLUMNS)
			line += read_signed(table, len, &i);
		else if (form >= ONE_LINE_0 && form <= ONE_LINE_2)
			line += form - ONE_LINE_0;
		end += ((first & 7) + 1) * CODE_UNIT;
		ret->end_line = line;
		if (lasti < end) {
			read_columns(form, table, len, i, ret);
			break;
		}
		/* Only the first byte of an entry has its top bit set. */
		while (i < len && !(table[i] & 128))
			i++;
	}
	ret->line = line;
	ret->end_line = MAX(ret->end_line, line);
}

int64_t lines_311(const uint8_t *table, size_t len, int64_t first_line, uint32_t lasti)
{
	struct line_range range;

	lines_range_311(table, len, first_line, lasti, &range);
	return range.line;
}
