#include "capture/stops.h"

#include "base/clock.h"

enum {
	MAX_TRIES = 4,
	MAX_LOADS = 32,	     /* of tables, for one sample */
	MAX_THREADS = 16384, /* that something is remembered of */
	LIVE = 1,	     /* of what is remembered: the copy does not do */
};

void stops_init(struct stops *s, const char *cache)
{
	*s = (struct stops){};
	natives_init(&s->natives, NULL, cache);
}

void stops_fini(struct stops *s)
{
	natives_fini(&s->natives);
	thread_copy_fini(&s->copy);
	map64_fini(&s->threads);
}

/* One thread on its way. */
struct taking {
	struct stops *stops;
	struct target *target;
	pid_t tid;
	enum thread_stop_way way;
	struct memory memory;
	uint64_t end; /* of its stack, as far as it was needed the last time; 0: not known */
	bool live;    /* it is walked while it stands still */
	stops_read *read;
	void *arg;
	struct native_stack stack;
};

static void remember(struct taking *k)
{
	struct map64 *threads = &k->stops->threads;
	uint64_t end = thread_copy_end(&k->stops->copy, k->stops->natives.replay);
	const struct unwind_region *copied = &k->stops->copy.region;
	/* Where the copy reached as far, it was other memory that was missing. */
	bool live = k->live && (!end || end - copied->address <= copied->bytes);

	if (threads->len >= MAX_THREADS)
		map64_fini(threads);
	map64_set(threads, (uint64_t)k->tid, (end & ~7ULL) | (live ? LIVE : 0));
}

static void recall(struct taking *k)
{
	const uint64_t *known = map64_get(&k->stops->threads, (uint64_t)k->tid);

	k->end = known ? *known & ~7ULL : 0;
	k->live = known && (*known & LIVE);
}

static void count(struct stops_stats *c, const struct thread_stop *stop)
{
	int64_t took = clock_mono_ns() - stop->since_ns;

	if (!stop->traced) {
		c->waited++;
		return;
	}
	c->stopped++;
	c->took_us[MIN(took / 1000, (int64_t)STOPS_LONG_US)]++;
	c->max_ns = MAX(c->max_ns, took);
}

/* Copy what is needed; as thread_stop_begin and thread_stop_end. */
static int copy(struct taking *k)
{
	struct stops *s = k->stops;
	struct thread_registers registers;
	struct thread_stop stop;
	int code = thread_stop_begin(&stop, k->target->process.pid, k->tid, k->way, &registers);

	if (code)
		return code;
	thread_copy_take(&s->copy, &k->memory, &registers, k->end);
	k->read(k->arg);
	if (k->live)
		natives_walk_still(&s->natives, &s->copy, &k->memory, k->target, &k->stack);
	code = thread_stop_end(&stop);
	count(&s->stats, &stop);
	return code;
}

/* Is a walk that ended so worth another try, and how? */
static bool try_otherwise(struct taking *k)
{
	switch (k->stack.end) {
	case UNWIND_NATIVE_UNREAD:
		if (k->live)
			return false;
		return k->live = true;
	case UNWIND_NATIVE_LOST:
	case UNWIND_NATIVE_BAD_FP:
		if (!k->stops->copy.registers.only_stack)
			return false;
		k->way = THREAD_STOP_TRACE;
		return true;
	default:
		return false;
	}
}

/* Where a thread runs something is mapped: if nothing is known there, what is known is old. */
static void walk(struct taking *k, int64_t now_ns, bool *ret_changed)
{
	struct stops *s = k->stops;

	if (!process_find_mapping(&k->target->process, s->copy.registers.pc))
		k->target->next_refresh_ns = 0;
	natives_walk_copy(&s->natives, &s->copy, NULL, k->target, now_ns, &k->stack, ret_changed);
}

/* Walk, or have what is missing for a walk the next time that it stands still. True: it did. */
static bool walk_or_load(struct taking *k, int *loads, int64_t now_ns, bool *ret_changed)
{
	if (k->live && *loads < MAX_LOADS &&
	    natives_load(&k->stops->natives, k->target, now_ns, ret_changed)) {
		++*loads;
		return false;
	}
	if (!k->live)
		walk(k, now_ns, ret_changed);
	return true;
}

static int take(struct taking *k, int64_t now_ns, bool *ret_changed)
{
	int code = 0, loads = 0;
	bool have = false;

	natives_publish(&k->stops->natives, k->target, now_ns);
	for (int i = 0; i < MAX_TRIES + loads; i++) {
		code = copy(k);
		if (code == -EAGAIN && k->way == THREAD_STOP_ANY) {
			/* It went on: what was read is of no moment. */
			k->way = i + 2 >= MAX_TRIES ? THREAD_STOP_TRACE : THREAD_STOP_ANY;
			continue;
		}
		/* The walk before was good as far as it went. */
		if (code)
			return have && code == -EAGAIN ? 0 : code;
		have = true;
		if (walk_or_load(k, &loads, now_ns, ret_changed) && !try_otherwise(k))
			break;
	}
	return have ? 0 : code;
}

int stops_take(struct stops *s, struct target *t, pid_t tid, int64_t now_ns, stops_read *read,
	       void *arg, struct native_stack *ret, bool *ret_changed)
{
	struct taking k = {
		.stops = s,
		.target = t,
		.tid = tid,
		.memory = memory_of_process(process_tid(&t->process)),
		.read = read,
		.arg = arg,
	};
	int code;

	recall(&k);
	code = take(&k, now_ns, ret_changed);
	if (code) {
		s->stats.failed += code != -ESRCH;
		read(arg);
		k.stack = (struct native_stack){.end = UNWIND_NATIVE_UNREAD};
	} else {
		remember(&k);
	}
	*ret = k.stack;
	return code;
}

int64_t stops_median_ns(const struct stops *s)
{
	uint64_t seen = 0;
	int64_t us = 0;

	for (; us < STOPS_LONG_US; us++) {
		seen += s->stats.took_us[us];
		if (seen > s->stats.stopped / 2)
			break;
	}
	return us * 1000;
}

void stops_tick(struct stops *s, int64_t now_ns)
{
	thread_stop_sweep();
	natives_tick(&s->natives, now_ns);
}
