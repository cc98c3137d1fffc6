#include "unwind/python/task_lists.h"

#include "unwind/python/layout.h"

enum {
	FIRST_VERSION = 0x030e,
	MAX_TRIES = 3, /* of a list that changes */
	/* Modules/_asynciomodule.c: asyncio_state. */
	STATE_WORDS = 24, /* among which the table is; it has about twenty */
	STATE_OTHERS = 6, /* non_asyncio_tasks, non_asyncio_eager_tasks */
	STATE_EAGER = 7,
	TASK_NODE = 152, /* struct TaskObj: task_node */
};
/* Modules/_asynciomodule.c: Py_AsyncioModuleDebugOffsets. */
struct offsets {
	struct {
		uint64_t size, name, awaited_by, is_task, awaited_by_is_set, coroutine, node;
	} task;
	struct {
		uint64_t size, tasks;
	} interpreter;
	struct {
		uint64_t size, running_loop, running_task, tasks;
	} thread;
};
static const struct offsets known = {.task = {168, 136, 96, 108, 109, 128, TASK_NODE}};

static bool is_inside(uint64_t offset, uint64_t bytes, uint64_t size)
{
	return size <= 1U << 20 && offset % 8 == 0 && offset <= UINT16_MAX &&
	       offset + bytes <= size;
}

static bool take_offsets(const struct offsets *t, struct python_task_lists *ret)
{
	enum { POINTER = 8, NODE = 16 };

	if (memcmp(&t->task, &known.task, sizeof(known.task)) ||
	    !is_inside(t->interpreter.tasks, NODE, t->interpreter.size) ||
	    !is_inside(t->thread.running_loop, POINTER, t->thread.size) ||
	    !is_inside(t->thread.running_task, POINTER, t->thread.size) ||
	    !is_inside(t->thread.tasks, NODE, t->thread.size))
		return false;
	ret->running_loop = (uint16_t)t->thread.running_loop;
	ret->running_task = (uint16_t)t->thread.running_task;
	ret->of_thread = (uint16_t)t->thread.tasks;
	ret->of_interpreter = (uint16_t)t->interpreter.tasks;
	return true;
}

int python_task_lists_find(const struct python_objects *o, uint64_t interpreter,
			   struct python_task_lists *ret)
{
	uint64_t module, at, state[STATE_WORDS];
	struct offsets table;
	int r = python_minor(o->version) < FIRST_VERSION
			? -ENOENT
			: python_module(o, interpreter, "_asyncio", &module);

	*ret = (struct python_task_lists){};
	if (r == -ENOENT)
		return 0;
	if (r < 0 || memory_word(o->memory, module + o->layout->module_state, &at) || !at ||
	    memory_read(o->memory, at, state, sizeof(state)))
		return -ENOTSUP;
	for (size_t i = 0; i < STATE_WORDS && !ret->known; i++)
		ret->known = !memory_read(o->memory, state[i], &table, sizeof(table)) &&
			     take_offsets(&table, ret);
	ret->others = state[STATE_OTHERS];
	ret->eager = state[STATE_EAGER];
	return ret->known ? 0 : -ENOTSUP;
}

/* Include/internal/pycore_llist.h: a ring of nodes {next, previous}, of which one is the head. */
static int walk_list(const struct python_objects *o, uint64_t head, uint64_t *ret, size_t max,
		     bool *ret_cut)
{
	enum { NEXT, PREVIOUS };
	uint64_t node[2], at = head, before;
	size_t n = 0;

	*ret_cut = true;
	if (memory_read(o->memory, at, node, sizeof(node)))
		return 0;
	while (node[NEXT] != head) {
		before = at;
		at = node[NEXT];
		if (n == max || memory_read(o->memory, at, node, sizeof(node)) ||
		    node[PREVIOUS] != before)
			return (int)n;
		ret[n++] = at - TASK_NODE;
	}
	*ret_cut = false;
	return (int)n;
}

int python_task_list(const struct python_objects *o, uint64_t head, uint64_t *ret, size_t max,
		     bool *ret_cut)
{
	int n = walk_list(o, head, ret, max, ret_cut);

	for (int tries = 1; *ret_cut && (size_t)n < max && tries < MAX_TRIES; tries++)
		n = walk_list(o, head, ret, max, ret_cut);
	return n;
}
