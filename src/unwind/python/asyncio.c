#include "unwind/python/asyncio.h"

#include "unwind/python/layout.h"

enum {
	MAX_TASKS = 10000,
	MAX_NAME = 256,
	MAX_CALLBACKS = 16, /* of a task that are looked at */
	MAX_CELLS = 32,
	MAX_BETWEEN = 4, /* futures between a task and the one that awaits it */
	MAX_LOOKED_AT = 256,
	MAX_THREADS = 4096,
	TASK_PENDING = 0,
	WEAKREF_OBJECT = 16, /* Include/cpython/weakrefobject.h: wr_object */
	/* Modules/_asynciomodule.c: FutureObj_HEAD, the same in all versions */
	FUTURE_LOOP = 16,
	FUTURE_CALLBACK = 24,
	FUTURE_CALLBACKS = 40,
	/* Include/cpython/classobject.h: im_self; Include/cpython/methodobject.h: m_self */
	METHOD_SELF = 24,
	WRAPPER_TASK = 16, /* Modules/_asynciomodule.c: TaskWakeupMethWrapper.ww_task */
	PARTIAL_ARGS = 24, /* Modules/_functoolsmodule.c: partialobject.args */
	HOLDER_LOOP = 16,  /* Modules/_asynciomodule.c: PyRunningLoopHolder.rl_loop, to 3.11 */
};

/* Modules/_asynciomodule.c: struct TaskObj; Include/cpython/funcobject.h: func_closure. Of a
 * thread state, Include/cpython/pystate.h: dict, in which the loop is that runs; in 3.13
 * Include/internal/pycore_tstate.h: asyncio_running_loop; later ones tell (task_lists.h). */
static const struct task_layout {
	uint32_t minor;
	uint16_t state, waiter, coroutine, name, closure, thread_dict, thread_loop;
} layouts[] = {
	{0x0308, 72, 104, 112, 120, 48, 152, 0}, {0x0309, 80, 144, 152, 160, 48, 152, 0},
	{0x030a, 88, 152, 160, 168, 72, 152, 0}, {0x030b, 88, 128, 136, 144, 72, 128, 0},
	{0x030c, 88, 128, 136, 144, 72, 112, 0}, {0x030d, 96, 112, 120, 128, 72, 0, 304},
	{0x030e, 104, 120, 128, 136, 72, 0, 0},	 {0x030f, 104, 120, 128, 136, 72, 0, 0},
};

static const struct task_layout *layout_of(uint32_t version)
{
	for (size_t i = 0; i < ARRAY_SIZE(layouts); i++)
		if (layouts[i].minor == python_minor(version))
			return &layouts[i];
	return NULL;
}

void python_tasks_fini(struct python_tasks *t)
{
	for (size_t i = 0; i < t->all.len; i++)
		free(t->all.data[i].name);
	vec_fini(&t->all);
	map64_fini(&t->by_address);
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

/* Is an object so large by its type? Those that are written in Python are small, and what lies
 * behind them is another object. */
static bool has_bytes(const struct python_objects *o, uint64_t address, uint64_t bytes)
{
	uint64_t type, size;

	return !memory_word(o->memory, address + o->layout->object_type, &type) &&
	       !memory_word(o->memory, type + o->layout->type_basicsize, &size) && size >= bytes;
}

/* A task of C. ret_name: the object. */
static int read_c_task(const struct python_objects *o, const struct task_layout *l,
		       struct python_task *t, uint64_t *ret_name, bool *ret_done)
{
	uint32_t state;
	int r = memory_read(o->memory, t->address + l->state, &state, sizeof(state));

	if (!r)
		r = memory_word(o->memory, t->address + FUTURE_LOOP, &t->loop);
	if (!r)
		r = memory_word(o->memory, t->address + l->waiter, &t->waits_for);
	if (!r)
		r = memory_word(o->memory, t->address + l->coroutine, &t->coroutine);
	if (!r)
		r = memory_word(o->memory, t->address + l->name, ret_name);
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
	/* While it is pending, only its class says so. */
	*ret_done =
		!python_attribute(o, t->address, "_state", &at) &&
		(python_str(o, at, MAX_NAME, &state) < 0 || strcmp(buf_cstr(&state), "PENDING"));
	return is_coroutine(o, t->coroutine) ? 0 : -EINVAL;
}

static int read_task(const struct python_objects *o, uint64_t address, struct python_task *ret,
		     uint64_t *ret_name, bool *ret_done)
{
	const struct task_layout *l = layout_of(o->version);

	if (!l)
		return -ENOTSUP;
	*ret = (struct python_task){.address = address};
	if (has_bytes(o, address, l->name + sizeof(uint64_t)))
		return read_c_task(o, l, ret, ret_name, ret_done);
	return read_python_task(o, ret, ret_name, ret_done);
}

int python_task_read(const struct python_objects *o, uint64_t address, struct python_task *ret)
{
	uint64_t name;
	bool done;
	int r = read_task(o, address, ret, &name, &done);

	return r < 0 ? r : done ? -ENOENT : 0;
}

static void add_task(struct python_tasks *all, const struct python_objects *o, uint64_t address)
{
	struct python_task t;
	uint64_t name;
	bool done;

	if (read_task(o, address, &t, &name, &done) || done || find_task(all, address))
		return;
	t.name = read_name(o, name);
	map64_set(&all->by_address, address, all->all.len);
	vec_push(&all->all, t);
}

/* ---- tables of tasks ---- */

/* A set of tasks, or of weak references to them. */
static void add_set(struct python_tasks *all, const struct python_objects *o, uint64_t set,
		    bool weak)
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

		if (weak && memory_word(o->memory, task + WEAKREF_OBJECT, &task))
			continue;
		add_task(all, o, task);
	}
}

/* Lib/asyncio/tasks.py: a WeakSet to 3.11 and one from 3.12 on, which then has a set of eager tasks
 * beside it. */
static void add_tables(struct python_tasks *all, const struct python_objects *o, uint64_t module)
{
	static const char *const weak[] = {"_all_tasks", "_scheduled_tasks"};
	uint64_t at;

	for (size_t i = 0; i < ARRAY_SIZE(weak); i++)
		if (!python_dict_find(o, module, weak[i], &at) &&
		    !python_attribute(o, at, "data", &at))
			add_set(all, o, at, true);
	if (!python_dict_find(o, module, "_eager_tasks", &at))
		add_set(all, o, at, false);
}

static void mark_running(struct python_tasks *all, const struct python_objects *o, uint64_t task)
{
	struct python_task *t;

	add_task(all, o, task);
	t = find_task(all, task);
	if (t)
		t->running = true;
}

/* _current_tasks: {loop: task}; from 3.14 on only where Python's own functions are in use. */
static void mark_current(struct python_tasks *all, const struct python_objects *o, uint64_t module)
{
	struct python_dict d;
	uint64_t at, loop, task;

	if (python_dict_find(o, module, "_current_tasks", &at) || python_dict_open(o, at, &d))
		return;
	while (python_dict_next(o, &d, &loop, &task) > 0)
		mark_running(all, o, task);
}

/* ---- lists of tasks ---- */

/* All that a list has, of those that may still be looked at. room: for these. */
static void add_list(struct python_tasks *all, const struct python_objects *o, uint64_t head,
		     uint64_t *room, size_t *left)
{
	bool cut;
	int n = python_task_list(o, head, room, *left, &cut);

	all->cut |= cut;
	*left -= (size_t)n;
	for (int i = 0; i < n; i++)
		add_task(all, o, room[i]);
}

/* Lists of threads come first: what they leave behind goes to the interpreter's. */
static void add_lists(struct python_tasks *all, const struct python_objects *o,
		      const struct python_layout *l, uint64_t interpreter,
		      const struct python_task_lists *lists)
{
	cleanup_free uint64_t *room = mem_calloc(MAX_TASKS, sizeof(*room));
	size_t left = MAX_TASKS;
	uint64_t thread, at;
	int threads = 0;
	int r = memory_word(o->memory, interpreter + l->interpreter_threads, &thread);

	for (; !r && thread && threads < MAX_THREADS; threads++) {
		add_list(all, o, thread + lists->of_thread, room, &left);
		if (!memory_word(o->memory, thread + lists->running_task, &at) && at)
			mark_running(all, o, at);
		r = memory_word(o->memory, thread + l->thread_next, &thread);
	}
	all->cut |= r || threads == MAX_THREADS;
	add_list(all, o, interpreter + lists->of_interpreter, room, &left);
	if (!python_attribute(o, lists->others, "data", &at))
		add_set(all, o, at, true);
	add_set(all, o, lists->eager, false);
}

/* ---- who awaits whom ---- */

/* What is done when a future or task is done: a callable, and a list of others. */
struct callbacks {
	uint64_t found[1 + MAX_CALLBACKS];
	size_t n;
};

/* Those in the list are tuples of a callable and its context. */
static void add_callbacks(const struct python_objects *o, uint64_t list, struct callbacks *c)
{
	uint64_t pairs[MAX_CALLBACKS], total;
	struct python_object object;
	int n;

	if (!list || python_object_read(o, list, &object) || object.kind != PYTHON_LIST)
		return;
	n = python_elements(o, &object, pairs, MAX_CALLBACKS, &total);
	for (int i = 0; i < n; i++)
		if (!memory_word(o->memory, pairs[i] + o->layout->tuple_items, &c->found[c->n]))
			c->n++;
}

/* Of a future, or of a task, which is one. */
static void read_callbacks(const struct python_objects *o, uint64_t future, struct callbacks *c)
{
	uint64_t list, first;

	c->n = 0;
	if (!has_bytes(o, future, FUTURE_CALLBACKS + sizeof(uint64_t))) {
		if (!python_attribute(o, future, "_callbacks", &list))
			add_callbacks(o, list, c);
		return;
	}
	if (!memory_word(o->memory, future + FUTURE_CALLBACK, &first) && first)
		c->found[c->n++] = first;
	if (!memory_word(o->memory, future + FUTURE_CALLBACKS, &list))
		add_callbacks(o, list, c);
}

/* The task that a callback goes on with: it is bound to that task. */
static uint64_t woken_by(const struct python_objects *o, uint64_t callback)
{
	struct python_object object;
	struct python_task task;
	uint64_t self;
	/* Modules/_asynciomodule.c: to 3.9 an object of its own, then a function of C. */
	bool wrapper;

	if (python_object_read(o, callback, &object))
		return 0;
	wrapper = !strcmp(object.name, "TaskWakeupMethWrapper");
	if (!wrapper && object.kind != PYTHON_METHOD &&
	    strcmp(object.name, "builtin_function_or_method"))
		return 0;
	if (memory_word(o->memory, callback + (wrapper ? WRAPPER_TASK : METHOD_SELF), &self) ||
	    python_task_read(o, self, &task))
		return 0;
	return self;
}

/* Going up from a task to the one that awaits it. */
struct climb {
	const struct python_objects *o;
	const struct task_layout *l;
	unsigned int left;  /* callbacks that may be looked at */
	unsigned int depth; /* futures that are between */
};
static uint64_t by_future(struct climb *up, uint64_t future);

/* A callback holds the future that it will set: in a cell of its closure or, to 3.11, among the
 * arguments of a functools.partial. So do gather(), wait(), wait_for() and shield(). */
static uint64_t by_held(struct climb *up, uint64_t holder, bool cells)
{
	const struct python_objects *o = up->o;
	uint64_t held[MAX_CELLS], tuple, total, found = 0;
	struct python_object object;
	int n;

	if (memory_word(o->memory, holder, &tuple) || !tuple ||
	    python_object_read(o, tuple, &object) || object.kind != PYTHON_TUPLE)
		return 0;
	n = python_elements(o, &object, held, MAX_CELLS, &total);
	for (int i = 0; i < n && !found; i++) {
		if (cells && memory_word(o->memory, held[i] + o->layout->cell_value, &held[i]))
			continue;
		if (!python_object_read(o, held[i], &object) && strstr(object.name, "Future"))
			found = by_future(up, held[i]);
	}
	return found;
}

static uint64_t by_callback(struct climb *up, uint64_t callback)
{
	const struct python_objects *o = up->o;
	uint64_t found = woken_by(o, callback), self;
	struct python_object object;
	struct python_task task;

	if (found || python_object_read(o, callback, &object))
		return found;
	if (object.kind == PYTHON_FUNCTION)
		return by_held(up, callback + up->l->closure, true);
	if (!strcmp(object.name, "partial"))
		return by_held(up, callback + PARTIAL_ARGS, false);
	/* Lib/asyncio/taskgroups.py: TaskGroup._on_task_done */
	if (object.kind != PYTHON_METHOD || memory_word(o->memory, callback + METHOD_SELF, &self) ||
	    python_attribute(o, self, "_parent_task", &found) || python_task_read(o, found, &task))
		return 0;
	return found;
}

static uint64_t by_future(struct climb *up, uint64_t future)
{
	struct callbacks c;
	uint64_t found = 0;

	if (up->depth >= MAX_BETWEEN)
		return 0;
	up->depth++;
	read_callbacks(up->o, future, &c);
	for (size_t i = 0; i < c.n && !found && up->left; i++) {
		up->left--;
		found = by_callback(up, c.found[i]);
	}
	up->depth--;
	return found;
}

uint64_t python_task_awaiter(const struct python_objects *o, uint64_t task)
{
	struct climb up = {.o = o, .l = layout_of(o->version), .left = MAX_LOOKED_AT};
	uint64_t found = up.l ? by_future(&up, task) : 0;

	return found == task ? 0 : found;
}

int python_tasks_read(struct python_tasks *all, const struct python_objects *o,
		      const struct python_layout *l, uint64_t interpreter)
{
	struct python_task_lists lists;
	size_t first = all->all.len;
	uint64_t module;
	int r = python_module_dict(o, interpreter, "asyncio.tasks", &module);

	if (!r && !layout_of(o->version))
		r = -ENOTSUP;
	if (!r)
		r = python_task_lists_find(o, interpreter, &lists);
	if (r < 0)
		return r;
	add_tables(all, o, module);
	mark_current(all, o, module);
	if (lists.known)
		add_lists(all, o, l, interpreter, &lists);
	for (size_t i = first; i < all->all.len; i++)
		all->all.data[i].awaited_by = python_task_awaiter(o, all->all.data[i].address);
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

/* Later releases of 3.13 have one word more before it, datastack_cached_chunk, which points at no
 * object. */
static uint64_t loop_of_313(const struct python_objects *o, uint64_t field)
{
	struct python_object object;
	uint64_t words[2];

	if (memory_read(o->memory, field, words, sizeof(words)))
		return 0;
	return python_object_read(o, words[0], &object) ? words[1] : words[0];
}

uint64_t python_running_loop(const struct python_objects *o, const struct python_task_lists *lists,
			     uint64_t thread_state)
{
	const struct task_layout *l = layout_of(o->version);
	struct python_object object;
	uint64_t at;

	if (lists->known)
		return memory_word(o->memory, thread_state + lists->running_loop, &at) ? 0 : at;
	if (l && l->thread_loop)
		return loop_of_313(o, thread_state + l->thread_loop);
	if (!l || !l->thread_dict || memory_word(o->memory, thread_state + l->thread_dict, &at) ||
	    python_dict_find(o, at, "__asyncio_running_event_loop__", &at) ||
	    python_object_read(o, at, &object))
		return 0;
	if (!strcmp(object.name, "_RunningLoopHolder") &&
	    memory_word(o->memory, at + HOLDER_LOOP, &at))
		return 0;
	return at;
}
