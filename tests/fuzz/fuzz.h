/* fuzz/fuzz.h - what the fuzz targets share: one function each, called with bytes of a stranger. */
#ifndef GLIM_FUZZ_H
#define GLIM_FUZZ_H

#include <sys/mman.h>
#include <unistd.h>

#include "base/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A descriptor of a file in memory with these bytes, at its start. */
static inline int fuzz_file(const uint8_t *data, size_t size)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	CHECK(fd >= 0);
	CHECK(write(fd, data, size) == (ssize_t)size);
	CHECK(lseek(fd, 0, SEEK_SET) == 0);
	return fd;
}

#endif
