/* Feeds the reader of core files: headers, notes, then memory. */
#include <sys/mman.h>
#include <unistd.h>

#include "base/io.h"
#include "process/core.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_close int fd = memfd_create("core", MFD_CLOEXEC);
	struct core *c = NULL;
	char path[40];

	CHECK(fd >= 0 && !io_write_all(fd, data, size));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (core_open(path, NULL, &c, NULL))
		return 0;
	struct memory m = core_memory(c);
	struct process p;

	core_process(c, &p);
	for (uint64_t at = 0; at < 1 << 16; at += 4000) {
		uint8_t bytes[5000];

		memory_read(&m, at, bytes, sizeof(bytes));
		memory_read(&m, UINT64_MAX - at, bytes, sizeof(bytes));
	}
	process_fini(&p);
	core_close(c);
	return 0;
}
