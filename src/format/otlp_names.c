#include "format/otlp_priv.h"

#include <inttypes.h>
#include <stdarg.h>

#include "base/utf8.h"

struct otlp_text otlp_text_cut(struct otlp_text t)
{
	if (t.len <= FORMAT_MAX_TEXT)
		return t;
	t.len = FORMAT_MAX_TEXT;
	while (t.len > FORMAT_MAX_TEXT - 4 && ((uint8_t)t.p[t.len] & 0xc0) == 0x80)
		t.len--;
	return t;
}

/* OpenTelemetry semantic conventions 1.37, registry/attributes (host, container, process, thread).
 */
static const struct {
	const char *attribute;
	const char *label;
	bool number;
} attribute_names[] = {
	{"host.name", "host", false},	  {"container.id", "container", false},
	{"process.pid", "pid", true},	  {"process.executable.name", "process", false},
	{"thread.name", "thread", false}, {"thread.id", "tid", true},
};

struct otlp_text otlp_label_of(struct otlp_text attribute)
{
	for (size_t i = 0; i < ARRAY_SIZE(attribute_names); i++)
		if (otlp_text_is(attribute, attribute_names[i].attribute))
			return otlp_text(attribute_names[i].label);
	return attribute;
}

const char *otlp_attribute_of(const char *label)
{
	for (size_t i = 0; i < ARRAY_SIZE(attribute_names); i++)
		if (!strcmp(label, attribute_names[i].label))
			return attribute_names[i].attribute;
	return label;
}

bool otlp_attribute_is_number(const char *attribute)
{
	for (size_t i = 0; i < ARRAY_SIZE(attribute_names); i++)
		if (!strcmp(attribute, attribute_names[i].attribute))
			return attribute_names[i].number;
	return false;
}

int otlp_malformed(struct err *e, const char *what)
{
	return err_set(e, -EBADMSG, "OTLP: the bytes of %s are damaged", what);
}

void otlp_put_text(struct buf *b, uint32_t field, const char *text)
{
	size_t mark = wire_begin(b, field);

	utf8_put_valid(b, text, strlen(text));
	wire_end(b, mark);
}

/* Only what prints as the same text again: "007" stays text. */
static bool to_number(const char *text, int64_t *ret_v)
{
	char again[24];
	char *end;

	errno = 0;
	long long v = strtoll(text, &end, 10);

	if (errno || end == text || *end)
		return false;
	snprintf(again, sizeof(again), "%lld", v);
	if (strcmp(again, text))
		return false;
	*ret_v = v;
	return true;
}

void otlp_put_value(struct buf *b, uint32_t field, const char *text, bool as_number)
{
	size_t mark = wire_begin(b, field);
	int64_t v;

	if (as_number && to_number(text, &v))
		wire_put_uint(b, 3, (uint64_t)v);
	else
		otlp_put_text(b, 1, text);
	wire_end(b, mark);
}

static void put_resource_attribute(struct buf *b, const char *key, const char *value)
{
	if (!value || !*value)
		return;
	size_t mark = wire_begin(b, 1);

	wire_put_string(b, 1, key);
	otlp_put_value(b, 2, value, false);
	wire_end(b, mark);
}

void otlp_put_resource(struct buf *b, const struct otlp_resource *r)
{
	size_t mark = wire_begin(b, 1);

	put_resource_attribute(b, "service.name", r->service);
	put_resource_attribute(b, "host.name", r->host);
	put_resource_attribute(b, "host.id", r->host_id);
	wire_end(b, mark);
}

void otlp_put_scope(struct buf *b, const struct otlp_resource *r)
{
	size_t mark = wire_begin(b, 1);

	wire_put_string(b, 1, "glim");
	if (r->scope_version && *r->scope_version)
		otlp_put_text(b, 2, r->scope_version);
	wire_end(b, mark);
}

static struct otlp_text printed(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);
static struct otlp_text printed(struct arena *a, const char *fmt, ...)
{
	char text[64];
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	CHECK(n >= 0 && (size_t)n < sizeof(text));
	return (struct otlp_text){arena_strndup(a, text, (size_t)n), (size_t)n};
}

static struct otlp_text hex(struct arena *a, const uint8_t *p, size_t n)
{
	char *text = arena_alloc(a, n * 2 + 1, 1);

	for (size_t i = 0; i < n; i++)
		snprintf(text + 2 * i, 3, "%02x", p[i]);
	return (struct otlp_text){text, n * 2};
}

/* One field of AnyValue: 1 done, 0 not a plain value. */
static bool plain_value(const struct otlp_dict *d, const struct wire_field *f, struct arena *a,
			struct otlp_text *ret)
{
	switch (f->number) {
	case 1:
		if (f->type != WIRE_BYTES)
			return false;
		*ret = (struct otlp_text){(const char *)f->data, f->len};
		return true;
	case 2:
		*ret = otlp_text(f->value ? "true" : "false");
		return f->type == WIRE_VARINT;
	case 3:
		*ret = printed(a, "%" PRId64, (int64_t)f->value);
		return f->type == WIRE_VARINT;
	case 4:
		*ret = printed(a, "%.17g", wire_to_double(f->value));
		return f->type == WIRE_FIXED64;
	case 7:
		if (f->type != WIRE_BYTES || f->len > FORMAT_MAX_TEXT / 2)
			return false;
		*ret = hex(a, f->data, f->len);
		return true;
	case 8:
		if (f->type != WIRE_VARINT || !d || f->value >= d->strings.len)
			return false;
		*ret = d->strings.data[f->value];
		return true;
	default:
		return false;
	}
}

bool otlp_value_text(const struct otlp_dict *d, const uint8_t *p, size_t n, struct arena *a,
		     struct otlp_text *ret)
{
	struct wire_reader r = wire_reader(p, n);
	struct wire_field f;
	bool found = false;

	while (wire_next(&r, &f)) {
		if (f.number == 5 && f.type == WIRE_BYTES) {
			/* ArrayValue: one element stands for itself, deeper nesting is no label. */
			struct wire_reader array = wire_sub(&f);
			struct wire_field item, inner;
			size_t items = 0;

			found = false;
			while (wire_next(&array, &item)) {
				struct wire_reader element = wire_sub(&item);

				found = wire_next(&element, &inner) &&
					plain_value(d, &inner, a, ret);
				items++;
			}
			found = found && items == 1;
		} else {
			found = plain_value(d, &f, a, ret);
		}
	}
	return found && !r.error;
}

int otlp_read_key_value(const struct otlp_dict *d, const struct wire_field *kv, struct arena *a,
			otlp_attributes *out, struct err *e)
{
	struct wire_reader r = wire_sub(kv);
	struct otlp_attribute at = {};
	struct otlp_slice value = {};
	struct wire_field f;

	while (wire_next(&r, &f)) {
		if (f.number == 1 && f.type == WIRE_BYTES)
			at.key = (struct otlp_text){(const char *)f.data, f.len};
		else if (f.number == 2 && f.type == WIRE_BYTES)
			value = (struct otlp_slice){f.data, f.len};
		else if (f.number == 3 && f.type == WIRE_VARINT && d && f.value &&
			 f.value < d->strings.len)
			at.key = d->strings.data[f.value];
	}
	if (r.error)
		return otlp_malformed(e, "an attribute");
	if (at.key.len && otlp_value_text(d, value.p, value.len, a, &at.value)) {
		at.key = otlp_text_cut(at.key);
		at.value = otlp_text_cut(at.value);
		vec_push(out, at);
	}
	return 0;
}
