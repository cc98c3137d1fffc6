#include "unwind/python/asyncio.h"

#include "unwind/python/layout.h"

enum {
	MAX_TASKS = 10000,
	MAX_NAME = 256,
	MAX_CALLBACKS = 16, /* of a task that are looked at */
	MAX_CELLS = 32,
	TASK_PENDING = 0,
	WEAKREF_OBJECT = 16, /* Include/cpython/weakrefobject.h: wr_object */
	/* Modules/_asynciomodule.c: FutureObj_HEAD, the same in all versions */
	FUTURE_LOOP = 16,
	FUTURE_CALLBACK = 24,
	FUTURE_CALLBACKS = 40,
	METHOD_SELF = 24,  /* Include/cpython/classobject.h: im_self */
	PARTIAL_ARGS = 24, /* Modules/_functoolsmodule.c: partialobject.args */
};

/* Modules/_asynciomodule.c: struct TaskObj; Include/cpython/funcobject.h: func_closure */
static const struct task_layout {
	uint32_t minor;
	uint16_t state, waiter, coroutine, name, closure;
} layouts[] = {
	{0x0308, 72, 104, 112, 120, 48}, {0x0309, 80, 144, 152, 160, 48},
	{0x030a, 88, 152, 160, 168, 72}, {0x030b, 88, 128, 136, 144, 72},
	{0x030c, 88, 128, 136, 144, 72}, {0x030d, 96, 112, 120, 128, 72},
};

static const struct task_layout *layout_of(uint32_t version)
{
	for (size_t i = 0; i < ARRAY_SIZE(layouts); i++)
		if (layouts[i].minor == python_minor(version))
			return &layouts[i];
	return NULL;
}

static int read_word(const struct python_objects *o, uint64_t address, uint64_t *ret)
{
	return memory_read(o->memory, address, ret, sizeof(*ret));
}

void python_tasks_fini(struct python_tasks *t)
{
	for (size_t i = 0; i < t->all.len; i++)
		free(t->all.data[i].name);
	vec_fini(&t->all);
	map64_fini(&t->by_address);
	map64_fini(&t->by_waiter);
}

static struct python_task *find_task(const struct python_tasks *t, uint64_t address)
{
	const uint64_t *i = map64_get(&t->by_address, address);

	return i ? &t->all.data[*i] : NULL;
}

/* ---- one task ---- */

static char *read_name(const struct python_objects *o, uint64_t address)
{
	cleanup_buf struct buf text = {};
	struct python_object name;
	int64_t number;

	if (python_object_read(o, address, &name))
		return mem_strdup("");
	/* From 3.12 on, a number until somebody asks for the name. */
	if (name.kind == PYTHON_INT && !python_int(o, address, &number))
		return mem_asprintf("Task-%lld", (long long)number);
	if (name.kind == PYTHON_STR)
		python_str(o, address, MAX_NAME, &text);
	return mem_strdup(buf_cstr(&text));
}

static bool is_coroutine(const struct python_objects *o, uint64_t address)
{
	struct python_object object;

	return !python_object_read(o, address, &object) &&
	       (!strcmp(object.name, "coroutine") || !strcmp(object.name, "generator") ||
		!strcmp(object.name, "async_generator_asend"));
}

/* A task of C. ret_name: the object. */
static int read_c_task(const struct python_objects *o, const struct task_layout *l,
		       struct python_task *t, uint64_t *ret_name, bool *ret_done)
{
	uint32_t state;
	int r = memory_read(o->memory, t->address + l->state, &state, sizeof(state));

	if (!r)
		r = read_word(o, t->address + FUTURE_LOOP, &t->loop);
	if (!r)
		r = read_word(o, t->address + l->waiter, &t->waits_for);
	if (!r)
		r = read_word(o, t->address + l->coroutine, &t->coroutine);
	if (!r)
		r = read_word(o, t->address + l->name, ret_name);
	if (!r)
		r = read_word(o, t->address + FUTURE_CALLBACK, &t->callback);
	if (!r)
		r = read_word(o, t->address + FUTURE_CALLBACKS, &t->callbacks);
	if (r < 0)
		return r;
	*ret_done = state != TASK_PENDING;
	return is_coroutine(o, t->coroutine) ? 0 : -EINVAL;
}

static bool is_none(const struct python_objects *o, uint64_t address)
{
	struct python_object object;

	return !python_object_read(o, address, &object) && object.kind == PYTHON_NONE;
}

/* A task that is written in Python. */
static int read_python_task(const struct python_objects *o, struct python_task *t,
			    uint64_t *ret_name, bool *ret_done)
{
	cleanup_buf struct buf state = {};
	uint64_t at;
	int r = python_attribute(o, t->address, "_coro", &t->coroutine);

	if (!r)
		r = python_attribute(o, t->address, "_loop", &t->loop);
	if (r < 0)
		return r;
	if (python_attribute(o, t->address, "_fut_waiter", &t->waits_for) ||
	    is_none(o, t->waits_for))
		t->waits_for = 0;
	if (python_attribute(o, t->address, "_name", ret_name))
		*ret_name = 0;
	if (python_attribute(o, t->address, "_callbacks", &t->callbacks))
		t->callbacks = 0;
	/* While it is pending, only its class says so. */
	*ret_done =
		!python_attribute(o, t->address, "_state", &at) &&
		(python_str(o, at, MAX_NAME, &state) < 0 || strcmp(buf_cstr(&state), "PENDING"));
	return is_coroutine(o, t->coroutine) ? 0 : -EINVAL;
}

static void add_task(struct python_tasks *all, const struct python_objects *o,
		     const struct task_layout *l, uint64_t address)
{
	struct python_task t = {.address = address};
	uint64_t name;
	bool done;

	if (read_c_task(o, l, &t, &name, &done)) {
		t = (struct python_task){.address = address};
		if (read_python_task(o, &t, &name, &done))
			return;
	}
	if (done || find_task(all, address))
		return;
	t.name = read_name(o, name);
	map64_set(&all->by_address, address, all->all.len);
	if (t.waits_for)
		map64_set(&all->by_waiter, t.waits_for, all->all.len);
	vec_push(&all->all, t);
}

/* ---- tables of tasks ---- */

/* A set of tasks, or of weak references to them. */
static void add_set(struct python_tasks *all, const struct python_objects *o,
		    const struct task_layout *l, uint64_t set, bool weak)
{
	cleanup_free uint64_t *elements = mem_calloc(MAX_TASKS, sizeof(*elements));
	struct python_object object;
	uint64_t total;
	int n = python_object_read(o, set, &object);

	if (n < 0 || object.kind != PYTHON_SET)
		return;
	n = python_elements(o, &object, elements, MAX_TASKS, &total);
	all->cut |= n >= 0 && total > (uint64_t)n;
	for (int i = 0; i < n && all->all.len < MAX_TASKS; i++) {
		uint64_t task = elements[i];

		if (weak && read_word(o, task + WEAKREF_OBJECT, &task))
			continue;
		add_task(all, o, l, task);
	}
}

/* Lib/asyncio/tasks.py: a WeakSet to 3.11 and one from 3.12 on, which then has a set of eager tasks
 * beside it. */
static void add_tables(struct python_tasks *all, const struct python_objects *o,
		       const struct task_layout *l, uint64_t module)
{
	static const char *const weak[] = {"_all_tasks", "_scheduled_tasks"};
	uint64_t at;

	for (size_t i = 0; i < ARRAY_SIZE(weak); i++)
		if (!python_dict_find(o, module, weak[i], &at) &&
		    !python_attribute(o, at, "data", &at))
			add_set(all, o, l, at, true);
	if (!python_dict_find(o, module, "_eager_tasks", &at))
		add_set(all, o, l, at, false);
}

/* _current_tasks: {loop: task} */
static void mark_running(struct python_tasks *all, const struct python_objects *o,
			 const struct task_layout *l, uint64_t module)
{
	struct python_dict d;
	uint64_t at, loop, task;

	if (python_dict_find(o, module, "_current_tasks", &at) || python_dict_open(o, at, &d))
		return;
	while (python_dict_next(o, &d, &loop, &task) > 0) {
		struct python_task *t;

		add_task(all, o, l, task);
		t = find_task(all, task);
		if (t)
			t->running = true;
	}
}

/* ---- who awaits whom ---- */

static uint64_t waiter_of(const struct python_tasks *all, uint64_t future)
{
	const uint64_t *i = map64_get(&all->by_waiter, future);

	return i ? all->all.data[*i].address : 0;
}

/* The callbacks of gather(), wait(), wait_for() and shield() are functions that hold the future
 * which the waiting task awaits: in a cell of their closure, or, to 3.11, among the arguments of a
 * functools.partial. */
static uint64_t by_held(const struct python_tasks *all, const struct python_objects *o,
			uint64_t holder, bool cells)
{
	uint64_t held[MAX_CELLS], tuple, total, found = 0;
	struct python_object object;
	int n;

	if (read_word(o, holder, &tuple) || !tuple || python_object_read(o, tuple, &object) ||
	    object.kind != PYTHON_TUPLE)
		return 0;
	n = python_elements(o, &object, held, MAX_CELLS, &total);
	for (int i = 0; i < n && !found; i++)
		if (!cells || !read_word(o, held[i] + o->layout->cell_value, &held[i]))
			found = waiter_of(all, held[i]);
	return found;
}

/* The task that a callback of another task will wake. */
static uint64_t by_callback(const struct python_tasks *all, const struct python_objects *o,
			    const struct task_layout *l, uint64_t callback)
{
	struct python_object object;
	uint64_t self, parent;

	if (python_object_read(o, callback, &object))
		return 0;
	if (object.kind == PYTHON_FUNCTION)
		return by_held(all, o, callback + l->closure, true);
	if (!strcmp(object.name, "partial"))
		return by_held(all, o, callback + PARTIAL_ARGS, false);
	if (object.kind != PYTHON_METHOD || read_word(o, callback + METHOD_SELF, &self))
		return 0;
	if (find_task(all, self))
		return self;
	/* Lib/asyncio/taskgroups.py: TaskGroup._on_task_done */
	return !python_attribute(o, self, "_parent_task", &parent) && find_task(all, parent)
		       ? parent
		       : 0;
}

/* Those behind the first are in a list of tuples of callback and context. */
static uint64_t by_callbacks(const struct python_tasks *all, const struct python_objects *o,
			     const struct task_layout *l, uint64_t list)
{
	uint64_t pairs[MAX_CALLBACKS], total, callback, found = 0;
	struct python_object object;
	int n;

	if (python_object_read(o, list, &object) || object.kind != PYTHON_LIST)
		return 0;
	n = python_elements(o, &object, pairs, MAX_CALLBACKS, &total);
	for (int i = 0; i < n && !found; i++)
		if (!read_word(o, pairs[i] + o->layout->tuple_items, &callback))
			found = by_callback(all, o, l, callback);
	return found;
}

static void find_awaiter(const struct python_tasks *all, const struct python_objects *o,
			 const struct task_layout *l, struct python_task *t)
{
	t->awaited_by = waiter_of(all, t->address);
	if (!t->awaited_by && t->callback)
		t->awaited_by = by_callback(all, o, l, t->callback);
	if (!t->awaited_by && t->callbacks)
		t->awaited_by = by_callbacks(all, o, l, t->callbacks);
	if (t->awaited_by == t->address)
		t->awaited_by = 0;
}

int python_tasks_read(struct python_tasks *all, const struct python_objects *o,
		      uint64_t interpreter)
{
	const struct task_layout *l = layout_of(o->version);
	size_t first = all->all.len;
	uint64_t module;
	int r = l ? python_module_dict(o, interpreter, "asyncio.tasks", &module) : -ENOTSUP;

	if (r < 0)
		return r;
	add_tables(all, o, l, module);
	mark_running(all, o, l, module);
	for (size_t i = first; i < all->all.len; i++)
		find_awaiter(all, o, l, &all->all.data[i]);
	return 0;
}

uint64_t python_loop_thread(const struct python_objects *o, uint64_t loop)
{
	int64_t id;
	uint64_t at;

	/* Lib/asyncio/base_events.py */
	if (python_attribute(o, loop, "_thread_id", &at) || python_int(o, at, &id))
		return 0;
	return (uint64_t)id;
}
