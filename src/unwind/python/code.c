#include "base/buf.h"
#include "unwind/python/layout.h"
#include "unwind/python/lines.h"
#include "unwind/python/python_check.h"
#include "unwind/unwind.h"

enum {
	MAX_TEXT = 4096,      /* characters of a name or path */
	MAX_LINES = 1 << 20,  /* bytes of a line table */
	CODE_BYTES = 144,     /* of a code object, up to and with its line table */
	REPLACEMENT = 0xfffd, /* for what is no character */
};
/* CPython Include/cpython/unicodeobject.h: PyASCIIObject of 3.8 to 3.13. */
enum { STR_LENGTH = 16, STR_STATE = 32, STR_HEADER = 40 };
enum { STATE_KIND_SHIFT = 2, STATE_KIND_MASK = 7, STATE_COMPACT = 1 << 5, STATE_ASCII = 1 << 6 };
/* Include/cpython/bytesobject.h. */
enum { BYTES_SIZE = 16, BYTES_DATA = 32 };

static uint64_t word(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static void put_utf8(struct buf *out, uint32_t c)
{
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

/* The text of a str object as UTF-8, long ones cut. */
static int read_str(const struct memory *m, const struct python_text_layout *l, uint64_t address,
		    char **ret)
{
	uint8_t header[STR_HEADER], text[MAX_TEXT * 4];
	cleanup_buf struct buf out = {};
	uint32_t state, kind;
	uint64_t length;
	int r = memory_read(m, address, header, sizeof(header));

	if (r < 0)
		return r;
	length = word(header + STR_LENGTH);
	memcpy(&state, header + STR_STATE, sizeof(state));
	kind = state >> STATE_KIND_SHIFT & STATE_KIND_MASK;
	if (!(state & STATE_COMPACT) || (kind != 1 && kind != 2 && kind != 4) ||
	    length > INT64_MAX / 4)
		return -EINVAL;
	length = MIN(length, (uint64_t)MAX_TEXT);
	r = memory_read(m, address + (state & STATE_ASCII ? l->ascii_data : l->wide_data), text,
			length * kind);
	if (r < 0)
		return r;
	for (size_t i = 0; i < length; i++) {
		uint32_t c = 0;

		memcpy(&c, text + i * kind, kind);
		put_utf8(&out, c);
	}
	*ret = mem_strdup(buf_cstr(&out));
	return 0;
}

static int read_bytes(const struct memory *m, uint64_t address, uint8_t **ret, size_t *ret_len)
{
	cleanup_free uint8_t *data = NULL;
	uint64_t size;
	int r = memory_read(m, address + BYTES_SIZE, &size, sizeof(size));

	if (r < 0)
		return r;
	if (size > MAX_LINES)
		return -EINVAL;
	data = mem_calloc(size + 1, 1);
	r = memory_read(m, address + BYTES_DATA, data, size);
	if (r < 0)
		return r;
	*ret = take_ptr(data);
	*ret_len = size;
	return 0;
}

void python_code_fini(struct python_code *c)
{
	free(c->name);
	free(c->file);
	free(c->lines);
	*c = (struct python_code){};
}

int python_code_read(const struct memory *m, uint32_t version, const struct python_layout *layout,
		     uint64_t address, uint32_t check, struct python_code *ret)
{
	const struct python_text_layout *l = python_text_layout_of(version);
	uint32_t words[PYTHON_CODE_WORDS];
	cleanup(python_code_fini) struct python_code c = {.version = version};
	uint8_t code[CODE_BYTES];
	int r;

	if (!l || layout->code_flags + sizeof(words) > sizeof(code))
		return -EINVAL;
	r = memory_read(m, address, code, sizeof(code));
	if (r < 0)
		return r;
	memcpy(words, code + layout->code_flags, sizeof(words));
	if (python_code_check(words, layout) != check)
		return -ESTALE;
	c.first_line = words[layout->code_line_index];
	r = read_str(m, l, word(code + l->code_name), &c.name);
	if (r < 0)
		return r;
	r = read_str(m, l, word(code + l->code_file), &c.file);
	if (r < 0)
		return r;
	r = read_bytes(m, word(code + l->code_lines), &c.lines, &c.lines_len);
	if (r < 0)
		return r;
	*ret = c;
	c = (struct python_code){};
	return 0;
}

uint32_t python_code_line(const struct python_code *c, uint32_t lasti)
{
	uint32_t minor = python_minor(c->version);
	int64_t line;

	/* Not started: the instruction before the first. */
	if (lasti > INT32_MAX)
		return c->first_line;
	if (minor >= 0x030b)
		line = lines_311(c->lines, c->lines_len, c->first_line, lasti);
	else if (minor == 0x030a)
		line = lines_310(c->lines, c->lines_len, c->first_line, lasti);
	else
		line = lines_39(c->lines, c->lines_len, c->first_line, lasti);
	return line > 0 && line <= INT32_MAX ? (uint32_t)line : c->first_line;
}
