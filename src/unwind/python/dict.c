/* Dicts, and the attributes of instances, which are dicts in all but name. */
#include "base/bytes.h"
#include "unwind/python/object.h"

enum {
	MAX_ENTRIES = 1 << 24,
	MAX_KEY = 128, /* characters of a key that is looked for */
	/* Include/object.h: 3.11 and later. */
	TYPE_INLINE_VALUES = 1 << 2,
	TYPE_MANAGED_DICT = 1 << 4,
	/* Include/internal/pycore_object.h: MANAGED_DICT_OFFSET, and 3.11's values before it. */
	MANAGED_DICT = -24,
	MANAGED_VALUES = -32,
	KEYS_BYTES = 48,
};

/* Objects/dict-common.h, Include/internal/pycore_dict.h: struct _dictkeysobject */
static int open_keys(const struct python_objects *o, uint64_t keys, struct python_dict *d)
{
	enum { KIND_GENERAL = 0, MAX_LOG = 32 };
	const struct python_object_layout *l = o->layout;
	uint8_t header[KEYS_BYTES];
	uint64_t size, entries, indices;
	int r = memory_read(o->memory, keys, header, sizeof(header));

	if (r < 0)
		return r;
	entries = byte_u64(header + l->keys_entries);
	if (l->dict_style == PYTHON_DICT_KINDS) {
		uint8_t log_indices = header[l->keys_size + 1];

		if (header[l->keys_size] > MAX_LOG || log_indices > MAX_LOG + 3)
			return -EINVAL;
		size = 1ULL << header[l->keys_size];
		indices = 1ULL << log_indices;
		d->entry_size = header[l->keys_size + 2] == KIND_GENERAL ? 24 : 16;
	} else {
		size = byte_u64(header + l->keys_size);
		if (size > 1ULL << MAX_LOG)
			return -EINVAL;
		indices = size * (size <= 0xff ? 1 : size <= 0xffff ? 2 : 4);
		d->entry_size = 24;
	}
	if (entries > size || entries > MAX_ENTRIES)
		return -EINVAL;
	d->key_at = d->entry_size - 16;
	d->entries = keys + l->keys_indices + indices;
	d->count = entries;
	return 0;
}

/* 2.7: Include/dictobject.h: a key without a value was removed. */
static int open_table(const struct python_objects *o, uint64_t address, struct python_dict *ret)
{
	struct python_dict d = {.entry_size = 24, .key_at = 8};
	uint64_t mask;
	int r = memory_word(o->memory, address + o->layout->dict_mask, &mask);

	if (!r)
		r = memory_word(o->memory, address + o->layout->dict_table, &d.entries);
	if (!r)
		r = memory_word(o->memory, address + o->layout->dict_used, &d.used);
	if (r < 0)
		return r;
	if (mask >= MAX_ENTRIES || d.used > mask + 1)
		return -EINVAL;
	d.count = (uint32_t)mask + 1;
	*ret = d;
	return 0;
}

int python_dict_open(const struct python_objects *o, uint64_t address, struct python_dict *ret)
{
	struct python_dict d = {};
	uint64_t keys;
	int r;

	if (o->layout->dict_style == PYTHON_DICT_TABLE)
		return open_table(o, address, ret);
	r = memory_word(o->memory, address + o->layout->dict_keys, &keys);
	if (!r)
		r = memory_word(o->memory, address + o->layout->dict_values, &d.values);
	if (!r)
		r = memory_word(o->memory, address + o->layout->dict_used, &d.used);
	if (!r)
		r = open_keys(o, keys, &d);
	if (r < 0)
		return r;
	if (d.used > d.count)
		return -EINVAL;
	if (d.values)
		d.values += o->layout->values_first;
	*ret = d;
	return 0;
}

/* Values of an instance whose keys its class has. */
static int open_values(const struct python_objects *o, const struct python_object *object,
		       uint64_t values, struct python_dict *ret)
{
	struct python_dict d = {.values = values + o->layout->values_first};
	uint64_t keys;
	int r = memory_word(o->memory, object->type + o->layout->type_keys, &keys);

	if (!r)
		r = keys ? open_keys(o, keys, &d) : -ENOENT;
	if (r < 0)
		return r;
	d.used = d.count;
	*ret = d;
	return 0;
}

static int open_inline(const struct python_objects *o, const struct python_object *object,
		       struct python_dict *ret)
{
	enum { VALID = 3 }; /* Include/internal/pycore_dict.h: capacity, size, embedded, valid */
	uint64_t values;
	uint8_t header[8];
	int r = memory_word(o->memory, object->type + o->layout->type_basicsize, &values);

	if (r < 0)
		return r;
	if (values > UINT16_MAX)
		return -EINVAL;
	values += object->address;
	r = memory_read(o->memory, values, header, sizeof(header));
	if (r < 0)
		return r;
	return header[VALID] ? open_values(o, object, values, ret) : -ENOENT;
}

static int open_managed(const struct python_objects *o, const struct python_object *object,
			struct python_dict *ret)
{
	uint8_t style = o->layout->attribute_style;
	uint64_t at;
	int r;

	if (style == PYTHON_TWO_POINTERS) {
		r = memory_word(o->memory, object->address + MANAGED_VALUES, &at);
		if (r < 0 || at)
			return r < 0 ? r : open_values(o, object, at, ret);
	}
	r = memory_word(o->memory, object->address + MANAGED_DICT, &at);
	if (r < 0)
		return r;
	if (style == PYTHON_TAGGED_POINTER && (at & 1))
		return open_values(o, object, at + 1, ret);
	if (at)
		return python_dict_open(o, at, ret);
	if (style == PYTHON_INLINE_VALUES && object->flags & TYPE_INLINE_VALUES)
		return open_inline(o, object, ret);
	return -ENOENT;
}

int python_attributes_open(const struct python_objects *o, const struct python_object *object,
			   struct python_dict *ret)
{
	uint64_t offset, dict;
	int r;

	if (o->layout->attribute_style != PYTHON_DICT_POINTER &&
	    (object->flags & TYPE_MANAGED_DICT))
		return open_managed(o, object, ret);
	r = memory_word(o->memory, object->type + o->layout->type_dict_offset, &offset);
	if (r < 0)
		return r;
	/* Negative ones, of objects whose size varies, are counted from the end. */
	if (!offset || offset > UINT16_MAX)
		return -ENOENT;
	r = memory_word(o->memory, object->address + offset, &dict);
	if (r < 0)
		return r;
	return dict ? python_dict_open(o, dict, ret) : -ENOENT;
}

/* Fill the buffers with the entries from d->at on. */
static int fill(const struct python_objects *o, struct python_dict *d)
{
	uint32_t n = MIN(d->count - d->at, ARRAY_SIZE(d->value_buffer));
	int r = memory_read(o->memory, d->entries + (uint64_t)d->at * d->entry_size, d->buffer,
			    n * d->entry_size);

	_Static_assert(sizeof(d->buffer) >= ARRAY_SIZE(d->value_buffer) * 24, "hash, key, value");
	if (!r && d->values)
		r = memory_read(o->memory, d->values + (uint64_t)d->at * 8, d->value_buffer, n * 8);
	if (r < 0)
		return r;
	d->from = d->at;
	d->have = n;
	return 0;
}

int python_dict_next(const struct python_objects *o, struct python_dict *d, uint64_t *ret_key,
		     uint64_t *ret_value)
{
	while (d->at < d->count) {
		const uint8_t *entry;
		uint64_t key, value;

		if (d->at >= d->from + d->have || d->at < d->from) {
			int r = fill(o, d);

			if (r < 0)
				return r;
		}
		entry = d->buffer + (size_t)(d->at - d->from) * d->entry_size + d->key_at;
		key = byte_u64(entry);
		value = d->values ? d->value_buffer[d->at - d->from] : byte_u64(entry + 8);
		d->at++;
		if (!key || !value)
			continue;
		*ret_key = key;
		*ret_value = value;
		return 1;
	}
	return 0;
}

static int find_key(const struct python_objects *o, struct python_dict *d, const char *name,
		    uint64_t *ret)
{
	cleanup_buf struct buf text = {};
	size_t len = strlen(name);
	uint64_t key, value;
	int r;

	CHECK(len < MAX_KEY);
	while ((r = python_dict_next(o, d, &key, &value)) > 0) {
		text.len = 0;
		/* What is no text, or gone, is another key. */
		if (python_str(o, key, MAX_KEY, &text) < 0 || text.len != len ||
		    memcmp(text.data, name, len))
			continue;
		*ret = value;
		return 0;
	}
	return r < 0 ? r : -ENOENT;
}

int python_dict_find(const struct python_objects *o, uint64_t dict, const char *key, uint64_t *ret)
{
	struct python_dict d;
	int r = python_dict_open(o, dict, &d);

	return r < 0 ? r : find_key(o, &d, key, ret);
}

int python_attribute(const struct python_objects *o, uint64_t object, const char *name,
		     uint64_t *ret)
{
	struct python_object self;
	struct python_dict d;
	int r = python_object_read(o, object, &self);

	if (!r)
		r = python_attributes_open(o, &self, &d);
	return r < 0 ? r : find_key(o, &d, name, ret);
}

int python_text_attribute(const struct python_objects *o, uint64_t object, const char *name,
			  size_t max, struct buf *out)
{
	const enum python_kind text =
		o->layout->dict_style == PYTHON_DICT_TABLE ? PYTHON_BYTES : PYTHON_STR;
	struct python_object value;
	uint64_t at;
	int r = python_attribute(o, object, name, &at);

	if (!r)
		r = python_object_read(o, at, &value);
	if (!r && value.kind != text)
		r = -EINVAL;
	if (!r && python_str(o, at, max, out) < 0)
		r = -EFAULT;
	return r;
}

int python_module(const struct python_objects *o, uint64_t interpreter, const char *module,
		  uint64_t *ret)
{
	struct python_object self;
	uint64_t modules, found;
	int r = memory_word(o->memory, interpreter + o->layout->interpreter_modules, &modules);

	if (!r)
		r = python_object_read(o, modules, &self);
	if (!r && self.kind != PYTHON_DICT)
		r = -EINVAL;
	if (!r)
		r = python_dict_find(o, modules, module, &found);
	if (!r)
		r = python_object_read(o, found, &self);
	if (!r && self.kind != PYTHON_MODULE)
		r = -EINVAL;
	if (!r)
		*ret = found;
	return r;
}

int python_module_dict(const struct python_objects *o, uint64_t interpreter, const char *module,
		       uint64_t *ret)
{
	uint64_t found;
	int r = python_module(o, interpreter, module, &found);

	return r < 0 ? r : memory_word(o->memory, found + o->layout->module_dict, ret);
}
