/* format/otlp_priv.h - what the files of OTLP share: names, attribute values, the dictionary.
 *
 * Field numbers are those of opentelemetry-proto 1.10.0 (profiles/v1development/profiles.proto,
 * metrics/v1/metrics.proto, common/v1/common.proto, resource/v1/resource.proto and the two
 * collector services), where nothing else is said. */
#ifndef GLIM_FORMAT_OTLP_PRIV_H
#define GLIM_FORMAT_OTLP_PRIV_H

#include "base/wire.h"
#include "format/otlp.h"
#include "format/types.h"

/* Text inside the request, not terminated. */
struct otlp_text {
	const char *p;
	size_t len;
};
static inline bool otlp_text_is(struct otlp_text t, const char *s)
{
	return t.len == strlen(s) && !memcmp(t.p, s, t.len);
}
static inline struct otlp_text otlp_text(const char *s)
{
	return (struct otlp_text){s, strlen(s)};
}
/* Up to the limit, and never through the middle of a character. */
struct otlp_text otlp_text_cut(struct otlp_text t);

/* Glim's label for an attribute and the other way round; the same text where there is no other. */
struct otlp_text otlp_label_of(struct otlp_text attribute);
const char *otlp_attribute_of(const char *label);
/* Does this attribute hold a number (process.pid, thread.id)? */
bool otlp_attribute_is_number(const char *attribute);

/* Write an AnyValue (with its field number): an integer where as_number and text is one. */
void otlp_put_value(struct buf *b, uint32_t field, const char *text, bool as_number);
/* Write text with a field number, as valid UTF-8. */
void otlp_put_text(struct buf *b, uint32_t field, const char *text);
/* The Resource message of a request, as field 1. */
void otlp_put_resource(struct buf *b, const struct otlp_resource *r);
void otlp_put_scope(struct buf *b, const struct otlp_resource *r);

struct otlp_dict;
/* Text of an AnyValue message: strings in place, numbers made in the arena, an array of one element
 * as that element. d may be NULL. false: a value that is no label (a list, a map, nothing). */
bool otlp_value_text(const struct otlp_dict *d, const uint8_t *p, size_t n, struct arena *a,
		     struct otlp_text *ret);

struct otlp_attribute {
	struct otlp_text key; /* p is NULL: not usable as a label */
	struct otlp_text value;
};
typedef VEC(struct otlp_attribute) otlp_attributes;
/* Append the attributes of a Resource or data point (KeyValue messages) one by one. */
int otlp_read_key_value(const struct otlp_dict *d, const struct wire_field *f, struct arena *a,
			otlp_attributes *out, struct err *e);

/* The tables that all profiles of a request share. All indices inside are checked. */
struct otlp_slice {
	const uint8_t *p;
	size_t len;
};
struct otlp_function {
	uint32_t name, file, start_line;
};
/* One function at a location; a location without any has one with function 0. */
struct otlp_line {
	uint32_t location, function, line;
};
struct otlp_location {
	uint64_t address;
	uint32_t mapping, first, count; /* of lines */
	uint8_t kind;
};
struct otlp_stack {
	uint32_t first, count; /* of indices: locations, leaf first */
};
enum { OTLP_TABLES = 8 };
struct otlp_dict {
	struct arena arena;
	VEC(struct otlp_slice) raw[OTLP_TABLES];
	VEC(struct otlp_text) strings;
	otlp_attributes attributes;
	VEC(struct otlp_text) modules; /* of mappings */
	VEC(struct otlp_function) functions;
	VEC(struct otlp_line) lines;
	VEC(struct otlp_location) locations;
	VEC(uint32_t) indices;
	VEC(struct otlp_stack) stacks;
};
/* Collect the entries of one ProfilesDictionary message; a request may be in several pieces. */
int otlp_dict_collect(struct otlp_dict *d, const struct wire_field *f, struct err *e);
/* Decode what was collected. */
int otlp_dict_decode(struct otlp_dict *d, struct err *e);
void otlp_dict_fini(struct otlp_dict *d);

int otlp_malformed(struct err *e, const char *what);

#endif
