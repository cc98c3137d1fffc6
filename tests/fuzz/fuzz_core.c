/* Feeds the reader of core files: headers, notes, memory, then the stacks of its threads. */
#include <sys/mman.h>
#include <unistd.h>

#include "base/io.h"
#include "process/core.h"
#include "unwind/thread_copy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Without mappings: by frame pointers alone. */
static void walk_threads(const struct core *c, const struct memory *m)
{
	enum { MAX_THREADS = 16 };
	static const struct table_space space;
	static struct replay replay;
	const struct core_thread *threads;
	struct thread_copy copy = {};
	size_t n = MIN(core_threads(c, &threads), (size_t)MAX_THREADS);

	for (size_t i = 0; i < n; i++) {
		uint64_t end = i % 2 ? threads[i].registers.general[UNWIND_RBP] : 0;

		thread_copy_take(&copy, m, &threads[i].registers, end);
		replay = (struct replay){.space = &space, .memory = m};
		thread_copy_replay(&copy, &replay);
		replay_walk(&replay);
		thread_copy_end(&copy, &replay);
	}
	thread_copy_fini(&copy);
}

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
	walk_threads(c, &m);
	process_fini(&p);
	core_close(c);
	return 0;
}
