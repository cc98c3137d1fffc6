/* The library that an interpreter of `glim timeit` loads to know how many bytes a loop asks
 * Python's allocators for: it stands before all of them, and adds up. timeit_driver.py calls it, by
 * ctypes.
 *
 * It is linked with nothing, and no part of the program but a file in it. Threads: any. */
#include <stddef.h>
#include <stdint.h>

#define EXPORTED __attribute__((visibility("default")))

enum { RAW, MEM, OBJECT, DOMAINS };

/* PyMemAllocatorEx of Include/cpython/pymem.h */
struct allocator {
	void *context;
	void *(*malloc)(void *context, size_t n);
	void *(*calloc)(void *context, size_t n, size_t size);
	void *(*realloc)(void *context, void *p, size_t n);
	void (*free)(void *context, void *p);
};
extern void PyMem_GetAllocator(int domain, struct allocator *ret);
extern void PyMem_SetAllocator(int domain, const struct allocator *allocator);

static struct allocator originals[DOMAINS];
/* A number that has the same size in Python however much is added. */
static uint64_t bytes = 1ULL << 40;

static uint64_t now(void)
{
	return __atomic_load_n(&bytes, __ATOMIC_RELAXED);
}

/* An allocator may get a block from another one, where it is counted then. */
static void *given(void *p, size_t n, uint64_t before)
{
	if (p && now() == before)
		__atomic_fetch_add(&bytes, n, __ATOMIC_RELAXED);
	return p;
}

static void *count_malloc(void *context, size_t n)
{
	const struct allocator *a = context;
	uint64_t before = now();

	return given(a->malloc(a->context, n), n, before);
}

static void *count_calloc(void *context, size_t n, size_t size)
{
	const struct allocator *a = context;
	uint64_t before = now();

	return given(a->calloc(a->context, n, size), n * size, before);
}

static void *count_realloc(void *context, void *p, size_t n)
{
	const struct allocator *a = context;
	uint64_t before = now();

	return given(a->realloc(a->context, p, n), n, before);
}

static void count_free(void *context, void *p)
{
	const struct allocator *a = context;

	a->free(a->context, p);
}

/* Count from now on, and to the end of the process. With the GIL, and once. */
EXPORTED void counter_begin(void)
{
	for (int i = 0; i < DOMAINS; i++) {
		struct allocator ours = {&originals[i], count_malloc, count_calloc, count_realloc,
					 count_free};

		PyMem_GetAllocator(i, &originals[i]);
		PyMem_SetAllocator(i, &ours);
	}
}

EXPORTED uint64_t counter_bytes(void)
{
	return now();
}
