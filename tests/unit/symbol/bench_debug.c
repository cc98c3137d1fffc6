/* What it costs to find inlined functions and lines: `bench_debug ADDRESSES FILE...`. The same
 * addresses are given to addr2line and llvm-symbolizer, where these are installed. Times are of
 * the CPU. */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/hash.h"
#include "symbol/debug_info.h"

enum { POOL = 8 << 20, MAX = 32, ROUNDS = 5 };

static int open_path(void *arg, const char *path)
{
	return open(path, O_RDONLY | O_CLOEXEC);
}

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static struct elf_file *open_elf(const char *path)
{
	struct elf_file *elf;
	struct err e;

	if (elf_file_open(open(path, O_RDONLY | O_CLOEXEC), &elf, &e) < 0) {
		fprintf(stderr, "%s: %s\n", path, e.msg);
		exit(1);
	}
	return elf;
}

/* Addresses of the sections that have code, all alike likely, always the same ones. */
static void make_addresses(const struct elf_file *elf, uint64_t *ret, size_t n)
{
	uint64_t total = 0, seed = 1;

	for (size_t i = 0; i < elf->sections.len; i++)
		if (elf->sections.data[i].sh_flags & SHF_EXECINSTR)
			total += elf->sections.data[i].sh_size;
	for (size_t k = 0; total && k < n; k++) {
		seed = hash_mix(seed, 77);
		uint64_t at = seed % total;

		for (size_t i = 0; i < elf->sections.len; i++) {
			const Elf64_Shdr *s = &elf->sections.data[i];

			if (!(s->sh_flags & SHF_EXECINSTR))
				continue;
			if (at < s->sh_size) {
				ret[k] = s->sh_addr + at;
				break;
			}
			at -= s->sh_size;
		}
	}
}

/* One look-up, in as many windows as it takes. */
static size_t look(struct debug_pool *pool, struct debug_info *d, const char *path,
		   uint64_t address, double *worst, size_t *calls)
{
	const struct debug_opener o = {open_path, NULL, path};
	struct debug_function f[MAX];
	int n;

	for (;;) {
		double start = now_us();

		n = debug_info_lookup(d, address, &o, f, MAX);
		*worst = MAX(*worst, now_us() - start);
		++*calls;
		if (n != -EAGAIN)
			return (size_t)n;
		debug_pool_trim(pool);
	}
}

static void bench_ours(const char *path, const uint64_t *at, size_t n)
{
	struct debug_pool *pool = debug_pool_new(POOL);
	struct elf_file *elf = open_elf(path);
	size_t functions = 0, calls = 0, first_calls = 0;
	double worst = 0, first_worst = 0, start, first, others, again;
	struct debug_info *d;

	if (debug_info_open(pool, elf, &d) < 0) {
		fprintf(stderr, "%s: no debug information\n", path);
		exit(1);
	}
	elf_file_close(elf);
	start = now_us();
	functions += look(pool, d, path, at[0], &first_worst, &first_calls);
	first = now_us() - start;
	start = now_us();
	for (size_t i = 1; i < n; i++)
		functions += look(pool, d, path, at[i], &worst, &calls);
	others = now_us() - start;
	start = now_us();
	for (size_t i = 0; i < n * ROUNDS; i++)
		look(pool, d, path, at[i % n], &worst, &calls);
	again = now_us() - start;
	printf("%s: the first %.0f us in %zu calls (the longest %.0f us); %zu others %.1f us each, "
	       "again %.1f us (the longest %.0f us); %.2f functions each; %zu KiB\n",
	       path, first, first_calls, first_worst, n - 1, others / (double)(n - 1),
	       again / (double)(n * ROUNDS), worst, (double)functions / (double)n,
	       debug_pool_bytes(pool) >> 10);
	debug_info_close(d);
	debug_pool_free(pool);
}

/* Everything that the peer does, its start included. */
static void bench_peer(const char *const argv[], const uint64_t *at, size_t n)
{
	int in = memfd_create("addresses", 0), out = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct rusage u;
	int status;

	for (size_t i = 0; i < n; i++)
		dprintf(in, "%#lx\n", at[i]);
	lseek(in, 0, SEEK_SET);
	pid_t pid = fork();

	if (!pid) {
		dup2(in, STDIN_FILENO);
		dup2(out, STDOUT_FILENO);
		dup2(out, STDERR_FILENO);
		execvp(argv[0], (char *const *)argv);
		_exit(127);
	}
	close(in);
	close(out);
	if (wait4(pid, &status, 0, &u) != pid || status) {
		printf("    %s: not to be had\n", argv[0]);
		return;
	}
	double us = (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 +
		    (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);

	printf("    %s: %.1f us each, %ld KiB\n", argv[0], us / (double)n, u.ru_maxrss);
}

int main(int argc, char **argv)
{
	size_t n = argc > 2 ? strtoul(argv[1], NULL, 10) : 0;

	if (n < 2) {
		fprintf(stderr, "usage: bench_debug ADDRESSES FILE...\n");
		return 2;
	}
	for (int i = 2; i < argc; i++) {
		cleanup_free uint64_t *at = mem_calloc(n, sizeof(*at));
		cleanup_free char *object = mem_asprintf("--obj=%s", argv[i]);
		struct elf_file *elf = open_elf(argv[i]);

		make_addresses(elf, at, n);
		elf_file_close(elf);
		bench_ours(argv[i], at, n);
		fflush(stdout);
		bench_peer((const char *[]){"addr2line", "-i", "-f", "-e", argv[i], NULL}, at, n);
		bench_peer((const char *[]){"llvm-symbolizer", object, NULL}, at, n);
	}
	return 0;
}
