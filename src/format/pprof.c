/* pprof: the gzip-compressed protobuf file that `go tool pprof` and most viewers read. */
#include "format/pprof_priv.h"

/* A gzip file, or a message whose first field is a sample type (field 1) with a string index. */
static bool pprof_detect(const void *data, size_t n)
{
	const uint8_t *p = data;

	if (n >= 3 && p[0] == 0x1f && p[1] == 0x8b && p[2] == 8)
		return true;
	return n >= 4 && p[0] == 0x0a && p[1] >= 2 && p[1] <= 12 && p[2] == 0x08;
}

const struct format format_pprof = {
	.name = "pprof",
	.suffix = ".pb.gz",
	.mime = "application/octet-stream",
	.binary = true,
	.detect = pprof_detect,
	.write = pprof_write,
	.read = pprof_read,
};
