#include "base/wire.h"

enum { VARINT_MAX = 10 };

static bool fail(struct wire_reader *r)
{
	r->error = true;
	r->p = r->end;
	return false;
}

bool wire_long_varint(struct wire_reader *r, uint64_t *ret_v)
{
	uint64_t v = 0;

	if (r->p == r->end)
		return false;
	for (int i = 0; i < VARINT_MAX; i++) {
		if (r->p == r->end)
			return fail(r);
		uint8_t c = *r->p++;

		v |= (uint64_t)(c & 0x7f) << (7 * i);
		if (!(c & 0x80)) {
			*ret_v = v;
			return true;
		}
	}
	return fail(r);
}

static bool fixed(struct wire_reader *r, size_t n, uint64_t *ret_v)
{
	uint64_t v = 0;

	if ((size_t)(r->end - r->p) < n)
		return fail(r);
	memcpy(&v, r->p, n); /* little endian, like every machine that Glim runs on */
	r->p += n;
	*ret_v = v;
	return true;
}

bool wire_next(struct wire_reader *r, struct wire_field *ret_f)
{
	uint64_t key, len;

	if (!wire_varint(r, &key))
		return false;
	*ret_f = (struct wire_field){.number = (uint32_t)(key >> 3), .type = key & 7};
	if (key >> 3 == 0 || key >> 3 > 0x1fffffff)
		return fail(r);
	switch (key & 7) {
	case WIRE_VARINT:
		return wire_varint(r, &ret_f->value) || fail(r);
	case WIRE_FIXED64:
		return fixed(r, 8, &ret_f->value);
	case WIRE_FIXED32:
		return fixed(r, 4, &ret_f->value);
	case WIRE_BYTES:
		if (!wire_varint(r, &len) || len > (uint64_t)(r->end - r->p))
			return fail(r);
		ret_f->data = r->p;
		ret_f->len = (size_t)len;
		r->p += len;
		return true;
	default:
		return fail(r);
	}
}

void wire_put_varint(struct buf *b, uint64_t v)
{
	uint8_t tmp[VARINT_MAX];
	size_t n = 0;

	while (v >= 0x80) {
		tmp[n++] = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	tmp[n++] = (uint8_t)v;
	buf_append(b, tmp, n);
}

static void put_key(struct buf *b, uint32_t field, enum wire_type type)
{
	wire_put_varint(b, (uint64_t)field << 3 | type);
}

void wire_put_uint(struct buf *b, uint32_t field, uint64_t v)
{
	put_key(b, field, WIRE_VARINT);
	wire_put_varint(b, v);
}

void wire_put_fixed64(struct buf *b, uint32_t field, uint64_t v)
{
	put_key(b, field, WIRE_FIXED64);
	buf_append(b, &v, sizeof(v));
}

void wire_put_double(struct buf *b, uint32_t field, double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof(bits));
	wire_put_fixed64(b, field, bits);
}

void wire_put_bytes(struct buf *b, uint32_t field, const void *p, size_t n)
{
	put_key(b, field, WIRE_BYTES);
	wire_put_varint(b, n);
	buf_append(b, p, n);
}

void wire_put_string(struct buf *b, uint32_t field, const char *s)
{
	wire_put_bytes(b, field, s, strlen(s));
}

size_t wire_begin(struct buf *b, uint32_t field)
{
	put_key(b, field, WIRE_BYTES);
	return b->len;
}

void wire_end(struct buf *b, size_t mark)
{
	uint64_t len = b->len - mark;
	uint8_t tmp[VARINT_MAX];
	size_t n = 0;

	for (uint64_t v = len; v >= 0x80; v >>= 7)
		tmp[n++] = (uint8_t)(v | 0x80);
	tmp[n] = (uint8_t)(len >> (7 * n));
	n++;
	buf_reserve(b, n);
	memmove(b->data + mark + n, b->data + mark, (size_t)len);
	memcpy(b->data + mark, tmp, n);
	b->len += n;
}
