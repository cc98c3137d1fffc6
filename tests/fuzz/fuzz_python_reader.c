/* The reader of Python stacks over memory that lies and changes: it must end, and stay inside its
 * buffers. */
#include "fuzz.h"
#include "unwind/python/layout.h"
#include "unwind/python/python_reader.h"

enum { VERSIONS = 16 }; /* as many as there may be one day */

struct liar {
	struct memory memory; /* first: the reader knows this part */
	const uint8_t *bytes;
	size_t size;
	uint64_t reads;
};

/* The input is the memory, again and again; some cannot be read, and all of it moves on. */
static int lie(const struct memory *m, uint64_t address, void *buf, size_t n)
{
	struct liar *l = (struct liar *)(uintptr_t)m;

	l->reads++;
	if (address % 7 == 3)
		return -EFAULT;
	for (size_t i = 0; i < n; i++)
		((uint8_t *)buf)[i] = l->bytes[(address + i + l->reads / 64) % l->size];
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct liar l = {.memory.read = lie, .bytes = data, .size = size};
	struct python py = {.process.interpreters = 0x10000};
	const struct python_layout *layout;
	struct python_reader *r;
	uint32_t minor;

	if (size < 16)
		return 0;
	layout = python_layout_at(data[0] % VERSIONS, &minor);
	if (!layout)
		return 0;
	py.version = minor << 16;
	py.process.layout = *layout;
	if (python_reader_new(&l.memory, &py, &r, NULL))
		return 0;
	for (int round = 0; round < 2; round++) {
		int n = python_reader_list(r);

		for (int i = 0; i < n && i < 4; i++) {
			const struct python_thread *t = python_reader_thread(r, (size_t)i);

			python_reader_read(r, (size_t)i);
			CHECK(t->count <= UNWIND_MAX_ENTRIES && (!t->count || t->entries));
		}
	}
	python_reader_free(r);
	return 0;
}
