#include "base/utf8.h"
#include "unwind/python/layout.h"
#include "unwind/python/lines.h"
#include "unwind/python/object.h"
#include "unwind/python/python_check.h"
#include "unwind/unwind.h"

enum {
	MAX_TEXT = 4096,     /* characters of a name or path */
	MAX_LINES = 1 << 20, /* bytes of a line table */
	CODE_BYTES = 160,    /* of a code object, up to and with its line table */
};
static uint64_t word(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* The text of a str object as UTF-8, long ones cut. */
static int read_str(const struct python_objects *o, uint64_t address, char **ret)
{
	cleanup_buf struct buf text = {};
	int64_t r = python_str(o, address, MAX_TEXT, &text);

	if (r < 0)
		return (int)r;
	*ret = mem_strdup(buf_cstr(&text));
	return 0;
}

static int read_bytes(const struct python_objects *o, uint64_t address, uint8_t **ret,
		      size_t *ret_len)
{
	cleanup_buf struct buf data = {};
	int64_t size = python_bytes(o, address, MAX_LINES, &data);

	if (size < 0 || size > MAX_LINES)
		return size < 0 ? (int)size : -EINVAL;
	buf_reserve(&data, 1);
	*ret_len = data.len;
	*ret = take_ptr(data.data);
	return 0;
}

/* A name: UTF-8 in any case. */
static int read_text(const struct python_objects *o, const struct python_text_layout *l,
		     uint64_t address, char **ret)
{
	cleanup_buf struct buf data = {}, text = {};
	int64_t size;

	if (!l->bytes_are_text)
		return read_str(o, address, ret);
	size = python_bytes(o, address, MAX_TEXT, &data);
	if (size < 0)
		return (int)size;
	utf8_put_valid(&text, buf_cstr(&data), strlen(buf_cstr(&data)));
	*ret = mem_strdup(buf_cstr(&text));
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
	const struct python_text_layout *l = python_text_layout_of(version, layout->free_threaded);
	uint32_t words[PYTHON_CODE_WORDS];
	cleanup(python_code_fini) struct python_code c = {.version = version};
	struct python_objects o;
	uint8_t code[CODE_BYTES];
	int r = python_text_objects_init(&o, m, version, layout->free_threaded);

	if (r < 0)
		return r;
	if (!l || layout->code_flags + sizeof(words) > sizeof(code))
		return -EINVAL;
	r = memory_read(m, address, code, sizeof(code));
	if (r < 0)
		return r;
	memcpy(words, code + layout->code_flags, sizeof(words));
	if (python_code_check(words, layout) != check)
		return -ESTALE;
	c.first_line = words[layout->code_line_index];
	r = read_text(&o, l, word(code + l->code_name), &c.name);
	if (r < 0)
		return r;
	r = read_text(&o, l, word(code + l->code_file), &c.file);
	if (r < 0)
		return r;
	r = read_bytes(&o, word(code + l->code_lines), &c.lines, &c.lines_len);
	if (r < 0)
		return r;
	*ret = c;
	c = (struct python_code){};
	return 0;
}

static uint32_t line_at(const struct python_code *c, uint32_t lasti)
{
	uint32_t minor = python_minor(c->version);
	int64_t line;

	if (minor >= 0x030b)
		line = lines_311(c->lines, c->lines_len, c->first_line, lasti);
	else if (minor == 0x030a)
		line = lines_310(c->lines, c->lines_len, c->first_line, lasti);
	else if (minor == 0x0207)
		line = lines_27(c->lines, c->lines_len, c->first_line, lasti);
	else
		line = lines_39(c->lines, c->lines_len, c->first_line, lasti);
	return line > 0 && line <= INT32_MAX ? (uint32_t)line : c->first_line;
}

/* The line of every instruction of code that is short; 0: there are several. */
static uint32_t only_line(const struct python_code *c)
{
	enum { SHORT_TABLE = 16, SHORT_CODE = SHORT_TABLE / 2 * 256 };
	uint32_t line = line_at(c, 0);

	if (c->lines_len > SHORT_TABLE)
		return 0;
	for (uint32_t at = 1; at < SHORT_CODE; at++)
		if (line_at(c, at) != line)
			return 0;
	return line;
}

uint32_t python_code_line(const struct python_code *c, uint32_t lasti)
{
	if (lasti == UNWIND_LASTI_UNKNOWN)
		return only_line(c);
	/* Not started: the instruction before the first. */
	return lasti > INT32_MAX ? c->first_line : line_at(c, lasti);
}

bool python_code_range(const struct python_code *c, uint32_t lasti, struct python_range *ret)
{
	struct line_range r;

	if (python_minor(c->version) < 0x030b || lasti > INT32_MAX)
		return false;
	lines_range_311(c->lines, c->lines_len, c->first_line, lasti, &r);
	if (r.line < 1 || r.end_line > INT32_MAX || r.column < 0 || r.column > INT32_MAX ||
	    r.end_column < 0 || r.end_column > INT32_MAX)
		return false;
	*ret = (struct python_range){
		.line = (uint32_t)r.line,
		.end_line = (uint32_t)r.end_line,
		.column = (uint32_t)r.column,
		.end_column = (uint32_t)r.end_column,
	};
	return true;
}
