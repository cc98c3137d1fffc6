/* How fast formats are read and written: prints MB/s of one core. Not part of the tests.
 *
 *	bench_format [SECONDS_PER_CASE [CASE|all [FILE]]]
 *
 * FILE: a recording (glim record -a -o x.pb.gz) in place of the made one. */
#include <math.h>

#include "base/clock.h"
#include "base/io.h"
#include "format/otlp.h"

/* A made machine: processes with threads, deep Python over native over kernel stacks that share
 * their callers, and leaves that differ, as a window of 10 s at 100 Hz on 32 CPUs would have. */
enum { SAMPLES = 32000, FUNCTIONS = 6000, PROCESSES = 120, THREADS = 8, DEPTH = 45 };

static uint64_t random_state = 0x1234567;

static uint32_t random_below(uint32_t n)
{
	random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)((random_state >> 33) % n);
}

static uint32_t made_frame(struct profile *p, uint32_t i)
{
	static const char *const files[] = {
		"/usr/lib/python3/dist-packages/django/core/handlers/%u.py",
		"/srv/shop/views/module_%u.py"};
	char name[96], file[128];
	struct profile_function f = {.kind = i % 3 ? FRAME_NATIVE : FRAME_PYTHON};

	snprintf(name, sizeof(name), "_ZN4shop7service%uE_function_with_a_long_name_%u", i % 97, i);
	snprintf(file, sizeof(file), files[i % 2], i % 300);
	f.name = profile_string(p, name);
	if (f.kind == FRAME_PYTHON)
		f.file = profile_string(p, file);
	else
		f.module = profile_string(p, i % 2 ? "libpython3.11.so.1.0" : "libc.so.6");
	struct profile_frame frame = {.function = profile_function(p, &f),
				      .line = f.file ? 10 + i % 7 + random_below(2) : 0};

	return profile_frame(p, &frame);
}

static uint32_t made_labels(struct profile *p)
{
	char process[32], pid[32], thread[32], tid[32];
	uint32_t a = random_below(PROCESSES), b = random_below(THREADS);

	snprintf(process, sizeof(process), "process-%u", a % 20);
	snprintf(pid, sizeof(pid), "%u", 1000 + a);
	snprintf(thread, sizeof(thread), "worker-%u", b);
	snprintf(tid, sizeof(tid), "%u", 100000 + a * 100 + b);
	const struct profile_label l[] = {
		{profile_string(p, "process"), profile_string(p, process)},
		{profile_string(p, "pid"), profile_string(p, pid)},
		{profile_string(p, "thread"), profile_string(p, thread)},
		{profile_string(p, "tid"), profile_string(p, tid)},
		{profile_string(p, "outcome"), profile_string(p, "complete")},
	};

	return profile_labels(p, l, ARRAY_SIZE(l));
}

static struct profile *made_profile(void)
{
	struct profile *p = profile_new("cpu", "nanoseconds", 10000000);

	for (uint32_t i = 0; i < SAMPLES; i++) {
		uint32_t stack = 0, kin = random_below(400), depth = 25 + random_below(DEPTH - 24);

		for (uint32_t d = 0; d < depth; d++) {
			/* A program's outer frames are the same; choices are made further in. */
			uint32_t choice = d > 18 && !random_below(4) ? random_below(3) : 0;

			stack = profile_stack(
				p, stack, made_frame(p, (kin * 13 + d * 31 + choice) % FUNCTIONS));
		}
		profile_add(p, stack, made_labels(p), 1, 10000000);
	}
	return p;
}

static double seconds_a_case = 2;
static const char *only;

struct bench {
	const struct profile *p;
	struct buf otlp, pprof, folded;
};

typedef size_t bench_fn(struct bench *b);

static void run(const char *name, struct bench *b, bench_fn *fn)
{
	int64_t start = clock_cpu_ns(), now = start;
	size_t bytes = 0;

	if (only && strcmp(only, name))
		return;
	while ((double)(now - start) < seconds_a_case * 1e9) {
		bytes += fn(b);
		now = clock_cpu_ns();
	}
	printf("%-14s %8.1f MB/s\n", name, (double)bytes / 1e6 / ((double)(now - start) / 1e9));
}

static const struct otlp_resource resource = {.service = "bench", .host = "host-1"};

static size_t otlp_write(struct bench *b)
{
	b->otlp.len = 0;
	CHECK(otlp_write_profiles(&resource, &b->p, 1, &b->otlp, NULL) == 0);
	return b->otlp.len;
}

static size_t otlp_read(struct bench *b)
{
	struct otlp_profiles v;

	CHECK(otlp_read_profiles(b->otlp.data, b->otlp.len, &v, NULL) == 0);
	otlp_profiles_fini(&v);
	return b->otlp.len;
}

static size_t pprof_write(struct bench *b)
{
	b->pprof.len = 0;
	CHECK(format_pprof.write(b->p, &b->pprof, NULL) == 0);
	return b->pprof.len;
}

static size_t pprof_read(struct bench *b)
{
	cleanup(profile_vec_fini) profile_vec v = {};

	CHECK(format_pprof.read(b->pprof.data, b->pprof.len, &v, NULL) == 0);
	return b->pprof.len;
}

static size_t folded_write(struct bench *b)
{
	b->folded.len = 0;
	CHECK(format_folded.write(b->p, &b->folded, NULL) == 0);
	return b->folded.len;
}

static size_t folded_read(struct bench *b)
{
	cleanup(profile_vec_fini) profile_vec v = {};

	CHECK(format_folded.read(b->folded.data, b->folded.len, &v, NULL) == 0);
	return b->folded.len;
}

static struct profile *file_profile(const char *path)
{
	cleanup(profile_vec_fini) profile_vec v = {};
	cleanup_buf struct buf b = {};
	struct err e = {};

	CHECK(io_read_file(path, 1 << 30, &b) == 0);
	const struct format *f = format_detect(b.data, b.len);

	if (!f || f->read(b.data, b.len, &v, &e) < 0) {
		fprintf(stderr, "bench_format: %s: %s\n", path, f ? e.msg : "no known format");
		exit(1);
	}
	return take_ptr(v.data[0]);
}

int main(int argc, char **argv)
{
	cleanup_profile struct profile *p = argc > 3 ? file_profile(argv[3]) : made_profile();
	struct bench b = {.p = p};

	if (argc > 1)
		seconds_a_case = fmax(0.01, atof(argv[1]));
	if (argc > 2 && strcmp(argv[2], "all"))
		only = argv[2];
	otlp_write(&b);
	pprof_write(&b);
	folded_write(&b);
	printf("%zu samples, %zu stacks, %zu frames; otlp %zu, pprof (gzip) %zu, folded %zu "
	       "bytes\n",
	       p->samples.len, p->stacks.len, p->frames.len, b.otlp.len, b.pprof.len, b.folded.len);
	run("otlp write", &b, otlp_write);
	run("otlp read", &b, otlp_read);
	run("pprof write", &b, pprof_write);
	run("pprof read", &b, pprof_read);
	run("folded write", &b, folded_write);
	run("folded read", &b, folded_read);
	buf_fini(&b.otlp);
	buf_fini(&b.pprof);
	buf_fini(&b.folded);
	return 0;
}
