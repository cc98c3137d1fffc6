/* malloc and its kind, in front of those of the C library. */
#include "memory/target/library.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#define EXPORTED __attribute__((visibility("default")))

EXPORTED void *malloc(size_t n);

static struct {
	void *(*malloc)(size_t);
} real;

/* What dlsym itself asks for on its way to the real functions. Never given back. */
static char early[4096] __attribute__((aligned(16)));
static size_t early_used;

static void *early_memory(size_t n)
{
	size_t at = __atomic_fetch_add(&early_used, (n + 15) / 16 * 16, __ATOMIC_RELAXED);

	return n < sizeof(early) && at + n <= sizeof(early) ? early + at : NULL;
}

static bool find_real(void)
{
	static char looking;

	if (__atomic_test_and_set(&looking, __ATOMIC_ACQUIRE))
		return real.malloc != NULL;
	real.malloc = (void *(*)(size_t))(uintptr_t)dlsym(RTLD_NEXT, "malloc");
	return real.malloc != NULL;
}

EXPORTED void *malloc(size_t n)
{
	if (unlikely(!real.malloc) && !find_real())
		return early_memory(n);
	if (unlikely(__atomic_load_n(&python_waiting, __ATOMIC_RELAXED)))
		python_poll();
	return real.malloc(n);
}
