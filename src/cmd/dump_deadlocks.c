/* Threads that wait for each other's locks, for glim dump. */
#include "cmd/dump.h"

#include "process/activity.h"

const struct dump_thread *dump_thread_of(const struct dump *d, uint64_t id)
{
	for (size_t i = 0; id && i < d->threads.len; i++)
		if (d->threads.data[i].id == id)
			return &d->threads.data[i];
	return NULL;
}

/* The thread that this one waits for, or NULL. */
static const struct dump_thread *holder(const struct dump *d, const struct dump_thread *t)
{
	return t->lock.address ? dump_thread_of(d, t->lock.owner) : NULL;
}

/* Threads were looked at one after the other: a circle is believed when all wait still. */
static bool waits_still(const struct dump *d, const struct dump_thread *t)
{
	const struct dump_frame *leaf = &t->stack.frames.data[0];
	struct python_lock lock = {};
	struct activity a;

	return !activity_read(d->pid, t->tid, &a) &&
	       !python_lock_waited(&d->objects, leaf->address, leaf->code, activity_futex(&a),
				   &lock) &&
	       lock.address == t->lock.address && lock.owner == t->lock.owner;
}

static bool is_still(const struct dump *d, const struct dump_deadlock *circle)
{
	for (size_t i = 0; i < circle->threads.len; i++)
		if (!waits_still(d, circle->threads.data[i]))
			return false;
	return true;
}

/* The circle that starts with this thread and comes back to it, when it is the first of it. */
static void find_circle(struct dump *d, const struct dump_thread *first)
{
	struct dump_deadlock circle = {};
	const struct dump_thread *t = first;

	/* Each waits for one other at most: a circle has no more steps than there are threads. */
	for (size_t i = 0; t && t >= first && i < d->threads.len; i++) {
		vec_push(&circle.threads, t);
		t = holder(d, t);
		if (t == first && is_still(d, &circle)) {
			vec_push(&d->deadlocks, circle);
			return;
		}
	}
	vec_fini(&circle.threads);
}

void dump_find_deadlocks(struct dump *d)
{
	for (size_t i = 0; i < d->threads.len; i++)
		find_circle(d, &d->threads.data[i]);
}
