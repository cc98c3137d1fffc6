/* Writes what glim dump shows, for a person. */
#include "cmd/dump.h"

#include "base/utf8.h"

static void put(struct buf *out, const char *text)
{
	utf8_put_printable(out, text, strlen(text));
}

/* Of PY_VERSION_HEX; the last number is not known where it is 0 with nothing behind it. */
static void put_version(const struct dump *d, struct buf *out)
{
	uint32_t v = d->python.version;

	buf_printf(out, "Python %u.%u", v >> 24, v >> 16 & 0xff);
	if (v & 0xffff)
		buf_printf(out, ".%u", v >> 8 & 0xff);
	buf_puts(out, " (");
	put(out, d->program);
	buf_puts(out, ")\n");
}

static void put_head(const struct dump *d, struct buf *out)
{
	if (d->core)
		buf_puts(out, "Core of ");
	buf_printf(out, d->core ? "process %d" : "Process %d", (int)d->pid);
	if (d->name) {
		buf_puts(out, " \"");
		put(out, d->name);
		buf_putc(out, '"');
	}
	buf_puts(out, ": ");
	put(out, *d->command ? d->command : d->process.comm);
	buf_putc(out, '\n');
	if (d->program)
		put_version(d, out);
}

static void put_values(const struct dump_frame *f, struct buf *out)
{
	static const char *const titles[] = {
		[DUMP_ARGUMENT] = "Arguments", [DUMP_LOCAL] = "Locals", [DUMP_CELL] = "Shared"};

	for (size_t kind = 0; kind < ARRAY_SIZE(titles); kind++) {
		bool first = true;

		for (size_t i = 0; i < f->values.len; i++) {
			const struct dump_value *v = &f->values.data[i];

			if (v->kind != kind)
				continue;
			if (first)
				buf_printf(out, "        %s:\n", titles[kind]);
			first = false;
			buf_puts(out, "            ");
			put(out, v->name);
			buf_puts(out, ": ");
			put(out, v->text);
			buf_putc(out, '\n');
		}
	}
	if (f->moved)
		buf_puts(out, "        (went on while it was read)\n");
}

static void put_frame(const struct dump_frame *f, struct buf *out)
{
	if (!f->function) {
		buf_puts(out, "    (a function whose code is not readable)\n");
		return;
	}
	buf_puts(out, "    ");
	put(out, f->function);
	buf_puts(out, " (");
	put(out, f->file);
	if (f->line)
		buf_printf(out, ":%u", f->line);
	buf_puts(out, ")\n");
	if (f->source) {
		buf_puts(out, "        ");
		put(out, f->source);
		buf_puts(out, f->changed ? "    # the file was changed since\n" : "\n");
	}
	put_values(f, out);
}

static const char *end_text(uint8_t end)
{
	switch (end) {
	case UNWIND_PYTHON_NONE:
		return "(no Python frames)";
	case UNWIND_PYTHON_COMPLETE:
		return NULL;
	case UNWIND_PYTHON_DEEP:
		return "(and more frames)";
	case UNWIND_PYTHON_TORN:
		return "(inner frames changed too fast to be read)";
	default:
		return "(the rest cannot be read)";
	}
}

static void put_native(const struct dump_native_frame *f, struct buf *out)
{
	if (f->gap) {
		buf_puts(out, "    (native functions that are not known)\n");
		return;
	}
	buf_puts(out, "    ");
	put(out, f->function ? f->function : "??");
	buf_puts(out, " (");
	if (f->file)
		put(out, f->file);
	else if (f->module)
		put(out, f->module);
	if (f->file && f->line)
		buf_printf(out, ":%u", f->line);
	if (!f->function)
		buf_printf(out, "+0x%llx", (unsigned long long)f->address);
	buf_puts(out, ")\n");
}

/* The native frames before frame i of Python; `at` is the first that was not put. */
static size_t put_natives(const struct dump_stack *s, size_t i, size_t at, struct buf *out)
{
	while (at < s->natives.len && s->natives.data[at].before <= i)
		put_native(&s->natives.data[at++], out);
	return at;
}

static void put_stack(const struct dump_stack *s, struct buf *out)
{
	const char *end = end_text(s->end);
	size_t at = 0;

	if (s->end == UNWIND_PYTHON_TORN)
		buf_printf(out, "    %s\n", end);
	for (size_t i = 0; i < s->frames.len; i++) {
		at = put_natives(s, i, at, out);
		put_frame(&s->frames.data[i], out);
	}
	put_natives(s, SIZE_MAX, at, out);
	if (s->natives_failed)
		buf_printf(out, "    (native functions cannot be read: %s)\n",
			   strerror(-s->natives_failed));
	else if (s->natives_cut)
		buf_puts(out, "    (the native functions above are not known)\n");
	if (s->end == UNWIND_PYTHON_NONE && s->natives.len)
		return;
	if (end && s->end != UNWIND_PYTHON_TORN)
		buf_printf(out, "    %s\n", end);
}

/* 1234 "name" */
static void put_name(const struct dump_thread *t, struct buf *out)
{
	if (t->tid)
		buf_printf(out, "%d", (int)t->tid);
	else
		buf_printf(out, "0x%llx", (unsigned long long)t->id);
	if (*t->name) {
		buf_puts(out, " \"");
		put(out, t->name);
		buf_putc(out, '"');
	}
}

static void put_lock(const struct dump *d, const struct dump_thread *t, struct buf *out)
{
	const struct dump_thread *holder = dump_thread_of(d, t->lock.owner);

	buf_printf(out, "waits for <%s at 0x%llx>", t->lock.reentrant ? "RLock" : "lock",
		   (unsigned long long)t->lock.address);
	if (holder) {
		buf_puts(out, " held by thread ");
		put_name(holder, out);
	}
}

static void put_thread(const struct dump *d, const struct dump_thread *t, struct buf *out)
{
	buf_puts(out, "\nThread ");
	put_name(t, out);
	if (t->lock.address) {
		buf_puts(out, ": ");
		put_lock(d, t, out);
	} else if (t->wants_gil)
		buf_puts(out, ": waits for the GIL");
	else if (*t->activity)
		buf_printf(out, ": %s", t->activity);
	if (t->holds_gil)
		buf_printf(out, "%s holds the GIL", *t->activity ? "," : ":");
	buf_putc(out, '\n');
	put_stack(&t->stack, out);
}

static void put_deadlock(const struct dump *d, const struct dump_deadlock *deadlock,
			 struct buf *out)
{
	buf_puts(out, "\nDeadlock: these threads wait for each other\n");
	for (size_t i = 0; i < deadlock->threads.len; i++) {
		const struct dump_thread *t = deadlock->threads.data[i];

		buf_puts(out, "    thread ");
		put_name(t, out);
		buf_putc(out, ' ');
		put_lock(d, t, out);
		buf_putc(out, '\n');
	}
}

static const struct dump_task *task_at(const struct dump *d, uint64_t address)
{
	for (size_t i = 0; address && i < d->tasks.len; i++)
		if (d->tasks.data[i].address == address)
			return &d->tasks.data[i];
	return NULL;
}

static void put_task(const struct dump *d, const struct dump_task *t, struct buf *out)
{
	const struct dump_task *awaiter = task_at(d, t->awaited_by);
	const struct dump_thread *thread = dump_thread_of(d, t->thread);

	buf_puts(out, "\nTask \"");
	put(out, t->name);
	buf_putc(out, '"');
	if (awaiter) {
		buf_puts(out, " awaited by \"");
		put(out, awaiter->name);
		buf_putc(out, '"');
	}
	if (t->running)
		buf_puts(out, ": running");
	else if (!t->waits_for)
		buf_puts(out, ": about to run");
	else
		buf_puts(out, ": waits for ");
	if (t->waits_for)
		put(out, t->waits_for);
	if (thread && thread->tid)
		buf_printf(out, ", in thread %d", (int)thread->tid);
	buf_puts(out, t->in_circle ? ", in a circle of tasks that await each other\n" : "\n");
	if (t->running)
		buf_puts(out, "    (its frames are among those of the thread)\n");
	else if (!t->stack.frames.len)
		buf_puts(out, "    (not started)\n");
	for (size_t i = 0; i < t->stack.frames.len; i++)
		put_frame(&t->stack.frames.data[i], out);
}

static void put_greenlet(const struct dump *d, const struct dump_greenlet *g, struct buf *out)
{
	static const char *const states[] = {
		[PYTHON_GREENLET_CREATED] = "not started",
		[PYTHON_GREENLET_SUSPENDED] = "suspended",
		[PYTHON_GREENLET_RUNNING] = "running",
	};
	const struct dump_greenlet *parent = dump_greenlet_at(d, g->parent);
	const struct dump_thread *thread = dump_thread_of(d, g->thread);

	buf_puts(out, "\nGreenlet \"");
	put(out, g->name);
	buf_putc(out, '"');
	if (parent) {
		buf_puts(out, " below \"");
		put(out, parent->name);
		buf_putc(out, '"');
	}
	buf_printf(out, ": %s", states[g->state]);
	if (thread && thread->tid)
		buf_printf(out, ", in thread %d", (int)thread->tid);
	buf_putc(out, '\n');
	if (g->state == PYTHON_GREENLET_RUNNING)
		buf_puts(out, "    (its frames are among those of the thread)\n");
	if (g->state == PYTHON_GREENLET_SUSPENDED)
		put_stack(&g->stack, out);
}

static void put_greenlets(const struct dump *d, uint64_t thread, struct buf *out)
{
	for (size_t i = 0; i < d->greenlets.len; i++)
		if (d->greenlets.data[i].thread == thread)
			put_greenlet(d, &d->greenlets.data[i], out);
}

void dump_put_text(const struct dump *d, struct buf *out)
{
	put_head(d, out);
	for (size_t i = 0; i < d->threads.len; i++) {
		put_thread(d, &d->threads.data[i], out);
		if (d->threads.data[i].id)
			put_greenlets(d, d->threads.data[i].id, out);
	}
	put_greenlets(d, 0, out);
	if (d->greenlets_cut)
		buf_puts(out, "\n(and maybe more greenlets)\n");
	if (d->greenlets_unknown)
		buf_puts(out,
			 "\n(and greenlets of a version of greenlet that glim does not know)\n");
	for (size_t i = 0; i < d->deadlocks.len; i++)
		put_deadlock(d, &d->deadlocks.data[i], out);
	for (size_t i = 0; i < d->tasks.len; i++)
		put_task(d, &d->tasks.data[i], out);
	if (d->tasks_cut)
		buf_puts(out, "\n(and more tasks)\n");
	if (d->tasks_unknown)
		buf_puts(out, "\n(and tasks of an asyncio that glim does not know)\n");
}
