#include "base/compress.h"

#include <libdeflate.h>
#include <zstd.h>

int compress_zstd(const void *p, size_t n, int level, struct buf *out)
{
	buf_reserve(out, ZSTD_compressBound(n));
	size_t r = ZSTD_compress(out->data + out->len, out->cap - out->len, p, n, level);

	if (ZSTD_isError(r))
		return -EIO;
	out->len += r;
	return 0;
}

int compress_gzip(const void *p, size_t n, int level, struct buf *out)
{
	struct libdeflate_compressor *c = libdeflate_alloc_compressor(level);

	if (!c)
		return -ENOMEM;
	buf_reserve(out, libdeflate_gzip_compress_bound(c, n));
	size_t r = libdeflate_gzip_compress(c, p, n, out->data + out->len, out->cap - out->len);

	libdeflate_free_compressor(c);
	if (!r)
		return -EIO;
	out->len += r;
	return 0;
}

static void free_dstream(ZSTD_DStream **s)
{
	ZSTD_freeDStream(*s);
}

int decompress_zstd(const void *p, size_t n, size_t max, struct buf *out, struct err *e)
{
	cleanup(free_dstream) ZSTD_DStream *s = ZSTD_createDStream();
	ZSTD_inBuffer in = {p, n, 0};
	size_t start = out->len, left = 1;

	if (!s)
		return err_set(e, -ENOMEM, "no memory to decompress");
	/* A frame may ask for a window of its own choice: allow 128 MiB at the most. */
	ZSTD_DCtx_setParameter(s, ZSTD_d_windowLogMax, 27);
	while (in.pos < in.size || left) {
		buf_reserve(out, ZSTD_DStreamOutSize());
		ZSTD_outBuffer o = {out->data + out->len, out->cap - out->len, 0};
		size_t before = in.pos;

		left = ZSTD_decompressStream(s, &o, &in);
		if (ZSTD_isError(left))
			return err_set(e, -EBADMSG, "zstd: %s", ZSTD_getErrorName(left));
		out->len += o.pos;
		if (out->len - start > max)
			return err_set(e, -EFBIG, "more than %zu bytes when decompressed", max);
		if (left && in.pos == before && !o.pos)
			return err_set(e, -EBADMSG, "zstd: the data ends too early");
	}
	return 0;
}

/* One member of a gzip stream; ret_used: how many of the n bytes it took. */
static int gzip_member(const uint8_t *p, size_t n, size_t max, struct buf *out, size_t *ret_used,
		       struct err *e)
{
	size_t want = MIN(max, MAX(n, (size_t)4096) * 4);

	for (;;) {
		struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
		size_t got = 0;

		if (!d)
			return err_set(e, -ENOMEM, "no memory to decompress");
		buf_reserve(out, want);
		enum libdeflate_result r = libdeflate_gzip_decompress_ex(
			d, p, n, out->data + out->len, want, ret_used, &got);
		libdeflate_free_decompressor(d);
		if (r == LIBDEFLATE_SUCCESS) {
			out->len += got;
			return 0;
		}
		if (r != LIBDEFLATE_INSUFFICIENT_SPACE)
			return err_set(e, -EBADMSG, "gzip: the data is damaged");
		if (want >= max)
			return err_set(e, -EFBIG, "more than %zu bytes when decompressed", max);
		want = want > max / 4 ? max : want * 4;
	}
}

int decompress_gzip(const void *p, size_t n, size_t max, struct buf *out, struct err *e)
{
	size_t start = out->len, pos = 0;

	/* RFC 1952 2.2: members follow each other, with nothing between or behind them. */
	do {
		size_t used = 0;
		int r = gzip_member((const uint8_t *)p + pos, n - pos, max - (out->len - start),
				    out, &used, e);

		if (r < 0)
			return r;
		pos += used;
	} while (pos < n);
	return 0;
}

int decompress_zlib(const void *p, size_t n, size_t size, struct buf *out, struct err *e)
{
	struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
	size_t got = 0;

	if (!d)
		return err_set(e, -ENOMEM, "no memory to decompress");
	buf_reserve(out, size);
	enum libdeflate_result r =
		libdeflate_zlib_decompress(d, p, n, out->data + out->len, size, &got);
	libdeflate_free_decompressor(d);
	if (r != LIBDEFLATE_SUCCESS || got != size)
		return err_set(e, -EBADMSG, "zlib: the data is damaged");
	out->len += got;
	return 0;
}
