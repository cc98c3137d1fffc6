/* Compressed bodies: no more may come out than was allowed. */
#include "base/compress.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum { LIMIT = 1 << 20 };
	struct buf zstd = {}, gzip = {};
	struct err e;

	decompress_zstd(data, size, LIMIT, &zstd, &e);
	decompress_gzip(data, size, LIMIT, &gzip, &e);
	CHECK(zstd.len <= LIMIT && gzip.len <= LIMIT);
	buf_fini(&zstd);
	buf_fini(&gzip);
	return 0;
}
