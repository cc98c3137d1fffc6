/* Memory of a process that does not exist: a few stretches at chosen addresses. */
#ifndef TEST_UNWIND_MEMORY_H
#define TEST_UNWIND_MEMORY_H

#include "base/base.h"

enum { MEMORY_BYTES = 1 << 20, MEMORY_AREAS = 64 };

struct memory_area {
	uint64_t address, size;
	uint8_t *data;
};
struct memory {
	struct memory_area areas[MEMORY_AREAS];
	size_t len;
	size_t reads;
};
extern struct memory memory;

static inline int memory_read(void *dst, size_t size, uint64_t address)
{
	memory.reads++;
	for (size_t i = 0; i < memory.len; i++) {
		const struct memory_area *a = &memory.areas[i];

		if (address < a->address || address - a->address > a->size ||
		    size > a->size - (address - a->address))
			continue;
		memcpy(dst, a->data + (address - a->address), size);
		return 0;
	}
	return -1;
}

static inline void memory_map(uint64_t address, uint64_t size)
{
	CHECK(memory.len < MEMORY_AREAS);
	memory.areas[memory.len++] = (struct memory_area){address, size, mem_calloc(1, size)};
}

static inline void memory_put(uint64_t address, uint64_t value, size_t size)
{
	for (size_t i = 0; i < memory.len; i++) {
		struct memory_area *a = &memory.areas[i];

		if (address >= a->address && address + size <= a->address + a->size) {
			memcpy(a->data + (address - a->address), &value, size);
			return;
		}
	}
	CHECK(!"address is mapped");
}

static inline void memory_free(void)
{
	for (size_t i = 0; i < memory.len; i++)
		free(memory.areas[i].data);
	memory.len = memory.reads = 0;
}

#endif
