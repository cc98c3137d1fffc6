#include "cmd/timeit.h"

#include <math.h>

enum {
	LAP_NS = 200000,
	MAX_LAPS = 2500, /* of a repeat */
	SLICES = 10,	 /* turns of a repeat */
	MEMORY_LOOPS = 100,
	WARM_UP_NS = 10000000,
	SLOW_NS = 100000000, /* a loop of this length needs no other process, nor a warm one */
};

/* What a case does in one repeat. */
struct plan {
	uint64_t laps;
	uint64_t done; /* laps */
	uint64_t warm; /* laps before the first, not counted */
};

/* ---- laps ---- */

static void plan_laps(const struct timeit_case *c, bool cold, struct plan *ret)
{
	struct plan p = {.laps = 1};

	if (c->loop_ns > 0) {
		double laps = c->loop_ns * (double)c->loops / LAP_NS;

		p.laps = (uint64_t)MIN(MAX(laps, 1), MAX_LAPS);
		p.laps = MIN(p.laps, c->loops);
		double lap_ns = c->loop_ns * (double)c->loops / (double)p.laps;

		if (cold)
			p.warm = (uint64_t)MAX(WARM_UP_NS / lap_ns, 1);
	}
	*ret = p;
}

/* The loops of all laps together are exactly those of the case. */
static uint64_t loops_of(const struct timeit_case *c, const struct plan *p, uint64_t lap)
{
	return c->loops / p->laps + (lap < c->loops % p->laps);
}

/* Its laps of this slice. */
static int take_slice(struct timeit_case *c, struct plan *p, unsigned int slice, struct err *e)
{
	uint64_t end = p->laps * (slice + 1) / SLICES;
	VEC(uint64_t) loops = {};
	size_t before = c->laps.len;
	double setup = 0;
	int code = 0;

	if (!slice)
		for (uint64_t i = 0; i < p->warm; i++)
			vec_push(&loops, loops_of(c, p, p->laps - 1));
	for (uint64_t i = p->done; i < end; i++)
		vec_push(&loops, loops_of(c, p, i));
	/* The first begins the run also where it has no lap, so that no setup comes between laps.
	 */
	if (loops.len || !slice)
		code = worker_laps(&c->worker, !slice, loops.data, loops.len, &c->laps, &c->empty,
				   &setup, e);
	vec_fini(&loops);
	if (code)
		return code;
	if (!slice) {
		c->setup = setup;
		memmove(c->laps.data + before, c->laps.data + before + p->warm,
			(c->laps.len - before - p->warm) * sizeof(*c->laps.data));
		c->laps.len -= p->warm;
	}
	p->done = end;
	return 0;
}

/* ---- processes ---- */

static void close_case(struct timeit_case *c)
{
	if (c->open)
		worker_close(&c->worker);
	c->open = false;
}

static int open_case(struct timeit *t, struct timeit_case *c, unsigned int seed, struct err *e)
{
	int code;

	close_case(c);
	c->config = t->config;
	/* What is on PATH may be a script that takes its time to find out which one to start. */
	c->config.python = *c->executable ? c->executable : c->python;
	c->config.seed = seed;
	code = worker_open(&c->config, t->setup, c->statement, &c->worker, e);
	if (code)
		return code;
	c->open = true;
	memcpy(c->name, c->worker.name, sizeof(c->name));
	memcpy(c->version, c->worker.version, sizeof(c->version));
	memcpy(c->executable, c->worker.executable, sizeof(c->executable));
	return 0;
}

/* How many loops a repeat has, if nobody said. A lap that was timed for it is a warm one. */
static int calibrate(const struct timeit *t, struct timeit_case *c, struct err *e)
{
	struct timeit_lap lap;
	int code;

	if (t->loops) {
		c->loops = t->loops;
		return 0;
	}
	code = worker_calibrate(&c->worker, t->clock == TIMEIT_CPU, &lap, &c->setup, e);
	if (code)
		return code;
	c->loops = lap.loops;
	c->loop_ns = (double)lap.wall / (double)lap.loops;
	return 0;
}

/* A process for this repeat: a fresh one at the beginning of each part of the repeats. */
static int prepare(struct timeit *t, struct timeit_case *c, unsigned int repeat, struct plan *ret_p,
		   struct err *e)
{
	unsigned int parts = MIN(t->repeats, TIMEIT_PARTS);
	unsigned int part = (unsigned int)((uint64_t)repeat * parts / t->repeats);
	bool first = !c->loops, cold = false;
	int code = 0;

	if (!c->open || (part != c->part && c->loop_ns < SLOW_NS)) {
		code = open_case(t, c, part, e);
		c->processes++;
		cold = !first && !t->loops;
	}
	c->part = part;
	if (!code && first)
		code = calibrate(t, c, e);
	if (!code)
		plan_laps(c, cold, ret_p);
	return code;
}

/* ---- repeats ---- */

/* What is known of a loop's time after a repeat, where it was not calibrated. */
static void learn(struct timeit_case *c, const struct timeit_repeat *r)
{
	double ns = 0, loops = 0;

	for (size_t i = r->first; i < r->first + r->n; i++) {
		ns += (double)c->laps.data[i].wall;
		loops += (double)c->laps.data[i].loops;
	}
	if (!(c->loop_ns > 0) && loops > 0)
		c->loop_ns = MAX(ns / loops, 0.1);
}

/* A repeat that did not come to its end is left out, but the first, of which something is known. */
static void keep_repeat(struct timeit_case *c, size_t first, bool complete)
{
	struct timeit_repeat r = {first, c->laps.len - first, c->part};

	if (r.n && (complete || !c->repeats.len)) {
		vec_push(&c->repeats, r);
		learn(c, &r);
	} else {
		c->laps.len = first;
	}
}

static int turns(struct timeit *t, struct plan *plans, unsigned int repeat, struct err *e)
{
	size_t n = t->cases.len;
	int code = 0;

	for (unsigned int slice = 0; slice < SLICES && !code; slice++) {
		for (size_t k = 0; k < n && !code; k++) {
			size_t i = (slice + repeat) % 2 ? n - 1 - k : k;

			code = take_slice(&t->cases.data[i], &plans[i], slice, e);
		}
		if (t->progress)
			t->progress(t->arg, (repeat + (slice + 1.0) / SLICES) / t->repeats);
	}
	for (size_t i = 0; i < n && !code; i++)
		code = worker_end_run(&t->cases.data[i].worker, e);
	return code;
}

static int measure_repeat(struct timeit *t, unsigned int repeat, struct err *e)
{
	size_t n = t->cases.len;
	cleanup_free struct plan *plans = mem_calloc(n, sizeof(*plans));
	cleanup_free size_t *firsts = mem_calloc(n, sizeof(*firsts));
	int code = 0;

	for (size_t i = 0; i < n && !code; i++) {
		firsts[i] = t->cases.data[i].laps.len;
		code = prepare(t, &t->cases.data[i], repeat, &plans[i], e);
	}
	if (code)
		return code;
	code = turns(t, plans, repeat, e);
	for (size_t i = 0; i < n; i++)
		keep_repeat(&t->cases.data[i], firsts[i], !code);
	return code;
}

/* In a process of its own, so that what counts memory disturbs no time; the last process of a slow
 * statement is good enough, as no time comes after it. */
static int measure_memory(struct timeit *t, struct timeit_case *c, struct err *e)
{
	int code = 0;

	if (!c->open || c->loop_ns < SLOW_NS)
		code = open_case(t, c, 0, e);
	return code ? code : worker_memory(&c->worker, MIN(c->loops, MEMORY_LOOPS), &c->memory, e);
}

int timeit_measure(struct timeit *t, struct err *e)
{
	int code = 0;

	for (unsigned int r = 0; r < t->repeats && !code; r++)
		code = measure_repeat(t, r, e);
	for (size_t i = 0; i < t->cases.len && t->memory && !code; i++)
		code = measure_memory(t, &t->cases.data[i], e);
	for (size_t i = 0; i < t->cases.len; i++)
		close_case(&t->cases.data[i]);
	t->interrupted = code == -EINTR;
	return code;
}

void timeit_fini(struct timeit *t)
{
	for (size_t i = 0; i < t->cases.len; i++) {
		struct timeit_case *c = &t->cases.data[i];

		vec_fini(&c->laps);
		vec_fini(&c->empty);
		vec_fini(&c->repeats);
	}
	vec_fini(&t->cases);
}
