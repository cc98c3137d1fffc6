#include "base/base.h"

#include <stdarg.h>
#include <unistd.h>

_Noreturn void check_failed(const char *what, const char *file, int line)
{
	fprintf(stderr, "glim: bug: CHECK(%s) failed at %s:%d\n", what, file, line);
	abort();
}

void cleanup_free_fn(void *pointer_to_pointer)
{
	free(*(void **)pointer_to_pointer);
}

void cleanup_close_fn(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

void cleanup_fclose_fn(FILE **file)
{
	if (*file)
		fclose(*file);
}

static void *or_die(void *p)
{
	if (!p) {
		static const char msg[] = "glim: out of memory\n";

		(void)!write(STDERR_FILENO, msg, sizeof(msg) - 1);
		abort();
	}
	return p;
}

void *mem_calloc(size_t n, size_t size)
{
	return or_die(calloc(n ? n : 1, size ? size : 1));
}

void *mem_reallocarray(void *p, size_t n, size_t size)
{
	return or_die(reallocarray(p, n ? n : 1, size ? size : 1));
}

char *mem_strdup(const char *s)
{
	return or_die(strdup(s));
}

char *mem_asprintf(const char *fmt, ...)
{
	char *s = NULL;
	va_list ap;

	va_start(ap, fmt);
	int n = vasprintf(&s, fmt, ap);
	va_end(ap);
	return or_die(n < 0 ? NULL : s);
}
