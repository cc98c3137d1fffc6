/* base/base.h - what every other file may use without asking.
 *
 * Small macros, scope cleanup, checked allocation. Memory that cannot be had ends the program:
 * sizes that come from outside are bounded before they reach an allocation, so a failure here means
 * that the machine is out of memory. Threads: everything here may be called from any thread. */
#ifndef GLIM_BASE_H
#define GLIM_BASE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARRAY_SIZE(a)	       (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)	       ((a) < (b) ? (a) : (b))
#define MAX(a, b)	       ((a) > (b) ? (a) : (b))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define MUST_USE	       __attribute__((warn_unused_result))

#define NSEC_PER_SEC 1000000000LL

/* A broken CHECK is a bug of ours: it prints the place and aborts, in release builds too. */
#define CHECK(cond) ((cond) ? (void)0 : check_failed(#cond, __FILE__, __LINE__))
_Noreturn void check_failed(const char *what, const char *file, int line);

/* Scope cleanup: `cleanup_free char *s = ...;` frees s when the scope ends. */
/* unused: a lock that is held by a scope is never named again, which clang finds odd. */
#define cleanup(f)     __attribute__((cleanup(f), unused))
#define cleanup_free   cleanup(cleanup_free_fn)
#define cleanup_close  cleanup(cleanup_close_fn)
#define cleanup_fclose cleanup(cleanup_fclose_fn)
void cleanup_free_fn(void *pointer_to_pointer);
void cleanup_close_fn(int *fd);
void cleanup_fclose_fn(FILE **file);

/* Hand the value out of its scope: `return take_fd(&fd);` leaves -1 behind, take_ptr leaves NULL.
 */
static inline int take_fd(int *fd)
{
	int v = *fd;

	*fd = -1;
	return v;
}
#define take_ptr(p)                                                                                \
	({                                                                                         \
		__typeof__(p) *p__ = &(p);                                                         \
		__typeof__(p) v__ = *p__;                                                          \
		*p__ = NULL;                                                                       \
		v__;                                                                               \
	})

/* What stands behind the last slash of a path; a path that ends in one is all of it. */
static inline const char *path_last(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

/* Numbers come from strangers, too: a sum stops at the end of its range instead of wrapping. */
static inline int64_t add_saturated(int64_t a, int64_t b)
{
	int64_t sum;

	if (!__builtin_add_overflow(a, b, &sum))
		return sum;
	return b > 0 ? INT64_MAX : INT64_MIN;
}

/* Heap memory, never NULL; the names keep clear of those of libiberty. mem_calloc zeroes and checks
 * n * size for overflow, so does mem_reallocarray. */
void *mem_calloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull));
void *mem_reallocarray(void *p, size_t n, size_t size) __attribute__((returns_nonnull));
char *mem_strdup(const char *s) __attribute__((malloc, returns_nonnull));
char *mem_asprintf(const char *fmt, ...) PRINTF_LIKE(1, 2) __attribute__((malloc, returns_nonnull));

#endif
