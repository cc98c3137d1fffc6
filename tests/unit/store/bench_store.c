/* What the SQLite store costs: `bench_store [WINDOWS [FOLDER]]`, 8,640 windows (a day) unless told.
 *
 * One host with 200 processes. Their 5,000 stacks are about 30 frames deep and share callers; some
 * are hot and most are rare. A window of 10 seconds holds 400 distinct stacks; how many cores that
 * stands for at 20 Hz follows from the number of samples drawn. Each window comes with the host's
 * and its processes' metrics. */
#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/store.h"

#define SECOND 1000000000LL
#define HOUR   (3600 * SECOND)
/* 2026-03-02 00:00:00 UTC. */
#define START (1772409600 * SECOND)

enum {
	PROCESSES = 200,
	STACKS = 5000,
	DISTINCT = 400,
	DEPTH = 30,
	FUNCTIONS = 3000,
};
static const int64_t PERIOD = 50000000;

struct stack {
	uint16_t functions[DEPTH];
	uint16_t lines[DEPTH];
	int depth, process, thread;
};
struct host {
	struct stack stacks[STACKS];
	double heat[STACKS]; /* running sum */
	double memory[PROCESSES], cpu[PROCESSES];
	uint64_t seed;
	int64_t samples;
};

static uint32_t random_below(struct host *h, uint32_t n)
{
	h->seed = h->seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)((h->seed >> 33) % n);
}

static void make_stack(struct host *h, int i)
{
	struct stack *s = &h->stacks[i];
	int shared = 0;

	s->process = i * PROCESSES / STACKS;
	s->thread = (int)random_below(h, 4);
	s->depth = DEPTH - 10 + (int)random_below(h, 11);
	/* Stacks of a process leave their common way at some depth. */
	if (i && h->stacks[i - 1].process == s->process) {
		const struct stack *before = &h->stacks[i - 1];

		shared = 5 + (int)random_below(h, 20);
		shared = MIN(shared, MIN(before->depth, s->depth) - 1);
		memcpy(s->functions, before->functions, sizeof(s->functions));
		memcpy(s->lines, before->lines, sizeof(s->lines));
	}
	for (int k = shared; k < s->depth; k++) {
		s->functions[k] = (uint16_t)random_below(h, FUNCTIONS);
		s->lines[k] = (uint16_t)random_below(h, 8);
	}
}

static struct host *make_host(void)
{
	struct host *h = mem_calloc(1, sizeof(*h));
	double sum = 0;

	h->seed = 42;
	for (int i = 0; i < STACKS; i++) {
		make_stack(h, i);
		/* Rank by lot; heat falls with the rank. */
		sum += 1 / pow(1 + random_below(h, STACKS), 0.8);
		h->heat[i] = sum;
	}
	for (int i = 0; i < PROCESSES; i++)
		h->memory[i] = 4096.0 * (1000 + random_below(h, 100000));
	return h;
}

static int draw(struct host *h)
{
	double at = h->heat[STACKS - 1] * random_below(h, 1 << 30) / (1 << 30);
	int lo = 0, hi = STACKS - 1;

	while (lo < hi) {
		int mid = (lo + hi) / 2;

		if (h->heat[mid] <= at)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static uint32_t put_stack(struct profile *p, const struct stack *s)
{
	char name[64], file[64];
	uint32_t at = 0;

	for (int k = 0; k < s->depth; k++) {
		unsigned int f = s->functions[k];

		snprintf(name, sizeof(name), "function_number_%u", f);
		snprintf(file, sizeof(file), "/usr/lib/python3/dist-packages/module_%u.py", f / 10);
		struct profile_function fn = {
			.name = profile_string(p, name),
			.file = profile_string(p, file),
			.module = profile_string(p, "python3.11"),
			.start_line = f,
			.kind = FRAME_PYTHON,
		};
		struct profile_frame fr = {
			.function = profile_function(p, &fn),
			.line = f + s->lines[k],
		};

		at = profile_stack(p, at, profile_frame(p, &fr));
	}
	return at;
}

static uint32_t put_labels(struct profile *p, const struct stack *s)
{
	char text[4][32];
	static const char *const keys[] = {"process", "pid", "thread", "host"};
	struct profile_label labels[4];

	snprintf(text[0], sizeof(text[0]), "program%d", s->process % 40);
	snprintf(text[1], sizeof(text[1]), "%d", 1000 + s->process);
	snprintf(text[2], sizeof(text[2]), "worker-%d", s->thread);
	snprintf(text[3], sizeof(text[3]), "web-1");
	for (int i = 0; i < 4; i++)
		labels[i] = (struct profile_label){profile_string(p, keys[i]),
						   profile_string(p, text[i])};
	return profile_labels(p, labels, 4);
}

static struct profile *make_window(struct host *h, int64_t time)
{
	struct profile *p = profile_new("cpu", "nanoseconds", PERIOD);

	p->time_ns = time;
	p->duration_ns = 10 * SECOND;
	for (size_t i = 0; i < sizeof(p->id); i++)
		p->id[i] = (uint8_t)random_below(h, 256);
	for (int i = 0; i < PROCESSES; i++)
		h->cpu[i] = 0;
	while (p->samples.len < DISTINCT) {
		const struct stack *s = &h->stacks[draw(h)];

		profile_add(p, put_stack(p, s), put_labels(p, s), 1, PERIOD);
		h->cpu[s->process] += 0.005;
		h->samples++;
	}
	return p;
}

struct metrics {
	struct store_label labels[PROCESSES][2];
	char pids[PROCESSES][16], programs[PROCESSES][16];
	struct store_point points[2 * PROCESSES + 8];
	size_t n;
};

static void put_point(struct metrics *m, const char *metric, const struct store_label *labels,
		      size_t nlabels, int64_t time, double value)
{
	m->points[m->n++] = (struct store_point){metric, labels, nlabels, time, 10 * SECOND, value};
}

static void make_metrics(struct host *h, int64_t time, struct metrics *m)
{
	static const struct store_label complete = {"outcome", "complete"},
					cut = {"outcome", "cut: no frame pointer"};
	double cpu = 0, memory = 0;

	m->n = 0;
	for (int i = 0; i < PROCESSES; i++) {
		snprintf(m->pids[i], sizeof(m->pids[i]), "%d", 1000 + i);
		snprintf(m->programs[i], sizeof(m->programs[i]), "program%d", i % 40);
		m->labels[i][0] = (struct store_label){"pid", m->pids[i]};
		m->labels[i][1] = (struct store_label){"process", m->programs[i]};
		/* A process that ran may have grown or shrunk. */
		if (h->cpu[i] > 0 && !random_below(h, 4))
			h->memory[i] += 4096.0 * ((int)random_below(h, 200) - 100);
		double busy = rint(h->cpu[i] * (900 + random_below(h, 200))) / 1000;

		put_point(m, "process.cpu", m->labels[i], 2, time, busy);
		put_point(m, "process.memory", m->labels[i], 2, time, h->memory[i]);
		cpu += busy;
		memory += h->memory[i];
	}
	put_point(m, "cpu", NULL, 0, time, rint(cpu * 1000) / 1000);
	put_point(m, "cpu.capacity", NULL, 0, time, 4);
	put_point(m, "memory", NULL, 0, time, memory);
	put_point(m, "memory.capacity", NULL, 0, time, 3.2e10);
	put_point(m, "samples", &complete, 1, time, 390 + random_below(h, 10));
	put_point(m, "samples", &cut, 1, time, random_below(h, 10));
	put_point(m, "lost", NULL, 0, time, 0);
}

static int64_t disk_bytes;

static int add_size(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	if (type == FTW_F)
		disk_bytes += st->st_size;
	return 0;
}

static int64_t disk_use(const char *dir)
{
	disk_bytes = 0;
	nftw(dir, add_size, 16, FTW_PHYS);
	return disk_bytes;
}

static void must(int r, const struct err *e)
{
	if (r >= 0)
		return;
	fprintf(stderr, "bench_store: %s\n", e->msg);
	exit(1);
}

static int64_t new_tenant(struct store *s)
{
	struct store_account a = {.email = "bench@example.org", .password = "-"};
	struct err e = {};
	int r = store_account_add(s, &a, false, &e);

	if (r == -EEXIST)
		r = store_account_by_email(s, a.email, &a);
	must(r, &e);
	return a.tenant;
}

struct cost {
	int64_t cpu, wall;
};
static struct cost cost_now(void)
{
	return (struct cost){clock_cpu_ns(), clock_mono_ns()};
}
static void cost_add(struct cost *sum, struct cost since)
{
	sum->cpu += clock_cpu_ns() - since.cpu;
	sum->wall += clock_mono_ns() - since.wall;
}

static void append_all(struct store *s, int64_t tenant, struct host *h, int windows, bool metrics)
{
	cleanup_free struct metrics *m = mem_calloc(1, sizeof(*m));
	struct cost append = {}, maintain = {}, at;
	struct err e = {};

	for (int i = 0; i < windows; i++) {
		int64_t time = START + i * 10 * SECOND;
		struct profile *p = make_window(h, time);
		const struct profile *list[] = {p};

		make_metrics(h, time, m);
		struct store_batch b = {.tenant = tenant,
					.service = "shop",
					.host = "web-1",
					.profiles = list,
					.nprofiles = 1,
					.points = m->points,
					.npoints = metrics ? m->n : 0};

		at = cost_now();
		must(store_append(s, &b, 1, &e), &e);
		cost_add(&append, at);
		profile_free(p);
		if (i % 6 == 5) {
			at = cost_now();
			must(store_maintain(s, time, &e), &e);
			cost_add(&maintain, at);
		}
	}
	printf("append: %.2f ms CPU, %.2f ms in all, a window\n", append.cpu / 1e6 / windows,
	       append.wall / 1e6 / windows);
	printf("background: %.2f ms CPU a window\n", maintain.cpu / 1e6 / windows);
}

static void time_query(struct store *s, int64_t tenant, int64_t end, int64_t length,
		       const char *what)
{
	struct store_query q = {.tenant = tenant,
				.service = "shop",
				.type = "cpu",
				.from = MAX(end - length - 7 * SECOND, START),
				.until = end};
	static const char *const by[] = {"process"};
	struct profile *p = NULL;
	struct err e = {};
	double covered;
	struct cost c = {}, at = cost_now();

	must(store_profile(s, &q, by, 1, &p, &covered, &e), &e);
	cost_add(&c, at);
	printf("%s: %.0f ms CPU, %.0f ms in all, %zu stacks, %lld samples, %.0f s covered\n", what,
	       c.cpu / 1e6, c.wall / 1e6, p->samples.len, (long long)profile_total_count(p),
	       covered);
	profile_free(p);
}

static void time_metric(struct store *s, int64_t tenant, int64_t end, const char *metric,
			const char *by)
{
	struct store_query q = {
		.tenant = tenant, .service = "shop", .type = "cpu", .from = START, .until = end};
	struct store_series_set set;
	struct arena a = {};
	struct err e = {};
	struct cost c = {}, at = cost_now();

	must(store_metric(s, &q, metric, by, 240 * SECOND, &a, &set, &e), &e);
	cost_add(&c, at);
	printf("%s over all: %.0f ms CPU, %.0f ms in all, %zu series of %zu steps\n", metric,
	       c.cpu / 1e6, c.wall / 1e6, set.nseries, set.nsteps);
	arena_fini(&a);
}

int main(int argc, char **argv)
{
	int windows = argc > 1 ? atoi(argv[1]) : 8640;
	bool metrics = !getenv("NO_METRICS");
	char temporary[] = "/tmp/glim-bench-XXXXXX";
	const char *dir = argc > 2 ? argv[2] : mkdtemp(temporary);
	struct host *h = make_host();
	struct store *s;
	struct err e = {};

	if (!dir || windows < 1)
		return 1;
	must(store_open_sqlite(dir, &s, &e), &e);
	int64_t tenant = new_tenant(s), end = START + windows * 10 * SECOND;

	append_all(s, tenant, h, windows, metrics);
	must(store_maintain(s, end + HOUR, &e), &e);
	store_close(s);

	double cores = (double)h->samples / windows / 200;
	double bytes = (double)disk_use(dir);

	printf("%d windows in %s, %.1f cores at 20 Hz\n", windows, dir, cores);
	printf("disk: %.0f bytes a window, %.2f MB a core and day\n", bytes / windows,
	       bytes / windows * 8640 / cores / 1e6);
	must(store_open_sqlite(dir, &s, &e), &e);
	time_query(s, tenant, end, 300 * SECOND, "5 minutes");
	time_query(s, tenant, end, HOUR, "1 hour");
	time_query(s, tenant, end, 24 * HOUR, "24 hours");
	time_query(s, tenant, end, 24 * HOUR, "24 hours again");
	time_metric(s, tenant, end, "cpu", NULL);
	time_metric(s, tenant, end, "process.cpu", "process");
	store_close(s);
	free(h);
	return 0;
}
