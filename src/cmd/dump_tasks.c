/* Tasks of asyncio, for glim dump. */
#include "cmd/dump.h"

#include "unwind/python/asyncio.h"
#include "unwind/python/coroutine.h"

enum { MAX_FRAMES = 512 };

/* The frames of a coroutine and of all that it awaits, innermost first. */
static void read_stack(struct dump *d, uint64_t coroutine, struct dump_stack *s)
{
	static struct python_coroutine_frame frames[MAX_FRAMES];
	uint64_t awaited;
	int n = python_coroutine_frames(&d->objects, &d->python.process.layout, coroutine, frames,
					MAX_FRAMES, &awaited);

	for (int i = n; i-- > 0;) {
		struct dump_frame f = {.address = frames[i].address,
				       .code = frames[i].entry.address};

		dump_read_code(d, &frames[i].entry, &f);
		vec_push(&s->frames, f);
	}
	s->end = n == MAX_FRAMES ? UNWIND_PYTHON_DEEP : UNWIND_PYTHON_COMPLETE;
}

/* "Future", or the name of a task. */
static const char *waits_for(struct dump *d, const struct python_tasks *all,
			     const struct python_task *t)
{
	struct python_object object;

	for (size_t i = 0; i < all->all.len; i++)
		if (all->all.data[i].address == t->waits_for)
			return arena_printf(&d->arena, "task \"%s\"", all->all.data[i].name);
	if (python_object_read(&d->objects, t->waits_for, &object))
		return "something unreadable";
	if (!strcmp(object.name, "_GatheringFuture"))
		return "gather";
	return arena_strdup(&d->arena, object.name);
}

void dump_read_tasks(struct dump *d, uint64_t interpreter)
{
	cleanup(python_tasks_fini) struct python_tasks all = {};
	int r = python_tasks_read(&all, &d->objects, &d->python.process.layout, interpreter);

	d->tasks_unknown |= r == -ENOTSUP;
	if (r < 0)
		return;
	d->tasks_cut |= all.cut;
	for (size_t i = 0; i < all.all.len; i++) {
		const struct python_task *from = &all.all.data[i];
		struct dump_task t = {
			.name = arena_strdup(&d->arena, from->name),
			.address = from->address,
			.loop = from->loop,
			.thread = python_loop_thread(&d->objects, from->loop),
			.awaited_by = from->awaited_by,
			.running = from->running,
		};

		if (!t.running) {
			if (from->waits_for)
				t.waits_for = waits_for(d, &all, from);
			read_stack(d, from->coroutine, &t.stack);
			if (d->options.locals)
				dump_read_locals(d, &t.stack);
		}
		vec_push(&d->tasks, t);
	}
}

/* ---- their order ---- */

static int by_name(const void *a, const void *b)
{
	const struct dump_task *x = a, *y = b;

	return strverscmp(x->name, y->name);
}

/* Tasks in the order of a walk through the tree of who awaits whom. */
struct order {
	struct dump_task *from;
	size_t n;
	bool *placed;
	struct dump_task *to;
	size_t len;
};

/* Place a task and all that it awaits; an own list, since chains may be long. */
static void place(struct order *o, size_t i, bool in_circle)
{
	size_t first = o->len;

	o->placed[i] = true;
	o->from[i].in_circle = in_circle;
	o->to[o->len++] = o->from[i];
	for (size_t at = first; at < o->len; at++) {
		size_t added = 0;

		for (size_t k = 0; k < o->n; k++) {
			if (o->placed[k] || o->from[k].awaited_by != o->to[at].address)
				continue;
			o->placed[k] = true;
			o->from[k].depth = o->to[at].depth + 1;
			o->from[k].in_circle = in_circle;
			added++;
			/* Behind its awaiter, before those that come after that. */
			memmove(&o->to[at + added + 1], &o->to[at + added],
				(o->len - at - added) * sizeof(o->to[0]));
			o->to[at + added] = o->from[k];
			o->len++;
		}
	}
}

void dump_sort_tasks(struct dump *d)
{
	struct order o = {.from = d->tasks.data, .n = d->tasks.len};

	if (!o.n)
		return;
	qsort(d->tasks.data, d->tasks.len, sizeof(d->tasks.data[0]), by_name);
	cleanup_free bool *placed = mem_calloc(o.n, sizeof(*placed));
	cleanup_free struct dump_task *to = mem_calloc(o.n, sizeof(*to));

	o.placed = placed;
	o.to = to;
	for (size_t i = 0; i < o.n; i++)
		if (!o.from[i].awaited_by)
			place(&o, i, false);
	/* What no tree has is in a circle, or is awaited by one. */
	for (size_t i = 0; i < o.n; i++)
		if (!o.placed[i])
			place(&o, i, true);
	memcpy(d->tasks.data, to, o.n * sizeof(*to));
}
