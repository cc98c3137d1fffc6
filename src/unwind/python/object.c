#include "unwind/python/object.h"

#include "base/bytes.h"
#include "base/utf8.h"
#include "unwind/unwind.h"

enum {
	MAX_TEXT = 4096, /* characters of a str that are copied at most; bytes of bytes */
	MAX_SIZE = 1 << 28,
	TYPE_BYTES = 176, /* of a type object, up to and with its flags */
};
/* Include/object.h, the same bits in all versions. Types of C that nobody asked for anything are
 * not ready; to 3.9 they have the second. */
enum { TYPE_READY = 1 << 12, TYPE_VERSION_TAG = 1 << 18 };
enum { FIRST_KIND_BIT = 24 }; /* Py_TPFLAGS_LONG_SUBCLASS */
/* Include/cpython/unicodeobject.h: PyASCIIObject.state */
enum { STATE_KIND_MASK = 7, STATE_COMPACT = 1 << 3, STATE_ASCII = 1 << 4 }; /* of the kind on */

static int objects_init(struct python_objects *o, const struct memory *m, uint32_t version,
			const struct python_object_layout *l)
{
	if (!l)
		return -ENOTSUP;
	*o = (struct python_objects){.memory = m, .layout = l, .version = version};
	return 0;
}

int python_objects_init(struct python_objects *o, const struct memory *m, uint32_t version)
{
	return objects_init(o, m, version, python_object_layout_of(version));
}

int python_text_objects_init(struct python_objects *o, const struct memory *m, uint32_t version,
			     bool free_threaded)
{
	return objects_init(o, m, version, python_text_object_layout_of(version, free_threaded));
}

int python_objects_of(struct python_objects *o, const struct memory *m, const struct python *py)
{
	return py->process.layout.free_threaded
		       ? -ENOTSUP
		       : python_text_objects_init(o, m, py->version, false);
}

/* Text of C that ends within max bytes; the pages behind it need not be there. */
static int read_text(const struct python_objects *o, uint64_t address, char *ret, size_t max)
{
	enum { STEP = 16 };
	size_t len = 0;

	while (len < max) {
		size_t n = MIN(STEP - (address + len) % STEP, max - len);
		int r = memory_read(o->memory, address + len, ret + len, n);

		if (r < 0)
			return r;
		if (memchr(ret + len, 0, n))
			return 0;
		len += n;
	}
	ret[max - 1] = '\0';
	return 0;
}

/* ---- types ---- */

static int read_type(const struct python_objects *o, uint64_t type, uint64_t *ret_flags,
		     char ret_name[PYTHON_TYPE_NAME])
{
	const struct python_object_layout *l = o->layout;
	uint8_t bytes[TYPE_BYTES];
	char text[PYTHON_TYPE_NAME * 2];
	const char *dot;
	int r = memory_read(o->memory, type, bytes, sizeof(bytes));

	if (r < 0)
		return r;
	*ret_flags = byte_u64(bytes + l->type_flags);
	if (!(*ret_flags & (TYPE_READY | TYPE_VERSION_TAG)))
		return -EINVAL;
	r = read_text(o, byte_u64(bytes + l->type_name), text, sizeof(text));
	if (r < 0)
		return r;
	/* Types of C have their module in the name. */
	dot = strrchr(text, '.');
	snprintf(ret_name, PYTHON_TYPE_NAME, "%.*s", PYTHON_TYPE_NAME - 1, dot ? dot + 1 : text);
	return 0;
}

int python_type_name(const struct python_objects *o, uint64_t type, char ret[PYTHON_TYPE_NAME])
{
	uint64_t flags;

	return read_type(o, type, &flags, ret);
}

static enum python_kind kind_of(uint64_t flags, const char *name)
{
	/* Bits 24 to 31 of tp_flags. */
	static const enum python_kind by_flag[] = {PYTHON_INT,	     PYTHON_LIST, PYTHON_TUPLE,
						   PYTHON_BYTES,     PYTHON_STR,  PYTHON_DICT,
						   PYTHON_EXCEPTION, PYTHON_TYPE};
	static const struct {
		const char *name;
		enum python_kind kind;
	} by_name[] = {{"NoneType", PYTHON_NONE},     {"float", PYTHON_FLOAT},
		       {"set", PYTHON_SET},	      {"frozenset", PYTHON_SET},
		       {"module", PYTHON_MODULE},     {"cell", PYTHON_CELL},
		       {"function", PYTHON_FUNCTION}, {"method", PYTHON_METHOD}};

	for (size_t i = 0; i < ARRAY_SIZE(by_flag); i++)
		if (flags >> FIRST_KIND_BIT >> i & 1)
			return by_flag[i] == PYTHON_INT && !strcmp(name, "bool") ? PYTHON_BOOL
										 : by_flag[i];
	for (size_t i = 0; i < ARRAY_SIZE(by_name); i++)
		if (!strcmp(name, by_name[i].name))
			return by_name[i].kind;
	return PYTHON_OTHER;
}

int python_object_read(const struct python_objects *o, uint64_t address, struct python_object *ret)
{
	struct python_object object = {.address = address};
	int r;

	if (!address || address % 8)
		return -EINVAL;
	r = memory_word(o->memory, address + o->layout->object_type, &object.type);
	if (!r)
		r = read_type(o, object.type, &object.flags, object.name);
	if (r < 0)
		return r;
	object.kind = kind_of(object.flags, object.name);
	*ret = object;
	return 0;
}

/* ---- numbers ---- */

int python_int_digits(const struct python_objects *o, uint64_t address, uint32_t *ret, size_t max,
		      bool *ret_negative)
{
	enum { SIGN_MASK = 3, SIGN_ZERO = 1, SIGN_NEGATIVE = 2, SIZE_SHIFT = 3 };
	uint64_t size;
	bool negative;
	int r = memory_word(o->memory, address + o->layout->object_size, &size);

	if (r < 0)
		return r;
	if (o->layout->tagged_int) {
		negative = (size & SIGN_MASK) == SIGN_NEGATIVE;
		size = (size & SIGN_MASK) == SIGN_ZERO ? 0 : size >> SIZE_SHIFT;
	} else {
		negative = (int64_t)size < 0;
		size = negative ? -size : size;
	}
	if (size > MAX_SIZE)
		return -EINVAL;
	r = memory_read(o->memory, address + o->layout->int_digits, ret,
			MIN(size, max) * sizeof(*ret));
	if (r < 0)
		return r;
	*ret_negative = negative;
	return (int)size;
}

int python_int(const struct python_objects *o, uint64_t address, int64_t *ret)
{
	enum { DIGIT_BITS = 30, DIGITS = 3 };
	uint32_t digits[DIGITS] = {};
	bool negative;
	unsigned __int128 value = 0;
	int n;

	/* 2.7, Include/intobject.h: ob_ival. */
	if (o->layout->dict_style == PYTHON_DICT_TABLE)
		return memory_read(o->memory, address + o->layout->object_size, ret, sizeof(*ret));
	n = python_int_digits(o, address, digits, DIGITS, &negative);
	if (n < 0)
		return n;
	if (n > DIGITS)
		return -ERANGE;
	for (int i = 0; i < n; i++)
		value |= (unsigned __int128)(digits[i] & ((1U << DIGIT_BITS) - 1))
			 << i * DIGIT_BITS;
	if (value > (unsigned __int128)INT64_MAX + negative)
		return -ERANGE;
	*ret = negative ? (int64_t) - (uint64_t)value : (int64_t)value;
	return 0;
}

int python_float(const struct python_objects *o, uint64_t address, double *ret)
{
	/* Include/cpython/floatobject.h: ob_fval stands where others have their size. */
	return memory_read(o->memory, address + o->layout->object_size, ret, sizeof(*ret));
}

/* ---- text ---- */

static void put_characters(const uint8_t *text, size_t n, uint32_t width, struct buf *out)
{
	for (size_t i = 0; i < n; i++) {
		uint32_t c = 0;

		memcpy(&c, text + i * width, width);
		utf8_put_character(out, c);
	}
}

int64_t python_str(const struct python_objects *o, uint64_t address, size_t max, struct buf *out)
{
	const struct python_object_layout *l = o->layout;
	uint8_t header[56], text[MAX_TEXT * 4];
	uint64_t length, at;
	uint32_t state, width;
	int r;

	if (l->dict_style == PYTHON_DICT_TABLE)
		return python_bytes(o, address, MIN(max, (size_t)MAX_TEXT), out);
	if (l->str_state + sizeof(state) > sizeof(header))
		return -EINVAL;
	r = memory_read(o->memory, address, header, l->str_state + sizeof(state));
	if (r < 0)
		return r;
	length = byte_u64(header + l->str_length);
	state = byte_u32(header + l->str_state);
	state >>= l->str_kind_shift;
	width = state & STATE_KIND_MASK;
	if ((width != 1 && width != 2 && width != 4) || length > INT64_MAX / 4)
		return -EINVAL;
	at = address + (state & STATE_ASCII ? l->ascii_data : l->wide_data);
	/* An instance of a subclass has its text elsewhere. */
	if (!(state & STATE_COMPACT)) {
		r = memory_word(o->memory, address + l->wide_data, &at);
		if (r < 0)
			return r;
	}
	max = MIN(max, (size_t)MAX_TEXT);
	max = MIN(max, length);
	r = memory_read(o->memory, at, text, max * width);
	if (r < 0)
		return r;
	put_characters(text, max, width, out);
	return (int64_t)length;
}

int64_t python_bytes(const struct python_objects *o, uint64_t address, size_t max, struct buf *out)
{
	uint64_t size;
	int r = memory_word(o->memory, address + o->layout->object_size, &size);

	if (r < 0)
		return r;
	if (size > INT64_MAX)
		return -EINVAL;
	max = MIN(max, size);
	if (max > MAX_SIZE)
		return -EINVAL;
	buf_reserve(out, max + 1); /* never nothing: data is a place */
	r = memory_read(o->memory, address + o->layout->bytes_data, out->data + out->len, max);
	if (r < 0)
		return r;
	out->len += max;
	return (int64_t)size;
}

/* ---- tuples, lists, sets ---- */

static int set_elements(const struct python_objects *o, uint64_t address, uint64_t *ret, size_t max,
			uint64_t *ret_total)
{
	enum { SLOTS = 64, MAX_SLOTS = 1 << 16 };
	/* Include/setobject.h: setentry {key, hash}; fill, used and mask stand together. */
	uint64_t slots[SLOTS][2], mask, used, table;
	size_t n = 0;
	int r = memory_word(o->memory, address + o->layout->set_mask, &mask);

	if (!r)
		r = memory_word(o->memory, address + o->layout->set_mask - 8, &used);
	if (!r)
		r = memory_word(o->memory, address + o->layout->set_table, &table);
	if (r < 0)
		return r;
	if (mask > MAX_SIZE || used > mask)
		return -EINVAL;
	for (uint64_t i = 0; i <= mask && i < MAX_SLOTS && n < MIN(max, used); i += SLOTS) {
		uint64_t have = MIN((uint64_t)SLOTS, mask + 1 - i);

		r = memory_read(o->memory, table + i * sizeof(slots[0]), slots,
				have * sizeof(slots[0]));
		if (r < 0)
			return r;
		for (uint64_t j = 0; j < have && n < max; j++) {
			/* What was removed leaves a mark whose hash is -1. */
			if (slots[j][0] && slots[j][1] != UINT64_MAX)
				ret[n++] = slots[j][0];
		}
	}
	*ret_total = used;
	return (int)n;
}

int python_elements(const struct python_objects *o, const struct python_object *object,
		    uint64_t *ret, size_t max, uint64_t *ret_total)
{
	uint64_t size, at;
	int r;

	if (object->kind == PYTHON_SET)
		return set_elements(o, object->address, ret, max, ret_total);
	if (object->kind != PYTHON_LIST && object->kind != PYTHON_TUPLE)
		return -EINVAL;
	r = memory_word(o->memory, object->address + o->layout->object_size, &size);
	if (r < 0)
		return r;
	if (size > MAX_SIZE)
		return -EINVAL;
	at = object->address + o->layout->tuple_items;
	if (object->kind == PYTHON_LIST && size) {
		r = memory_word(o->memory, object->address + o->layout->list_items, &at);
		if (r < 0)
			return r;
	}
	max = MIN(max, size);
	r = memory_read(o->memory, at, ret, max * sizeof(*ret));
	if (r < 0)
		return r;
	*ret_total = size;
	return (int)max;
}
