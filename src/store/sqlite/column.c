#include "store/sqlite/column.h"

#include "base/compress.h"
#include "base/hash.h"

enum { HASH_SIZE = 4, COMPRESS_FROM = 48 };

void pack_begin(struct buf *out)
{
	out->len = 0;
	buf_append(out, (const uint8_t[HASH_SIZE]){0}, HASH_SIZE);
}

void pack_end(struct buf *out)
{
	uint64_t h = hash_bytes(out->data + HASH_SIZE, out->len - HASH_SIZE);

	for (int i = 0; i < HASH_SIZE; i++)
		out->data[i] = (uint8_t)(h >> (8 * i));
}

int pack_column(struct buf *out, struct buf *column, int level)
{
	cleanup_buf struct buf packed = {};

	if (column->len >= COMPRESS_FROM) {
		int r = compress_zstd(column->data, column->len, level, &packed);

		if (r < 0)
			return r;
	}
	wire_put_varint(out, column->len);
	/* Packed length 0: stored as it is. */
	if (packed.len && packed.len < column->len) {
		wire_put_varint(out, packed.len);
		buf_append(out, packed.data, packed.len);
	} else {
		wire_put_varint(out, 0);
		buf_append(out, column->data, column->len);
	}
	column->len = 0;
	return 0;
}

int unpack_begin(struct unpack *u, const void *p, size_t n, struct err *e)
{
	const uint8_t *b = p;

	if (n < HASH_SIZE)
		return unpack_short(e);
	uint64_t h = hash_bytes(b + HASH_SIZE, n - HASH_SIZE);

	for (int i = 0; i < HASH_SIZE; i++)
		if (b[i] != (uint8_t)(h >> (8 * i)))
			return err_set(e, -EBADMSG, "a block does not match its checksum");
	u->in = wire_reader(b + HASH_SIZE, n - HASH_SIZE);
	return 0;
}

int unpack_short(struct err *e)
{
	return err_set(e, -EBADMSG, "a block is shorter than it should be");
}

int unpack_number(struct unpack *u, uint64_t max, uint64_t *ret_n, struct err *e)
{
	uint64_t n;

	if (!wire_varint(&u->in, &n))
		return unpack_short(e);
	if (n > max)
		return err_set(e, -EBADMSG, "a block holds a number that is too large");
	*ret_n = n;
	return 0;
}

int unpack_column(struct unpack *u, size_t max, struct buf *to, struct wire_reader *ret_column,
		  struct err *e)
{
	uint64_t plain, packed;
	int r = unpack_number(u, max, &plain, e);

	if (r >= 0)
		r = unpack_number(u, max, &packed, e);
	if (r < 0)
		return r;
	size_t len = packed ? packed : plain;

	if (len > (size_t)(u->in.end - u->in.p))
		return unpack_short(e);
	if (packed) {
		to->len = 0;
		r = decompress_zstd(u->in.p, len, plain, to, e);
		if (r < 0)
			return r;
		if (to->len != plain)
			return unpack_short(e);
		*ret_column = wire_reader(to->data, to->len);
	} else {
		*ret_column = wire_reader(u->in.p, len);
	}
	u->in.p += len;
	return 0;
}
