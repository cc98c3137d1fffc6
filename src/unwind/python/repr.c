#include "unwind/python/repr.h"

#include <ctype.h>
#include <math.h>

#include "base/utf8.h"

struct writer {
	const struct python_objects *o;
	const struct python_repr_limits *limits;
	struct buf *out;
	size_t start;			  /* of our text in out */
	uint64_t open[PYTHON_REPR_DEPTH]; /* containers that we are in */
	size_t depth;
};

static void put_object(struct writer *w, uint64_t address);

static bool is_full(const struct writer *w)
{
	return w->out->len - w->start > w->limits->bytes;
}

/* ---- secrets ---- */

bool python_secret_name(const char *name)
{
	static const char *const words[] = {"passw",	     "passphrase", "pwd",
					    "secret",	     "token",	   "apikey",
					    "privatekey",    "accesskey",  "credential",
					    "authorization", "cookie",	   "bearer"};
	char plain[64];
	size_t n = 0;

	for (; *name && n + 1 < sizeof(plain); name++)
		if (isalnum((unsigned char)*name))
			plain[n++] = (char)tolower((unsigned char)*name);
	plain[n] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strstr(plain, words[i]))
			return true;
	return false;
}

/* ---- text ---- */

/* One character, of n bytes, in quotes. */
static void put_escaped(struct buf *out, const char *s, size_t n, char quote)
{
	uint8_t c = (uint8_t)*s;

	if (n == 1 && (c == quote || c == '\\'))
		buf_printf(out, "\\%c", c);
	else if (c == '\n' || c == '\r' || c == '\t')
		buf_printf(out, "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
	else if (n <= 1 && (c < 0x20 || c >= 0x7f))
		buf_printf(out, "\\x%02x", c);
	/* U+0080 to U+00A0, and the soft hyphen. */
	else if (n == 2 && c == 0xc2 && ((uint8_t)s[1] <= 0xa0 || (uint8_t)s[1] == 0xad))
		buf_printf(out, "\\x%02x", (uint8_t)s[1]);
	else
		buf_append(out, s, n);
}

static void put_quoted(struct writer *w, const struct buf *text, bool is_text, bool cut)
{
	const char *s = (const char *)text->data;
	bool single = text->len && memchr(s, '\'', text->len);
	char quote = single && !memchr(s, '"', text->len) ? '"' : '\'';

	buf_putc(w->out, quote);
	for (size_t i = 0; i < text->len;) {
		size_t n = is_text ? utf8_len(s + i, text->len - i) : 1;

		put_escaped(w->out, s + i, n ? n : 1, quote);
		i += n ? n : 1;
	}
	buf_putc(w->out, quote);
	if (cut)
		buf_puts(w->out, "...");
}

static int put_text(struct writer *w, const struct python_object *object)
{
	cleanup_buf struct buf text = {};
	size_t max = w->limits->characters;
	bool is_text = object->kind == PYTHON_STR;
	int64_t n = is_text ? python_str(w->o, object->address, max, &text)
			    : python_bytes(w->o, object->address, max, &text);

	if (n < 0)
		return (int)n;
	if (!is_text)
		buf_putc(w->out, 'b');
	put_quoted(w, &text, is_text, (uint64_t)n > max);
	return 0;
}

/* ---- numbers ---- */

/* Divide a number of n digits of 30 bits by 10^9; returns the rest. */
static uint32_t divide(uint32_t *digits, size_t n)
{
	uint64_t rest = 0;

	while (n--) {
		uint64_t v = rest << 30 | (digits[n] & ((1U << 30) - 1));

		digits[n] = (uint32_t)(v / 1000000000);
		rest = v % 1000000000;
	}
	return (uint32_t)rest;
}

static int put_int(struct writer *w, uint64_t address)
{
	enum { MAX_DIGITS = 32, MAX_GROUPS = MAX_DIGITS * 30 / 29 + 1 };
	uint32_t digits[MAX_DIGITS], groups[MAX_GROUPS];
	bool negative;
	size_t n = 0;
	int len = python_int_digits(w->o, address, digits, MAX_DIGITS, &negative);

	if (len < 0)
		return len;
	if (len > MAX_DIGITS) {
		buf_printf(w->out, "<int of %lld bits>", len * 30LL);
		return 0;
	}
	do {
		groups[n++] = divide(digits, (size_t)len);
		while (len && !digits[len - 1])
			len--;
	} while (len && n < MAX_GROUPS);
	buf_printf(w->out, "%s%u", negative ? "-" : "", groups[--n]);
	while (n--)
		buf_printf(w->out, "%09u", groups[n]);
	return 0;
}

static int put_bool(struct writer *w, uint64_t address)
{
	int64_t v;
	int r = python_int(w->o, address, &v);

	if (r < 0)
		return r;
	buf_puts(w->out, v ? "True" : "False");
	return 0;
}

/* The shortest digits that are this number again, written as Python does. */
static int put_float(struct writer *w, uint64_t address)
{
	enum { DIGITS = 17, LEAST = -4, MOST = 16 };
	char text[40];
	double v;
	int r = python_float(w->o, address, &v), digits = 0, exponent;

	if (r < 0)
		return r;
	if (isnan(v) || isinf(v)) {
		buf_puts(w->out, isnan(v) ? "nan" : v < 0 ? "-inf" : "inf");
		return 0;
	}
	do
		snprintf(text, sizeof(text), "%.*e", digits, v);
	while (strtod(text, NULL) != v && digits++ < DIGITS);
	exponent = atoi(strchr(text, 'e') + 1);
	if (exponent >= LEAST && exponent < MOST)
		snprintf(text, sizeof(text), "%.*f", MAX(digits - exponent, 1), v);
	buf_puts(w->out, text);
	return 0;
}

/* ---- containers ---- */

static const char *plain_name(enum python_kind kind)
{
	static const char *const names[] = {
		[PYTHON_INT] = "int",	  [PYTHON_STR] = "str",	  [PYTHON_BYTES] = "bytes",
		[PYTHON_TUPLE] = "tuple", [PYTHON_LIST] = "list", [PYTHON_SET] = "set",
		[PYTHON_DICT] = "dict",
	};

	return kind < ARRAY_SIZE(names) && names[kind] ? names[kind] : "";
}

static void put_comma(struct writer *w, bool *first)
{
	if (!*first)
		buf_puts(w->out, ", ");
	*first = false;
}

static int put_elements(struct writer *w, const struct python_object *object)
{
	uint64_t elements[PYTHON_REPR_ELEMENTS], total;
	size_t max = MIN(w->limits->elements, ARRAY_SIZE(elements));
	int n = python_elements(w->o, object, elements, max, &total);
	enum python_kind kind = object->kind;
	bool first = true, is_set = kind == PYTHON_SET;

	if (n < 0)
		return n;
	if (is_set && !total) {
		buf_puts(w->out, "set()");
		return 0;
	}
	buf_putc(w->out, is_set ? '{' : kind == PYTHON_LIST ? '[' : '(');
	for (int i = 0; i < n && !is_full(w); i++) {
		put_comma(w, &first);
		put_object(w, elements[i]);
	}
	if ((uint64_t)n < total || is_full(w))
		buf_puts(w->out, ", ...");
	else if (kind == PYTHON_TUPLE && total == 1)
		buf_putc(w->out, ',');
	buf_putc(w->out, is_set ? '}' : kind == PYTHON_LIST ? ']' : ')');
	return 0;
}

static bool is_secret(const struct writer *w, uint64_t key)
{
	cleanup_buf struct buf text = {};
	struct python_object object;

	return !w->limits->secrets && !python_object_read(w->o, key, &object) &&
	       object.kind == PYTHON_STR && python_str(w->o, key, 64, &text) >= 0 &&
	       python_secret_name(buf_cstr(&text));
}

static int put_dict(struct writer *w, const struct python_object *object)
{
	struct python_dict d;
	uint64_t key, value, left;
	bool first = true;
	int r = python_dict_open(w->o, object->address, &d);

	if (r < 0)
		return r;
	buf_putc(w->out, '{');
	for (left = w->limits->elements; (r = python_dict_next(w->o, &d, &key, &value)) > 0;
	     left--) {
		put_comma(w, &first);
		if (!left || is_full(w)) {
			buf_puts(w->out, "...");
			break;
		}
		put_object(w, key);
		buf_puts(w->out, ": ");
		if (is_secret(w, key))
			buf_puts(w->out, PYTHON_HIDDEN);
		else
			put_object(w, value);
	}
	buf_putc(w->out, '}');
	return MIN(r, 0);
}

static int put_exception(struct writer *w, const struct python_object *object)
{
	struct python_object args;
	uint64_t at, only, total;
	int r = memory_read(w->o->memory, object->address + w->o->layout->exception_args, &at,
			    sizeof(at));

	if (!r)
		r = python_object_read(w->o, at, &args);
	if (!r && args.kind != PYTHON_TUPLE)
		r = -EINVAL;
	if (r < 0)
		return r;
	utf8_put_printable(w->out, object->name, strlen(object->name));
	if (python_elements(w->o, &args, &only, 1, &total) != 1 || total != 1)
		return put_elements(w, &args);
	buf_putc(w->out, '(');
	put_object(w, only);
	buf_putc(w->out, ')');
	return 0;
}

static int put_container(struct writer *w, const struct python_object *object)
{
	for (size_t i = 0; i < w->depth; i++)
		if (w->open[i] == object->address) {
			buf_puts(w->out, "...");
			return 0;
		}
	if (w->depth >= MIN(w->limits->depth, ARRAY_SIZE(w->open))) {
		buf_puts(w->out, "...");
		return 0;
	}
	w->open[w->depth++] = object->address;
	int r = object->kind == PYTHON_DICT	   ? put_dict(w, object)
		: object->kind == PYTHON_EXCEPTION ? put_exception(w, object)
						   : put_elements(w, object);
	w->depth--;
	return r;
}

/* ---- the rest ---- */

/* A str that is the name of something. */
static void put_name(struct writer *w, uint64_t address)
{
	cleanup_buf struct buf text = {};

	if (python_str(w->o, address, w->limits->characters, &text) < 0)
		buf_puts(w->out, "?");
	else
		utf8_put_printable(w->out, (const char *)text.data, text.len);
}

static int put_function(struct writer *w, uint64_t function)
{
	uint64_t name;
	int r = memory_read(w->o->memory, function + w->o->layout->function_name, &name,
			    sizeof(name));

	if (r < 0)
		return r;
	put_name(w, name);
	return 0;
}

static int put_named(struct writer *w, const struct python_object *object)
{
	const struct python_object_layout *l = w->o->layout;
	char type[PYTHON_TYPE_NAME];
	uint64_t at;
	int r = 0;

	buf_putc(w->out, '<');
	if (object->kind == PYTHON_TYPE) {
		buf_puts(w->out, "class ");
		r = python_type_name(w->o, object->address, type);
		if (!r)
			utf8_put_printable(w->out, type, strlen(type));
	} else if (object->kind == PYTHON_MODULE) {
		buf_puts(w->out, "module ");
		r = memory_read(w->o->memory, object->address + l->module_dict, &at, sizeof(at));
		if (!r)
			r = python_dict_find(w->o, at, "__name__", &at);
		if (!r)
			put_name(w, at);
	} else if (object->kind == PYTHON_FUNCTION) {
		buf_puts(w->out, "function ");
		r = put_function(w, object->address);
	} else {
		buf_puts(w->out, "bound method ");
		r = memory_read(w->o->memory, object->address + l->method_function, &at,
				sizeof(at));
		if (!r)
			r = put_function(w, at);
	}
	buf_putc(w->out, '>');
	return r;
}

static int put_kind(struct writer *w, const struct python_object *object)
{
	switch (object->kind) {
	case PYTHON_NONE:
		buf_puts(w->out, "None");
		return 0;
	case PYTHON_BOOL:
		return put_bool(w, object->address);
	case PYTHON_INT:
		return put_int(w, object->address);
	case PYTHON_FLOAT:
		return put_float(w, object->address);
	case PYTHON_STR:
	case PYTHON_BYTES:
		return put_text(w, object);
	case PYTHON_TUPLE:
	case PYTHON_LIST:
	case PYTHON_SET:
	case PYTHON_DICT:
	case PYTHON_EXCEPTION:
		return put_container(w, object);
	case PYTHON_TYPE:
	case PYTHON_MODULE:
	case PYTHON_FUNCTION:
	case PYTHON_METHOD:
		return put_named(w, object);
	case PYTHON_CELL:
	case PYTHON_OTHER:
		break;
	}
	buf_putc(w->out, '<');
	utf8_put_printable(w->out, object->name, strlen(object->name));
	buf_printf(w->out, " at 0x%llx>", (unsigned long long)object->address);
	return 0;
}

static void put_object(struct writer *w, uint64_t address)
{
	struct python_object object;
	size_t start = w->out->len;
	const char *plain;
	int r = python_object_read(w->o, address, &object);

	if (!r) {
		plain = plain_name(object.kind);
		if (*plain && strcmp(plain, object.name)) {
			utf8_put_printable(w->out, object.name, strlen(object.name));
			buf_putc(w->out, '(');
			r = put_kind(w, &object);
			buf_putc(w->out, ')');
		} else {
			r = put_kind(w, &object);
		}
	}
	if (r < 0) {
		w->out->len = start;
		buf_puts(w->out, "<unreadable>");
	}
}

void python_repr(const struct python_objects *o, uint64_t address,
		 const struct python_repr_limits *limits, struct buf *out)
{
	struct writer w = {.o = o, .limits = limits, .out = out, .start = out->len};

	put_object(&w, address);
}
