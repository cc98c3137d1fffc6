/* base/wire.h - the protobuf wire format, read and written without generated code.
 *
 * The reader walks one message in place: fields point into the caller's bytes, nothing is copied.
 * A reader that met malformed input is stuck at its end with error set; sizes are checked before
 * use. The writer appends to a buf; a sub-message is written between wire_begin and wire_end.
 * Encoding: protobuf.dev "Encoding", wire types 0, 1, 2, 5. Threads: one at a time. */
#ifndef GLIM_BASE_WIRE_H
#define GLIM_BASE_WIRE_H

#include "base/buf.h"

enum wire_type { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

struct wire_reader {
	const uint8_t *p;
	const uint8_t *end;
	bool error;
};
struct wire_field {
	uint32_t number;
	enum wire_type type;
	uint64_t value;	     /* varint or fixed */
	const uint8_t *data; /* WIRE_BYTES */
	size_t len;
};

static inline struct wire_reader wire_reader(const void *p, size_t n)
{
	return (struct wire_reader){p, n ? (const uint8_t *)p + n : p, false};
}
/* The next field of the message; false at the end or at malformed input (then r->error). */
bool wire_next(struct wire_reader *r, struct wire_field *ret_f);
/* One bare varint, as inside packed fields; false at the end or at malformed input. */
bool wire_long_varint(struct wire_reader *r, uint64_t *ret_v);
static inline bool wire_varint(struct wire_reader *r, uint64_t *ret_v)
{
	const uint8_t *p = r->p;

	/* Nearly all have one byte or two, and a request is made of them. */
	if (r->end - p < 2 || (p[0] & p[1] & 0x80))
		return wire_long_varint(r, ret_v);
	if (p[0] < 0x80) {
		*ret_v = p[0];
		r->p = p + 1;
	} else {
		*ret_v = (uint64_t)(p[0] & 0x7f) | (uint64_t)p[1] << 7;
		r->p = p + 2;
	}
	return true;
}
/* A reader of the message, or of the packed numbers, inside a WIRE_BYTES field. */
static inline struct wire_reader wire_sub(const struct wire_field *f)
{
	return wire_reader(f->data, f->type == WIRE_BYTES ? f->len : 0);
}
static inline double wire_to_double(uint64_t v)
{
	double d;

	memcpy(&d, &v, sizeof(d));
	return d;
}

void wire_put_varint(struct buf *b, uint64_t v);
/* Fields with the default value are written too: leaving them out is the caller's choice. */
void wire_put_uint(struct buf *b, uint32_t field, uint64_t v);
void wire_put_fixed64(struct buf *b, uint32_t field, uint64_t v);
void wire_put_double(struct buf *b, uint32_t field, double v);
void wire_put_bytes(struct buf *b, uint32_t field, const void *p, size_t n);
void wire_put_string(struct buf *b, uint32_t field, const char *s);
/* Open a sub-message (or packed field); wire_end gets what wire_begin returned. */
size_t wire_begin(struct buf *b, uint32_t field);
void wire_end(struct buf *b, size_t mark);

#endif
