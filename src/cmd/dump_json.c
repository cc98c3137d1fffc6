/* Writes what glim dump shows as JSON; the keys are documented in docs/man/glim-dump.1. */
#include "cmd/dump.h"

#include "base/json.h"

static void put_values(struct json *j, const struct dump_frame *f)
{
	static const char *const kinds[] = {
		[DUMP_ARGUMENT] = "argument", [DUMP_LOCAL] = "local", [DUMP_CELL] = "shared"};

	json_key(j, "locals");
	json_array_begin(j);
	for (size_t i = 0; i < f->values.len; i++) {
		const struct dump_value *v = &f->values.data[i];

		json_object_begin(j);
		json_member_text(j, "kind", kinds[v->kind]);
		json_member_text(j, "name", v->name);
		json_member_text(j, "value", v->text);
		json_object_end(j);
	}
	json_array_end(j);
}

static void put_frame(struct json *j, const struct dump *d, const struct dump_frame *f)
{
	json_object_begin(j);
	json_member_text(j, "function", f->function);
	json_member_text(j, "file", f->file);
	json_member_int(j, "line", f->line);
	if (f->range.line) {
		json_member_int(j, "end_line", f->range.end_line);
		json_member_int(j, "column", f->range.column);
		json_member_int(j, "end_column", f->range.end_column);
	}
	if (d->native)
		json_member_bool(j, "native", false);
	if (d->options.source) {
		json_member_text(j, "source", f->source);
		json_member_bool(j, "source_changed", f->changed);
	}
	if (d->options.locals && f->moved)
		json_member_text(j, "locals", NULL);
	else if (d->options.locals)
		put_values(j, f);
	json_object_end(j);
}

static const char *end_name(uint8_t end)
{
	static const char *const names[] = {
		[UNWIND_PYTHON_NONE] = "none",	       [UNWIND_PYTHON_COMPLETE] = "complete",
		[UNWIND_PYTHON_UNREAD] = "unreadable", [UNWIND_PYTHON_DEEP] = "deep",
		[UNWIND_PYTHON_TORN] = "torn",
	};

	return end < ARRAY_SIZE(names) && names[end] ? names[end] : "unreadable";
}

static void put_native(struct json *j, const struct dump_native_frame *f)
{
	json_object_begin(j);
	json_member_text(j, "function", f->function);
	json_member_text(j, "file", f->file);
	json_member_int(j, "line", f->line);
	json_member_bool(j, "native", true);
	json_member_text(j, "module", f->module);
	json_member_int(j, "address", (int64_t)f->address);
	json_member_bool(j, "gap", f->gap);
	json_object_end(j);
}

/* The native frames before frame i of Python; `at` is the first that was not put. */
static size_t put_natives(struct json *j, const struct dump_stack *s, size_t i, size_t at)
{
	while (at < s->natives.len && s->natives.data[at].before <= i)
		put_native(j, &s->natives.data[at++]);
	return at;
}

static void put_stack(struct json *j, const struct dump *d, const struct dump_stack *s)
{
	size_t at = 0;

	json_member_text(j, "stack", end_name(s->end));
	json_key(j, "frames");
	json_array_begin(j);
	for (size_t i = 0; i < s->frames.len; i++) {
		at = put_natives(j, s, i, at);
		put_frame(j, d, &s->frames.data[i]);
	}
	put_natives(j, s, SIZE_MAX, at);
	json_array_end(j);
}

static void put_lock(struct json *j, const struct python_lock *lock)
{
	json_object_begin(j);
	json_member_int(j, "id", (int64_t)lock->address);
	json_member_text(j, "kind", lock->reentrant ? "RLock" : "lock");
	json_key(j, "owner");
	if (lock->owner)
		json_int(j, (int64_t)lock->owner);
	else
		json_none(j);
	json_object_end(j);
}

static void put_thread(struct json *j, const struct dump *d, const struct dump_thread *t)
{
	json_object_begin(j);
	json_member_int(j, "id", (int64_t)t->id);
	json_member_int(j, "tid", t->tid);
	json_member_text(j, "name", t->name);
	json_member_bool(j, "main", t->main);
	json_member_bool(j, "running", t->running);
	json_member_text(j, "activity", t->activity);
	if (d->has_gil)
		json_member_text(j, "gil", t->holds_gil ? "held" : t->wants_gil ? "waiting" : NULL);
	json_key(j, "lock");
	if (t->lock.address)
		put_lock(j, &t->lock);
	else
		json_none(j);
	if (d->native)
		json_member_text(j, "native_stack", t->stack.natives_cut ? "cut" : "complete");
	put_stack(j, d, &t->stack);
	json_object_end(j);
}

static void put_deadlocks(struct json *j, const struct dump *d)
{
	json_key(j, "deadlocks");
	json_array_begin(j);
	for (size_t i = 0; i < d->deadlocks.len; i++) {
		const struct dump_deadlock *deadlock = &d->deadlocks.data[i];

		json_array_begin(j);
		for (size_t k = 0; k < deadlock->threads.len; k++)
			json_int(j, (int64_t)deadlock->threads.data[k]->id);
		json_array_end(j);
	}
	json_array_end(j);
}

static void put_task(struct json *j, const struct dump *d, const struct dump_task *t)
{
	json_object_begin(j);
	json_member_int(j, "id", (int64_t)t->address);
	json_member_text(j, "name", t->name);
	json_member_int(j, "loop", (int64_t)t->loop);
	json_member_int(j, "thread", (int64_t)t->thread);
	json_member_text(j, "state", t->running ? "running" : t->waits_for ? "waiting" : "ready");
	json_member_text(j, "waits_for", t->waits_for);
	json_key(j, "awaited_by");
	if (t->awaited_by)
		json_int(j, (int64_t)t->awaited_by);
	else
		json_none(j);
	json_member_bool(j, "circle", t->in_circle);
	json_member_int(j, "depth", t->depth);
	json_key(j, "frames");
	json_array_begin(j);
	for (size_t i = 0; i < t->stack.frames.len; i++)
		put_frame(j, d, &t->stack.frames.data[i]);
	json_array_end(j);
	json_object_end(j);
}

static void put_greenlet(struct json *j, const struct dump *d, const struct dump_greenlet *g)
{
	static const char *const states[] = {
		[PYTHON_GREENLET_CREATED] = "created",
		[PYTHON_GREENLET_SUSPENDED] = "suspended",
		[PYTHON_GREENLET_RUNNING] = "running",
	};

	json_object_begin(j);
	json_member_int(j, "id", (int64_t)g->address);
	json_member_text(j, "name", g->name);
	json_member_bool(j, "main", g->main == g->address);
	json_member_int(j, "thread", (int64_t)g->thread);
	json_member_text(j, "state", states[g->state]);
	json_key(j, "parent");
	if (dump_greenlet_at(d, g->parent))
		json_int(j, (int64_t)g->parent);
	else
		json_none(j);
	put_stack(j, d, &g->stack);
	json_object_end(j);
}

void dump_put_json(const struct dump *d, struct buf *out)
{
	struct json j = {.out = out};
	uint32_t version = d->python.version;
	char text[32];

	snprintf(text, sizeof(text), "%u.%u", version >> 24, version >> 16 & 0xff);
	if (version & 0xffff)
		snprintf(text, sizeof(text), "%u.%u.%u", version >> 24, version >> 16 & 0xff,
			 version >> 8 & 0xff);
	json_object_begin(&j);
	json_member_int(&j, "pid", d->pid);
	json_member_text(&j, "command", d->command);
	json_member_text(&j, "multiprocessing", d->name);
	json_member_text(&j, "python", d->program ? text : NULL);
	json_member_text(&j, "program", d->program);
	json_key(&j, "threads");
	json_array_begin(&j);
	for (size_t i = 0; i < d->threads.len; i++)
		put_thread(&j, d, &d->threads.data[i]);
	json_array_end(&j);
	put_deadlocks(&j, d);
	json_key(&j, "tasks");
	json_array_begin(&j);
	for (size_t i = 0; i < d->tasks.len; i++)
		put_task(&j, d, &d->tasks.data[i]);
	json_array_end(&j);
	json_member_bool(&j, "tasks_unknown", d->tasks_unknown);
	json_key(&j, "greenlets");
	json_array_begin(&j);
	for (size_t i = 0; i < d->greenlets.len; i++)
		put_greenlet(&j, d, &d->greenlets.data[i]);
	json_array_end(&j);
	json_member_bool(&j, "greenlets_unknown", d->greenlets_unknown);
	json_object_end(&j);
	buf_putc(out, '\n');
}
