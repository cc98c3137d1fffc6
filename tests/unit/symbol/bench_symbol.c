/* What symbol tables cost: `bench_symbol FILE...` loads each file and looks up addresses. Printed:
 * functions, bytes of the table, CPU time to load, nanoseconds a lookup and to read and demangle a
 * name for the first time. */
#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"
#include "symbol/demangle.h"
#include "symbol/kallsyms.h"
#include "symbol/table.h"

enum { LOOKUPS = 1000000, NAMES = 1000 };

/* Spread over the table, in an order that caches cannot guess. */
static const struct table_symbol *pick(const struct symbol_table *t, size_t i)
{
	return &t->symbols[hash_mix(i, 1) % t->len];
}

static double lookup_ns(const struct symbol_table *t)
{
	int64_t start = clock_cpu_ns();
	size_t found = 0;

	for (size_t i = 0; i < LOOKUPS; i++)
		found += symbol_table_find(t, t->base + pick(t, i)->start) != NULL;
	CHECK(found == LOOKUPS);
	return (double)(clock_cpu_ns() - start) / LOOKUPS;
}

static double name_ns(const struct symbol_table *t, int fd)
{
	int64_t start = clock_cpu_ns();

	for (size_t i = 0; i < NAMES; i++) {
		cleanup_free char *raw = NULL;

		CHECK(!symbol_table_name(t, pick(t, i), (int[]){fd, fd}, &raw));
		free(demangle(raw));
	}
	return (double)(clock_cpu_ns() - start) / NAMES;
}

static int file_cost(const char *path)
{
	struct elf_file *f;
	struct symbol_table t;
	struct err e = {};
	int64_t start = clock_cpu_ns();
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || elf_file_open(fd, &f, &e) || symbol_table_read(f, f, SIZE_MAX, &t, &e)) {
		fprintf(stderr, "%s: %s\n", path, fd < 0 ? strerror(errno) : e.msg);
		return 1;
	}
	double load_ms = (double)(clock_cpu_ns() - start) / 1e6;

	printf("%-48s %7zu functions %8zu bytes  load %7.2f ms  lookup %5.1f ns  name %6.0f ns\n",
	       path, t.len, t.len * sizeof(*t.symbols), load_ms, lookup_ns(&t), name_ns(&t, f->fd));
	symbol_table_fini(&t);
	elf_file_close(f);
	return 0;
}

static int kernel_cost(void)
{
	struct kallsyms k;
	struct err e = {};
	int64_t start = clock_cpu_ns();

	if (kallsyms_read("/proc/kallsyms", &k, &e)) {
		fprintf(stderr, "%s\n", e.msg);
		return 1;
	}
	printf("%-48s %7zu functions %8zu bytes  load %7.2f ms\n", "/proc/kallsyms", k.symbols.len,
	       kallsyms_bytes(&k), (double)(clock_cpu_ns() - start) / 1e6);
	kallsyms_fini(&k);
	return 0;
}

int main(int argc, char **argv)
{
	int failed = kernel_cost();

	for (int i = 1; i < argc; i++)
		failed += file_cost(argv[i]);
	return failed != 0;
}
