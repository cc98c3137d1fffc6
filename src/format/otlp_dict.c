#include "format/otlp_priv.h"

/* Field numbers of ProfilesDictionary. */
enum {
	TABLE_MAPPING = 1,
	TABLE_LOCATION = 2,
	TABLE_FUNCTION = 3,
	TABLE_STRING = 5,
	TABLE_ATTRIBUTE = 6,
	TABLE_STACK = 7,
};

void otlp_dict_fini(struct otlp_dict *d)
{
	arena_fini(&d->arena);
	for (size_t i = 0; i < OTLP_TABLES; i++)
		vec_fini(&d->raw[i]);
	vec_fini(&d->strings);
	vec_fini(&d->attributes);
	vec_fini(&d->modules);
	vec_fini(&d->functions);
	vec_fini(&d->lines);
	vec_fini(&d->locations);
	vec_fini(&d->indices);
	vec_fini(&d->stacks);
}

int otlp_dict_collect(struct otlp_dict *d, const struct wire_field *dict, struct err *e)
{
	struct wire_reader r = wire_sub(dict);
	struct wire_field f;
	size_t entries = 0;

	for (size_t i = 0; i < OTLP_TABLES; i++)
		entries += d->raw[i].len;
	while (wire_next(&r, &f)) {
		if (f.number >= OTLP_TABLES || f.type != WIRE_BYTES)
			continue;
		if (++entries > FORMAT_MAX_ENTRIES)
			return err_set(e, -EFBIG, "OTLP: the dictionary has more than %d entries",
				       FORMAT_MAX_ENTRIES);
		vec_push(&d->raw[f.number], (struct otlp_slice){f.data, f.len});
	}
	return r.error ? otlp_malformed(e, "the dictionary") : 0;
}

/* An index into a table of n entries. Index 0 is the zero value and always there, also where the
 * sender left an unused table empty. */
static int check(uint64_t index, size_t n, const char *what, struct err *e)
{
	if (index < MAX(n, (size_t)1))
		return 0;
	return err_set(e, -EBADMSG, "OTLP: index %llu of a %s is outside of its table of %zu",
		       (unsigned long long)index, what, n);
}

static uint32_t line_number(uint64_t v)
{
	return v <= INT32_MAX ? (uint32_t)v : 0;
}

static int decode_strings(struct otlp_dict *d, struct err *e)
{
	vec_reserve(&d->strings, d->raw[TABLE_STRING].len + 1);
	for (size_t i = 0; i < d->raw[TABLE_STRING].len; i++) {
		struct otlp_slice s = d->raw[TABLE_STRING].data[i];

		vec_push(&d->strings, otlp_text_cut((struct otlp_text){(const char *)s.p, s.len}));
	}
	if (!d->strings.len)
		vec_push(&d->strings, (struct otlp_text){"", 0});
	if (d->strings.data[0].len)
		return err_set(e, -EBADMSG, "OTLP: string 0 is not empty");
	return 0;
}

static int decode_attribute(struct otlp_dict *d, struct otlp_slice s, struct err *e)
{
	struct wire_reader r = wire_reader(s.p, s.len);
	struct otlp_attribute at = {};
	struct otlp_slice value = {};
	struct wire_field f;

	while (wire_next(&r, &f)) {
		if (f.number == 1 && f.type == WIRE_VARINT) {
			int rc = check(f.value, d->strings.len, "string", e);

			if (rc < 0)
				return rc;
			at.key = d->strings.data[f.value];
		} else if (f.number == 2 && f.type == WIRE_BYTES) {
			value = (struct otlp_slice){f.data, f.len};
		}
	}
	if (r.error)
		return otlp_malformed(e, "an attribute");
	if (!at.key.len || !otlp_value_text(d, value.p, value.len, &d->arena, &at.value))
		at = (struct otlp_attribute){};
	at.value = otlp_text_cut(at.value);
	vec_push(&d->attributes, at);
	return 0;
}

/* Attribute indices come packed or one by one. ret: attributes that are wanted by the caller. */
typedef void attribute_fn(const struct otlp_attribute *at, void *ctx);

static int each_attribute(const struct otlp_dict *d, const struct wire_field *f, attribute_fn *fn,
			  void *ctx, struct err *e)
{
	struct wire_reader packed = wire_sub(f);
	uint64_t v = f->value;
	bool one = f->type == WIRE_VARINT;

	while (one || wire_varint(&packed, &v)) {
		int rc = check(v, d->attributes.len, "attribute", e);

		if (rc < 0)
			return rc;
		if (v < d->attributes.len && d->attributes.data[v].key.p)
			fn(&d->attributes.data[v], ctx);
		if (one)
			return 0;
	}
	return packed.error ? otlp_malformed(e, "attribute indices") : 0;
}

static struct otlp_text base_name(struct otlp_text path)
{
	const char *slash = memrchr(path.p, '/', path.len);

	if (!slash || slash + 1 == path.p + path.len)
		return path;
	size_t skip = (size_t)(slash + 1 - path.p);

	return (struct otlp_text){path.p + skip, path.len - skip};
}

static void take_build_id(const struct otlp_attribute *at, void *ctx)
{
	struct otlp_text *id = ctx;
	static const char *const keys[] = {"process.executable.build_id.gnu",
					   "process.executable.build_id.go",
					   "process.executable.build_id.htlhash"};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (!id->len && otlp_text_is(at->key, keys[i]))
			*id = at->value;
}

/* A module is known by its file name, else by its build id: two unnamed ones must not be mixed. */
static int decode_mapping(struct otlp_dict *d, struct otlp_slice s, struct err *e)
{
	struct wire_reader r = wire_reader(s.p, s.len);
	struct otlp_text name = {"", 0}, build_id = {"", 0};
	struct wire_field f;
	int rc;

	while (wire_next(&r, &f)) {
		if (f.number == 4 && f.type == WIRE_VARINT) {
			if ((rc = check(f.value, d->strings.len, "string", e)) < 0)
				return rc;
			name = d->strings.data[f.value];
		} else if (f.number == 5) {
			if ((rc = each_attribute(d, &f, take_build_id, &build_id, e)) < 0)
				return rc;
		}
	}
	if (r.error)
		return otlp_malformed(e, "a mapping");
	vec_push(&d->modules, name.len ? base_name(name) : build_id);
	return 0;
}

static int decode_function(struct otlp_dict *d, struct otlp_slice s, struct err *e)
{
	struct wire_reader r = wire_reader(s.p, s.len);
	uint64_t name = 0, system_name = 0, file = 0, start = 0;
	struct wire_field f;

	while (wire_next(&r, &f)) {
		if (f.type != WIRE_VARINT)
			continue;
		if (f.number == 1)
			name = f.value;
		else if (f.number == 2)
			system_name = f.value;
		else if (f.number == 3)
			file = f.value;
		else if (f.number == 4)
			start = f.value;
	}
	if (r.error)
		return otlp_malformed(e, "a function");
	uint64_t largest = MAX(name, MAX(system_name, file));
	int rc = check(largest, d->strings.len, "string", e);

	if (rc < 0)
		return rc;
	vec_push(&d->functions, (struct otlp_function){(uint32_t)(name ? name : system_name),
						       (uint32_t)file, line_number(start)});
	return 0;
}

static void take_kind(const struct otlp_attribute *at, void *ctx)
{
	/* OpenTelemetry semantic conventions 1.37, registry/attributes/profile: profile.frame.type;
	 * "abort-marker" is what the OpenTelemetry eBPF profiler (libpf/frametype.go) sends for a
	 * stack that it could not finish. */
	static const struct {
		const char *name;
		uint8_t kind;
	} kinds[] = {
		{"native", FRAME_NATIVE},  {"kernel", FRAME_KERNEL},	 {"cpython", FRAME_PYTHON},
		{"glim.mark", FRAME_MARK}, {"abort-marker", FRAME_MARK},
	};
	uint8_t *kind = ctx;

	if (!otlp_text_is(at->key, "profile.frame.type"))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (otlp_text_is(at->value, kinds[i].name))
			*kind = kinds[i].kind;
}

static int decode_line(struct otlp_dict *d, const struct wire_field *line, uint32_t location,
		       struct err *e)
{
	struct otlp_line l = {.location = location};
	struct wire_reader r = wire_sub(line);
	struct wire_field f;

	while (wire_next(&r, &f)) {
		if (f.type != WIRE_VARINT)
			continue;
		if (f.number == 1) {
			int rc = check(f.value, d->functions.len, "function", e);

			if (rc < 0)
				return rc;
			l.function = (uint32_t)f.value;
		} else if (f.number == 2) {
			l.line = line_number(f.value);
		}
	}
	if (r.error)
		return otlp_malformed(e, "a line");
	vec_push(&d->lines, l);
	return 0;
}

static int decode_location(struct otlp_dict *d, struct otlp_slice s, struct err *e)
{
	struct otlp_location l = {.first = (uint32_t)d->lines.len, .kind = FRAME_NATIVE};
	uint32_t self = (uint32_t)d->locations.len;
	struct wire_reader r = wire_reader(s.p, s.len);
	struct wire_field f;
	int rc = 0;

	while (rc >= 0 && wire_next(&r, &f)) {
		if (f.number == 1 && f.type == WIRE_VARINT) {
			rc = check(f.value, d->modules.len, "mapping", e);
			l.mapping = (uint32_t)f.value;
		} else if (f.number == 2 && f.type == WIRE_VARINT) {
			l.address = f.value;
		} else if (f.number == 3 && f.type == WIRE_BYTES) {
			rc = decode_line(d, &f, self, e);
		} else if (f.number == 4) {
			rc = each_attribute(d, &f, take_kind, &l.kind, e);
		}
	}
	if (rc < 0)
		return rc;
	if (r.error)
		return otlp_malformed(e, "a location");
	if (d->lines.len == l.first)
		vec_push(&d->lines, (struct otlp_line){.location = self});
	l.count = (uint32_t)(d->lines.len - l.first);
	vec_push(&d->locations, l);
	return 0;
}

static int decode_stack(struct otlp_dict *d, struct otlp_slice s, struct err *e)
{
	struct otlp_stack stack = {.first = (uint32_t)d->indices.len};
	struct wire_reader r = wire_reader(s.p, s.len);
	struct wire_field f;

	while (wire_next(&r, &f)) {
		struct wire_reader packed = wire_sub(&f);
		uint64_t v = f.value;
		bool one = f.type == WIRE_VARINT;

		if (f.number != 1)
			continue;
		while (one || wire_varint(&packed, &v)) {
			if (v >= d->locations.len)
				return check(v, d->locations.len, "location", e);
			vec_push(&d->indices, (uint32_t)v);
			if (one)
				break;
		}
		if (packed.error)
			return otlp_malformed(e, "a stack");
	}
	if (r.error)
		return otlp_malformed(e, "a stack");
	stack.count = (uint32_t)(d->indices.len - stack.first);
	vec_push(&d->stacks, stack);
	return 0;
}

static int decode_table(struct otlp_dict *d, unsigned int table,
			int (*one)(struct otlp_dict *, struct otlp_slice, struct err *),
			struct err *e)
{
	int rc = 0;

	for (size_t i = 0; rc >= 0 && i < d->raw[table].len; i++)
		rc = one(d, d->raw[table].data[i], e);
	/* The zero value, where the sender left the table out. */
	if (rc >= 0 && !d->raw[table].len)
		rc = one(d, (struct otlp_slice){(const uint8_t *)"", 0}, e);
	return rc;
}

int otlp_dict_decode(struct otlp_dict *d, struct err *e)
{
	static const struct {
		unsigned int table;
		int (*one)(struct otlp_dict *, struct otlp_slice, struct err *);
	} tables[] = {
		/* Each needs those before it. */
		{TABLE_ATTRIBUTE, decode_attribute}, {TABLE_MAPPING, decode_mapping},
		{TABLE_FUNCTION, decode_function},   {TABLE_LOCATION, decode_location},
		{TABLE_STACK, decode_stack},
	};
	int rc = decode_strings(d, e);

	for (size_t i = 0; rc >= 0 && i < ARRAY_SIZE(tables); i++)
		rc = decode_table(d, tables[i].table, tables[i].one, e);
	return rc;
}
