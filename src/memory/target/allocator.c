/* What is given out and taken back: malloc and its kind, in front of those of the C library, and
 * Python's own allocators for small objects.
 *
 * Each block that was counted has an entry under its address. One that goes through two layers, as
 * a large object of Python does, has it already at the outer one: so nothing counts twice, and what
 * was there before counts never. */
#include "memory/target/library.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define EXPORTED __attribute__((visibility("default")))
#pragma weak dlsym

enum { OBJECT_MAX = 512 }; /* SMALL_REQUEST_THRESHOLD of Objects/obmalloc.c */

/* ---- entries ---- */

/* An entry: stack << STACK_SHIFT | size + 1. Tables of three levels; the last is a MiB of
 * addresses, an entry for each 16 bytes, or 8 where Python aligns no better. */
enum {
	STACK_SHIFT = 40,
	TOP_SHIFT = 33,
	TOP_ENTRIES = 1 << 14,
	MIDDLE_SHIFT = 20,
	MIDDLE_ENTRIES = 1 << 13,
};
static const uint64_t SIZE_MASK = (1ULL << STACK_SHIFT) - 1;
static uint64_t **top[TOP_ENTRIES];
static unsigned int unit_shift = 4;
/* What is done with blocks; the last knows the stack of each, too. */
static enum { NOTHING, BYTES, STACKS } counting;

static size_t table_bytes(void)
{
	return ((size_t)1 << (MIDDLE_SHIFT - unit_shift)) * sizeof(uint64_t);
}

/* Who comes second takes what the first one made. */
static void *add_table(void *place, size_t bytes)
{
	void *fresh = store_memory(bytes), *none = NULL;

	if (!fresh)
		return NULL;
	if (__atomic_compare_exchange_n((void **)place, &none, fresh, false, __ATOMIC_ACQ_REL,
					__ATOMIC_ACQUIRE))
		return fresh;
	munmap(fresh, bytes);
	return none;
}

static inline uint64_t ***place_of_middle(uintptr_t at)
{
	return &top[at >> TOP_SHIFT & (TOP_ENTRIES - 1)];
}

static inline uint64_t *entry_in(uint64_t *last, uintptr_t at)
{
	return &last[(at & ((1 << MIDDLE_SHIFT) - 1)) >> unit_shift];
}

/* NULL where there is no table. */
static inline uint64_t *find_entry(const void *p)
{
	uintptr_t at = (uintptr_t)p;
	uint64_t **middle = *place_of_middle(at), *last;

	if (unlikely(!middle))
		return NULL;
	last = middle[at >> MIDDLE_SHIFT & (MIDDLE_ENTRIES - 1)];
	return likely(last != NULL) ? entry_in(last, at) : NULL;
}

/* NULL where there is no memory. */
static uint64_t *make_entry(const void *p)
{
	uintptr_t at = (uintptr_t)p;
	uint64_t ***first = place_of_middle(at), **middle = *first, *last;

	if (!middle)
		middle = add_table(first, MIDDLE_ENTRIES * sizeof(*middle));
	if (!middle)
		return NULL;
	middle += at >> MIDDLE_SHIFT & (MIDDLE_ENTRIES - 1);
	last = *middle ? *middle : add_table(middle, table_bytes());
	return last ? entry_in(last, at) : NULL;
}

static inline uint64_t size_in(uint64_t entry)
{
	return (entry & SIZE_MASK) - 1;
}

static inline uint32_t stack_in(uint64_t entry)
{
	return (uint32_t)(entry >> STACK_SHIFT);
}

/* ---- sums ---- */

enum { FLUSH_BYTES = 16 << 10 };

__thread struct allocator_thread allocator_mine;

void allocator_flush(void)
{
	int64_t change = allocator_mine.net - allocator_mine.flushed;

	if (library_alone())
		header->allocated += change;
	else
		__atomic_fetch_add(&header->allocated, change, __ATOMIC_RELAXED);
	allocator_mine.flushed = allocator_mine.net;
}

static inline void change(int64_t bytes)
{
	struct allocator_thread *mine = &allocator_mine;
	int64_t net = mine->net + bytes;

	mine->net = net;
	if (unlikely((uint64_t)(net - mine->flushed + FLUSH_BYTES) > 2ULL * FLUSH_BYTES))
		allocator_flush();
}

/* It was the most, if it was, until now. */
static inline void give_back(uint64_t bytes)
{
	if (allocator_mine.net > allocator_mine.high)
		allocator_mine.high = allocator_mine.net;
	change(-(int64_t)bytes);
}

bool allocator_quiet(bool quiet)
{
	bool before = allocator_mine.quiet;

	allocator_mine.quiet = quiet;
	return before;
}

static inline void fill(uint64_t *entry, size_t n)
{
	uint64_t stack = counting == STACKS ? stacks_give(n) : 0;

	*entry = stack << STACK_SHIFT | (n + 1);
	change((int64_t)n);
}

static inline void empty(uint64_t *entry)
{
	uint64_t old = *entry;

	*entry = 0;
	if (counting == STACKS)
		stacks_take(stack_in(old), size_in(old));
	give_back(size_in(old));
}

/* The first block in a table, or one that is known already. */
static __attribute__((noinline)) void given_where_rare(const void *p, size_t n, bool inner)
{
	uint64_t *entry = make_entry(p);

	if (!entry || n >= SIZE_MASK) {
		header->lost_blocks++;
		return;
	}
	if (*entry && inner)
		return;
	/* It went back on a way that nobody sees. */
	if (*entry)
		empty(entry);
	fill(entry, n);
}

/* inner: of Python's allocator, which may have had it from malloc. */
static inline void given(const void *p, size_t n, bool inner)
{
	uint64_t *entry;

	if (unlikely(!p || allocator_mine.quiet))
		return;
	entry = find_entry(p);
	if (unlikely(!entry || *entry || n >= SIZE_MASK))
		given_where_rare(p, n, inner);
	else
		fill(entry, n);
}

/* Returns the entry that it had. */
static inline uint64_t taken(const void *p)
{
	uint64_t *entry = find_entry(p), old;

	if (!entry || !*entry)
		return 0;
	old = *entry;
	empty(entry);
	return old;
}

/* The block could not be changed and is as it was. */
static void restore(const void *p, uint64_t old)
{
	uint64_t *entry = old ? make_entry(p) : NULL;

	if (!entry)
		return;
	*entry = old;
	change((int64_t)size_in(old));
	if (counting == STACKS)
		stacks_back(stack_in(old), size_in(old));
}

void allocator_forget(const void *p)
{
	uint64_t *entry = find_entry(p);

	if (!entry || !*entry)
		return;
	change(-(int64_t)size_in(*entry));
	*entry = 0;
}

/* ---- the C library ---- */

/* X(type, name, arguments) */
#define ALLOCATORS(X)                                                                              \
	X(void *, malloc, (size_t))                                                                \
	X(void *, calloc, (size_t, size_t))                                                        \
	X(void *, realloc, (void *, size_t))                                                       \
	X(void, free, (void *))                                                                    \
	X(int, posix_memalign, (void **, size_t, size_t))                                          \
	X(void *, aligned_alloc, (size_t, size_t))                                                 \
	X(void *, memalign, (size_t, size_t))                                                      \
	X(void *, valloc, (size_t))                                                                \
	X(void *, pvalloc, (size_t))
#define X(type, name, arguments) EXPORTED type name arguments;
ALLOCATORS(X)
#undef X
EXPORTED void *reallocarray(void *p, size_t n, size_t size);

static struct {
#define X(type, name, arguments) type(*name) arguments;
	ALLOCATORS(X)
#undef X
} real;

/* Of glibc, for programs that were linked without dlsym. */
extern void *__libc_malloc(size_t) __attribute__((weak));
extern void *__libc_calloc(size_t, size_t) __attribute__((weak));
extern void *__libc_realloc(void *, size_t) __attribute__((weak));
extern void __libc_free(void *) __attribute__((weak));
extern void *__libc_memalign(size_t, size_t) __attribute__((weak));

/* What dlsym itself asks for on its way to the real functions. Never given back. */
static char early[16 << 10] __attribute__((aligned(16)));
static size_t early_used;

static void *early_memory(size_t n)
{
	size_t at;

	if (n > sizeof(early))
		return NULL;
	at = __atomic_fetch_add(&early_used, (n + 15) / 16 * 16, __ATOMIC_RELAXED);
	return at + n <= sizeof(early) ? early + at : NULL;
}

static inline bool is_early(const void *p)
{
	return (const char *)p >= early && (const char *)p < early + sizeof(early);
}

static void look_up(void)
{
	void *(*first)(size_t) = NULL;

#define X(type, name, arguments) real.name = (type(*) arguments)(uintptr_t)dlsym(RTLD_NEXT, #name);
	X(void, free, (void *))
	X(void *, calloc, (size_t, size_t))
	X(void *, realloc, (void *, size_t))
	X(int, posix_memalign, (void **, size_t, size_t))
	X(void *, aligned_alloc, (size_t, size_t))
	X(void *, memalign, (size_t, size_t))
	X(void *, valloc, (size_t))
	X(void *, pvalloc, (size_t))
#undef X
	/* Last: it says that the others are there. */
	first = (void *(*)(size_t))(uintptr_t)dlsym(RTLD_NEXT, "malloc");
	__atomic_store_n(&real.malloc, first, __ATOMIC_RELEASE);
}

static bool find_real(void)
{
	static char looking;

	if (__atomic_test_and_set(&looking, __ATOMIC_ACQUIRE))
		return real.malloc != NULL;
	if (dlsym) {
		look_up();
	} else {
		real.calloc = __libc_calloc;
		real.realloc = __libc_realloc;
		real.free = __libc_free;
		real.memalign = real.aligned_alloc = __libc_memalign;
		real.malloc = __libc_malloc;
	}
	return real.malloc != NULL;
}

static inline bool have_real(void)
{
	return likely(real.malloc != NULL) || find_real();
}

static inline void wait_for_python(void)
{
	if (unlikely(__atomic_load_n(&python_waiting, __ATOMIC_RELAXED)))
		python_poll();
}

void *malloc(size_t n)
{
	void *p;

	if (unlikely(!have_real()))
		return early_memory(n);
	wait_for_python();
	p = real.malloc(n);
	if (unlikely(counting))
		given(p, n, false);
	return p;
}

void *calloc(size_t n, size_t size)
{
	void *p;

	if (unlikely(!have_real()))
		return size && n > sizeof(early) / size ? NULL : early_memory(n * size);
	p = real.calloc(n, size);
	if (unlikely(counting))
		given(p, n * size, false);
	return p;
}

void free(void *p)
{
	if (!p || unlikely(is_early(p)))
		return;
	if (unlikely(!have_real()))
		return;
	if (unlikely(counting))
		taken(p);
	real.free(p);
}

void *realloc(void *p, size_t n)
{
	uint64_t old;
	void *q;

	if (!p)
		return malloc(n);
	if (unlikely(is_early(p) || !have_real())) {
		q = malloc(n);
		if (q)
			memcpy(q, p,
			       n < (size_t)(early + sizeof(early) - (char *)p)
				       ? n
				       : (size_t)(early + sizeof(early) - (char *)p));
		return q;
	}
	if (likely(!counting))
		return real.realloc(p, n);
	old = taken(p);
	q = real.realloc(p, n);
	if (q)
		given(q, n, false);
	else if (n)
		restore(p, old);
	return q;
}

void *reallocarray(void *p, size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc(p, bytes);
}

int posix_memalign(void **ret, size_t alignment, size_t n)
{
	int code;

	if (!have_real() || !real.posix_memalign)
		return ENOMEM;
	code = real.posix_memalign(ret, alignment, n);
	if (!code && counting)
		given(*ret, n, false);
	return code;
}

static void *aligned(void *(*function)(size_t, size_t), size_t alignment, size_t n)
{
	void *p = function ? function(alignment, n) : NULL;

	if (counting)
		given(p, n, false);
	return p;
}

void *aligned_alloc(size_t alignment, size_t n)
{
	return have_real() ? aligned(real.aligned_alloc, alignment, n) : NULL;
}

void *memalign(size_t alignment, size_t n)
{
	return have_real() ? aligned(real.memalign, alignment, n) : NULL;
}

static void *pages(void *(*function)(size_t), size_t n)
{
	void *p = function ? function(n) : NULL;

	if (counting)
		given(p, n, false);
	return p;
}

void *valloc(size_t n)
{
	return have_real() ? pages(real.valloc, n) : NULL;
}

void *pvalloc(size_t n)
{
	return have_real() ? pages(real.pvalloc, n) : NULL;
}

/* ---- Python's ---- */

/* PyMemAllocatorEx of Include/cpython/pymem.h; two domains have pymalloc below. */
struct python_allocator {
	void *context;
	void *(*malloc)(void *context, size_t n);
	void *(*calloc)(void *context, size_t n, size_t size);
	void *(*realloc)(void *context, void *p, size_t n);
	void (*free)(void *context, void *p);
};
enum { DOMAIN_MEM = 1, DOMAIN_OBJECT = 2, DOMAINS = 3 };
static struct python_allocator originals[DOMAINS];

static void *python_malloc(void *context, size_t n)
{
	const struct python_allocator *a = context;
	void *p = a->malloc(a->context, n);

	if (n <= OBJECT_MAX && counting)
		given(p, n, true);
	return p;
}

static void *python_calloc(void *context, size_t n, size_t size)
{
	const struct python_allocator *a = context;
	void *p = a->calloc(a->context, n, size);

	if (n * size <= OBJECT_MAX && counting)
		given(p, n * size, true);
	return p;
}

static void python_free(void *context, void *p)
{
	const struct python_allocator *a = context;

	if (p && counting)
		taken(p);
	a->free(a->context, p);
}

static void *python_realloc(void *context, void *p, size_t n)
{
	const struct python_allocator *a = context;
	uint64_t old = p && counting ? taken(p) : 0;
	void *q = a->realloc(a->context, p, n);

	if (!counting)
		return q;
	if (q)
		given(q, n, true);
	else
		restore(p, old);
	return q;
}

bool allocator_begin(void)
{
	if (!python.PyMem_GetAllocator || !python.PyMem_SetAllocator)
		return false;
	/* Objects/obmalloc.c: ALIGNMENT is 16 from 3.7.4 on */
	unit_shift = python.version < 0x0308 ? 3 : 4;
	for (int i = DOMAIN_MEM; i <= DOMAIN_OBJECT; i++) {
		struct python_allocator ours = {&originals[i], python_malloc, python_calloc,
						python_realloc, python_free};

		python.PyMem_GetAllocator(i, &originals[i]);
		python.PyMem_SetAllocator(i, &ours);
	}
	counting = config.flags & MEMORY_BLOCKS ? STACKS : BYTES;
	return true;
}

void allocator_end(void)
{
	counting = NOTHING;
}

/* What was there before the fork is the parent's: here it counts as never seen. */
void allocator_fork(void)
{
	if (!counting)
		return;
	for (size_t i = 0; i < TOP_ENTRIES; i++)
		for (size_t j = 0; top[i] && j < MIDDLE_ENTRIES; j++)
			if (top[i][j])
				madvise(top[i][j], table_bytes(), MADV_DONTNEED);
	allocator_mine.net = allocator_mine.high = allocator_mine.flushed = 0;
	header->allocated = 0;
}
