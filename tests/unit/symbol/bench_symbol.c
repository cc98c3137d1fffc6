/* What names cost: `bench_symbol FILE...` loads each file and looks up addresses. Printed:
 * functions, bytes of the table, CPU time to load, nanoseconds a lookup and to read and demangle a
 * name for the first time; and how long a caller waits at a time for the first name, with the file
 * read in place and by the loader. Then a perf map, and all processes of this machine. */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "symbol/demangle.h"
#include "symbol/kallsyms.h"
#include "symbol/perf_map.h"
#include "symbol/symbol.h"
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

static int64_t own_cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * NSEC_PER_SEC + t.tv_nsec;
}

/* Ask for the first name in a mapping until it is there. A wait on a busy machine is also one for a
 * CPU: what the caller itself had to do is told beside it. */
static void first_name(const struct process *p, const struct mapping *m, uint64_t address,
		       bool loader)
{
	enum { STEP_NS = 5000000 };
	struct symbol found[SYMBOL_MAX_INLINED];
	struct symbolizer *s;
	int64_t longest = 0, most = 0, cpu = clock_cpu_ns();

	CHECK(!symbolizer_new(24 << 20, &s, NULL));
	symbolizer_set_loader(s, loader);
	do {
		int64_t start = clock_mono_ns(), own = own_cpu_ns();

		symbolizer_user(s, p, m, address, found);
		if (found[0].later)
			symbolizer_wait(s, STEP_NS);
		longest = MAX(longest, clock_mono_ns() - start);
		most = MAX(most, own_cpu_ns() - own);
	} while (found[0].later);
	printf("    %s: %s, longest wait %.2f ms, of it own CPU %.2f ms, CPU of all %.2f ms\n",
	       loader ? "by the loader" : "read in place", *found[0].name ? "named" : "no name",
	       (double)longest / 1e6, (double)most / 1e6, (double)(clock_cpu_ns() - cpu) / 1e6);
	symbolizer_free(s);
}

static void wait_cost(const char *path)
{
	struct process self;
	struct elf_file *f;
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	CHECK(fd >= 0 && !fstat(fd, &st));
	char *at = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);

	CHECK(at != MAP_FAILED && !process_read(getpid(), &self, NULL));
	CHECK(!elf_file_open(fd, &f, NULL));
	for (size_t i = 0; i < f->segments.len; i++) {
		const Elf64_Phdr *p = &f->segments.data[i];
		uint64_t address = (uintptr_t)at + p->p_offset + p->p_filesz / 2;

		if (p->p_type != PT_LOAD || !(p->p_flags & PF_X))
			continue;
		for (int run = 0; run < 6; run++)
			first_name(&self, process_find_mapping(&self, address), address, run % 2);
	}
	elf_file_close(f);
	munmap(at, (size_t)st.st_size);
	process_fini(&self);
}

/* A perf map of so many lines, read in one go, then a line at a time as it grows. */
static void perf_map_cost(void)
{
	enum { LINES = 100000, MORE = 100 };
	FILE *f = tmpfile();
	struct perf_map m = {};
	struct code_map map = {};
	code_range_vec batch = {};
	int64_t start;

	for (size_t i = 0; i < LINES; i++)
		fprintf(f, "%lx 40 JS:*function_%zu /app/src/module.js:%zu:7\n",
			0x7f0000000000 + 64 * (hash_mix(i, 3) % (4 * LINES)), i, i);
	fflush(f);
	start = clock_cpu_ns();
	while (perf_map_read(&m, fileno(f), SIZE_MAX, SIZE_MAX, &batch) == 1)
		;
	code_map_put(&map, &batch);
	printf("perf map of %d lines: %zu ranges, %zu bytes, %.1f ms", LINES, map.ranges.len,
	       map.ranges.cap * sizeof(*map.ranges.data), (double)(clock_cpu_ns() - start) / 1e6);
	start = clock_cpu_ns();
	for (size_t i = 0; i < MORE; i++) {
		fprintf(f, "%lx 40 late\n", 0x7f0000000000 + 64 * i * 1000);
		fflush(f);
		CHECK(!perf_map_read(&m, fileno(f), SIZE_MAX, SIZE_MAX, &batch));
		code_map_put(&map, &batch);
	}
	printf(", a line more %.3f ms\n", (double)(clock_cpu_ns() - start) / 1e6 / MORE);
	code_map_fini(&map);
	fclose(f);
}

/* Ask for addresses all over the files of a process. Returns how many. */
static size_t ask_process(struct symbolizer *s, const struct process *p)
{
	enum { A_MAPPING = 16 };
	struct symbol found[SYMBOL_MAX_INLINED];
	size_t n = 0;

	for (size_t i = 0; i < p->mappings.len; i++)
		for (size_t k = 0; k < A_MAPPING; k++, n++) {
			const struct mapping *m = &p->mappings.data[i];

			symbolizer_user(s, p, m, m->start + hash_mix(k, 5) % (m->end - m->start),
					found);
		}
	return n;
}

/* Every process of this machine: once with nothing known, once again. */
static void machine_cost(void)
{
	struct symbolizer *s;
	struct symbolizer_stats st;
	pid_vec pids = {};

	CHECK(!process_list(&pids) && !symbolizer_new(24 << 20, &s, NULL));
	for (int round = 0; round < 2; round++) {
		size_t n = 0, processes = 0;
		int64_t cost = 0;

		for (size_t i = 0; i < pids.len; i++) {
			struct process p;

			if (process_read(pids.data[i], &p, NULL))
				continue;
			int64_t start = clock_cpu_ns();

			n += ask_process(s, &p);
			cost += clock_cpu_ns() - start;
			processes += p.mappings.len > 0;
			process_fini(&p);
		}
		symbolizer_stats(s, &st);
		printf("%s: %zu processes, %zu files, %zu bytes, %zu names, %.0f ns each\n",
		       round ? "the machine again" : "the machine", processes, st.files, st.bytes,
		       n, (double)cost / (double)n);
		symbolizer_trim(s);
	}
	symbolizer_free(s);
	vec_fini(&pids);
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
		if (file_cost(argv[i]))
			failed++;
		else
			wait_cost(argv[i]);
	perf_map_cost();
	machine_cost();
	return failed != 0;
}
