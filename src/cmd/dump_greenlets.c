/* Greenlets, for glim dump. */
#include "cmd/dump.h"

enum { MAX_FRAMES = 512 };

static void read_stack(struct dump *d, uint64_t greenlet, struct dump_stack *s)
{
	static struct python_coroutine_frame frames[MAX_FRAMES];
	int n = python_greenlet_frames(&d->objects, &d->python, greenlet, frames, MAX_FRAMES,
				       &s->end);

	if (n < 0)
		s->end = n == -EAGAIN ? UNWIND_PYTHON_TORN : UNWIND_PYTHON_UNREAD;
	for (int i = 0; i < n; i++) {
		struct dump_frame f = {.address = frames[i].address,
				       .code = frames[i].entry.address};

		dump_read_code(d, &frames[i].entry, &f);
		vec_push(&s->frames, f);
	}
	if (d->options.locals)
		dump_read_locals(d, s);
}

/* The thread whose native stack has this address: glibc keeps what pthread_self points at above the
 * stack of a thread that it makes. The main thread's is above all others. */
static uint64_t thread_above(const struct dump *d, uint64_t stack)
{
	uint64_t found = 0;

	for (size_t i = 0; i < d->threads.len; i++) {
		uint64_t id = d->threads.data[i].id;

		if (id > stack && (!found || id < found))
			found = id;
	}
	for (size_t i = 0; !found && i < d->threads.len; i++)
		if (d->threads.data[i].main)
			found = d->threads.data[i].id;
	return found;
}

void dump_read_greenlets(struct dump *d, uint64_t interpreter)
{
	cleanup(python_greenlets_fini) struct python_greenlets all = {};

	if (python_greenlets_read(&all, &d->objects, &d->python, interpreter))
		return;
	d->greenlets_cut |= all.cut;
	d->greenlets_unknown |= all.unknown;
	for (size_t i = 0; i < all.all.len; i++) {
		const struct python_greenlet *from = &all.all.data[i];
		struct dump_greenlet g = {
			.name = arena_strdup(&d->arena, from->name),
			.address = from->address,
			.parent = from->parent,
			.main = from->main,
			.native_stack = from->stack,
			.state = from->state,
		};

		if (g.state == PYTHON_GREENLET_SUSPENDED)
			read_stack(d, g.address, &g.stack);
		vec_push(&d->greenlets, g);
	}
}

/* ---- whose they are, and their order ---- */

/* Main greenlets first: others are started by them. */
static int by_thread(const void *a, const void *b)
{
	const struct dump_greenlet *x = a, *y = b;
	bool x_is_main = x->main == x->address, y_is_main = y->main == y->address;
	int names = strverscmp(x->name, y->name);

	if (x->thread != y->thread)
		return x->thread < y->thread ? -1 : 1;
	if (x_is_main != y_is_main)
		return x_is_main ? -1 : 1;
	return names ? names : (x->address > y->address) - (x->address < y->address);
}

/* All that started in one thread have the same main greenlet; one that did not start will run in
 * the thread of its parent. */
static void place(struct dump *d, struct map64 *thread_by_greenlet)
{
	for (size_t i = 0; i < d->greenlets.len; i++) {
		struct dump_greenlet *g = &d->greenlets.data[i];

		if (g->native_stack)
			g->thread = thread_above(d, g->native_stack);
		if (g->thread && g->main)
			map64_set(thread_by_greenlet, g->main, g->thread);
	}
	for (size_t i = 0; i < d->greenlets.len; i++) {
		struct dump_greenlet *g = &d->greenlets.data[i];
		const uint64_t *thread = map64_get(thread_by_greenlet, g->main);

		if (thread)
			g->thread = *thread;
		if (g->thread)
			map64_set(thread_by_greenlet, g->address, g->thread);
	}
	for (size_t i = 0; i < d->greenlets.len; i++) {
		struct dump_greenlet *g = &d->greenlets.data[i];
		const uint64_t *thread = map64_get(thread_by_greenlet, g->parent);

		if (!g->thread && thread)
			g->thread = *thread;
	}
}

void dump_place_greenlets(struct dump *d)
{
	struct map64 thread_by_greenlet = {};
	size_t kept = 0;

	place(d, &thread_by_greenlet);
	map64_fini(&thread_by_greenlet);
	/* A main greenlet that runs is its thread. */
	for (size_t i = 0; i < d->greenlets.len; i++) {
		const struct dump_greenlet *g = &d->greenlets.data[i];

		if (g->main != g->address || g->state != PYTHON_GREENLET_RUNNING)
			d->greenlets.data[kept++] = *g;
	}
	d->greenlets.len = kept;
	if (kept)
		qsort(d->greenlets.data, kept, sizeof(d->greenlets.data[0]), by_thread);
}

const struct dump_greenlet *dump_greenlet_at(const struct dump *d, uint64_t address)
{
	for (size_t i = 0; address && i < d->greenlets.len; i++)
		if (d->greenlets.data[i].address == address)
			return &d->greenlets.data[i];
	return NULL;
}
