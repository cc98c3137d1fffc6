#include "cmd/timing.h"

#include <math.h>

#include "cmd/table.h"

/* ---- what is not known ---- */

static const char *amount(struct arena *a, int64_t v, const char *unit)
{
	cleanup_buf struct buf b = {};

	amount_put(&b, v, unit);
	return arena_strdup(a, buf_cstr(&b));
}

/* Nobody could wait for it who was waited for. */
static bool outlived_parent(const struct family *f, const struct family_member *m)
{
	const struct family_member *parent =
		m->parent == FAMILY_NOBODY ? NULL : &f->members.data[m->parent];

	return m->alive || (parent && parent->end_ns && m->end_ns > parent->end_ns);
}

static void unknown_processes(const struct timed_command *c, struct arena *a, sentences *ret)
{
	const struct family *f = &c->family;
	int64_t orphans_ns = 0;
	size_t alive = 0;

	for (size_t i = 1; i < f->members.len; i++) {
		const struct family_member *m = &f->members.data[i];

		orphans_ns += outlived_parent(f, m) ? m->cpu_ns : 0;
		alive += m->alive > 0;
	}
	if (f->lost || f->dropped)
		vec_push(ret, arena_printf(a,
					   "%llu records of processes had no room: the tree is "
					   "not whole",
					   (unsigned long long)(f->lost + f->dropped)));
	if (f->accounts_lost)
		vec_push(ret, "too many processes ended on this machine to be told of all: some "
			      "have no memory and waits");
	if (alive)
		vec_push(ret, arena_printf(a,
					   "%zu process%s still run%s: in the tree until the "
					   "command ended",
					   alive, alive == 1 ? "" : "es", alive == 1 ? "s" : ""));
	if (orphans_ns > NSEC_PER_SEC / 1000)
		vec_push(ret, arena_printf(a,
					   "%s of CPU time in processes that outlived their "
					   "parent: in the tree, not under CPU",
					   amount(a, orphans_ns, "nanoseconds")));
}

static void unknown_of_run(const struct timing *t, struct arena *a, sentences *ret)
{
	const struct timed_command *c = &t->commands[0];
	const struct run *r = &c->runs.data[0];

	if (t->followed)
		unknown_processes(c, a, ret);
	else if (t->unfollowed.code)
		vec_push(ret,
			 arena_printf(a, "its processes were not followed: %s", t->unfollowed.msg));
	if (r->main_cpu_ns < 0)
		vec_push(ret, "what it waited for is not kept by this kernel");
	else if (r->disk_ns < 0)
		vec_push(ret, "disk waits are not told apart: as root, sysctl "
			      "kernel.task_delayacct=1 keeps them");
	if (r->read_bytes < 0)
		vec_push(ret, "bytes read and written are not kept by this kernel");
	if (r->peak_at_most)
		vec_push(ret, "its peak of memory may be lower: a process has so much before it "
			      "becomes the command");
	if (r->end_rss < 0)
		vec_push(ret, "memory at its end was not seen: it ended too soon");
}

void timing_unknown(const struct timing *t, struct arena *a, sentences *ret)
{
	if (t->n == 1 && t->wanted == 1 && t->commands[0].runs.len)
		unknown_of_run(t, a, ret);
}

/* ---- what speaks against trusting it ---- */

static void doubt_load(const struct timing *t, struct arena *a, sentences *ret)
{
	if (t->other_cpus > 0.1 * t->cpus)
		vec_push(ret, arena_printf(a, "other programs kept %.1f of %u CPUs busy meanwhile",
					   t->other_cpus, t->cpus));
	if (t->slowest_hz > 0 && t->fastest_hz > 1.05 * t->slowest_hz)
		vec_push(ret, arena_printf(a, "the CPUs changed their frequency, %.2f to %.2f GHz",
					   t->slowest_hz / 1e9, t->fastest_hz / 1e9));
}

static void doubt_queue(const struct timed_command *c, const char *name, struct arena *a,
			sentences *ret)
{
	double wall = 0, queue = 0;

	for (size_t i = 0; i < c->runs.len; i++) {
		wall += (double)c->runs.data[i].wall_ns;
		queue += (double)MAX(c->runs.data[i].run_queue_ns, 0);
	}
	if (queue > 0.05 * wall)
		vec_push(ret, arena_printf(a, "%s waited %.0f %% of its time for a free CPU", name,
					   100 * queue / wall));
}

/* The first run alone is off: a cache was cold. */
static void doubt_first(const struct timed_command *c, const char *name, struct arena *a,
			sentences *ret)
{
	struct timed_command rest = {.runs = {c->runs.data + 1, c->runs.len - 1, 0}};
	struct statistics s;

	if (!measure_statistics(measure_find("wall"), &rest, &s))
		return;
	double first = (double)c->runs.data[0].wall_ns;

	if (first > statistics_fences(&s).high && first > 1.1 * s.median)
		vec_push(ret, arena_printf(a,
					   "the first run of %s took %.1f times as long as the "
					   "others: more --warmup leaves it out",
					   name, first / s.median));
	statistics_fini(&s);
}

/* Later runs against earlier ones. */
static void doubt_drift(const struct timed_command *c, const char *name, struct arena *a,
			sentences *ret)
{
	size_t half = c->runs.len / 2;
	struct timed_command early = {.runs = {c->runs.data, half, 0}};
	struct timed_command late = {.runs = {c->runs.data + half, c->runs.len - half, 0}};
	struct timing strict = {.n = 6}; /* a doubt in a hundred would be none */
	struct comparison d;

	if (timing_compare(&strict, measure_find("wall"), &early, &late, &d) && d.different &&
	    fabs(d.ratio - 1) > 0.02)
		vec_push(ret, arena_printf(a,
					   "%s became %s while it was measured: the later half "
					   "took %+.0f %%",
					   name, d.ratio > 1 ? "slower" : "faster",
					   100 * (d.ratio - 1)));
}

static void doubt_scatter(const struct timed_command *c, const char *name, struct arena *a,
			  sentences *ret)
{
	struct statistics s;
	struct interval in;

	if (!measure_statistics(measure_find("wall"), c, &s))
		return;
	struct outliers o = statistics_outliers(&s);
	bool known = statistics_median_interval(&s, 0.95, &in);
	double half = 50 * (in.high - in.low) / s.median;

	if (!known)
		vec_push(ret, arena_printf(a,
					   "%zu run%s of %s are too few to say how far the median "
					   "can be trusted: -n 6 or more",
					   s.n, s.n == 1 ? "" : "s", name));
	else if (half > 5)
		vec_push(ret, arena_printf(a,
					   "the wall clock of %s is too noisy to trust: its median "
					   "is known to %.0f %% only",
					   name, half));
	if (known && (o.low || o.high))
		vec_push(ret, arena_printf(a, "%zu of %zu runs of %s lie far off the others",
					   o.low + o.high, s.n, name));
	statistics_fini(&s);
}

void timing_doubts(const struct timing *t, struct arena *a, sentences *ret)
{
	if (t->wanted == 1)
		return;
	for (size_t i = 0; i < t->n; i++) {
		const struct timed_command *c = &t->commands[i];
		const char *name = timing_name(c, a);

		if (!c->runs.len)
			continue;
		doubt_scatter(c, name, a, ret);
		doubt_queue(c, name, a, ret);
		if (c->runs.len < MEASURED_BY_SEVERAL)
			continue;
		doubt_first(c, name, a, ret);
		doubt_drift(c, name, a, ret);
	}
	doubt_load(t, a, ret);
}
