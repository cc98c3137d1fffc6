/* Lines and stacks by sys.monitoring (PEP 669), from Python 3.12 on: only the code that is measured
 * is slower, no call of a C function is told, and what the program itself traces does not matter.
 * Of lines: One event at a time says which code it is of; the code stands for the frame, as the
 * topmost of its activations is always the one that runs. */
#include "memory/target/library.h"

enum { LAST_TOOL = 5, FIRST_TOOL = 3 /* 0 to 2 are for debuggers, coverage, profilers */ };
enum { METHOD_FAST = 0x80 };

static PyObject *disable;      /* returned: this place is of no interest */
static PyObject *local_events; /* sys.monitoring.set_local_events */
static PyObject *tool;	       /* our number, an int */
static PyObject *of_measured;  /* events of code that is measured, an int */

/* A new tuple of what is given, which it takes over, and the call with it. */
static PyObject *call(PyObject *function, PyObject *a, PyObject *b, PyObject *c)
{
	PyObject *const given[] = {a, b, c};
	PyObject *arguments = python.PyTuple_New(c ? 3 : b ? 2 : 1), *result;

	for (intptr_t i = 0; i < 3 && given[i]; i++)
		python.PyTuple_SetItem(arguments, i, given[i]);
	result = python.PyObject_Call(function, arguments, NULL);
	python.Py_DecRef(arguments);
	return result;
}

static PyObject *held(PyObject *o)
{
	python.Py_IncRef(o);
	return o;
}

/* None lives for ever from 3.12 on. */
static inline PyObject *nothing(void)
{
	return python.none;
}

/* Lines of this code from now on. */
static void watch(struct code *c)
{
	bool quiet = allocator_quiet(true);
	PyObject *result;

	c->watched = true;
	result = call(local_events, held(tool), held(c->object), held(of_measured));
	if (result)
		python.Py_DecRef(result);
	else
		python.PyErr_Restore(NULL, NULL, NULL);
	allocator_quiet(quiet);
}

static void enter(struct code *c)
{
	uint32_t line = 0;

	if (!c->watched)
		watch(c);
	if (c->stops)
		line = (uint32_t)python.PyFrame_GetLineNumber(python.PyEval_GetFrame());
	lines_enter(c->object, c, line);
}

/* ---- events ---- */

/* An int of one digit says what it is by itself, from 3.12 on: lv_tag, and ob_digit. */
enum { INT_TAG = 16, INT_DIGIT = 24, ONE_DIGIT = 1 << 3, SHARED = 1 << 2 /* from 3.14 on */ };

static inline uint32_t digit_of(PyObject *number)
{
	return *(uint32_t *)((char *)number + INT_DIGIT);
}

static inline uint32_t line_in(PyObject *number)
{
	uintptr_t tag = *(uintptr_t *)((char *)number + INT_TAG);

	if (likely((tag & ~(uintptr_t)SHARED) == ONE_DIGIT))
		return digit_of(number);
	return (uint32_t)python.PyLong_AsLong(number);
}

/* A number that was made for the event: no line has it. The small ones are there already; from 3.14
 * on the others come out of a store. */
static inline void forget(PyObject *number)
{
	enum { LARGEST_OF_THE_SMALL = 256, STORE_SINCE = 0x030e };

	if (unlikely(digit_of(number) > LARGEST_OF_THE_SMALL) && python.version < STORE_SINCE)
		allocator_forget(number);
}

static PyObject *on_start(PyObject *self, PyObject *const *arguments, intptr_t n)
{
	struct code *c = codes_find(arguments[0]);

	if (!c->function)
		return held(disable);
	forget(arguments[1]);
	enter(c);
	return nothing();
}

/* This one cannot be disabled. */
static PyObject *on_throw(PyObject *self, PyObject *const *arguments, intptr_t n)
{
	struct code *c = codes_find(arguments[0]);

	if (!c->function)
		return nothing();
	forget(arguments[1]);
	enter(c);
	return nothing();
}

static PyObject *on_leave(PyObject *self, PyObject *const *arguments, intptr_t n)
{
	forget(arguments[1]);
	lines_leave(arguments[0]);
	return nothing();
}

static PyObject *on_line(PyObject *self, PyObject *const *arguments, intptr_t n)
{
	uint32_t line = line_in(arguments[1]);
	struct code *c;

	forget(arguments[1]);
	if (likely(lines_next(arguments[0], line)))
		return nothing();
	c = codes_find(arguments[0]);
	if (c->function)
		lines_line(arguments[0], c, line,
			   c->ninner && codes_is_inner(c, python.PyEval_GetFrame()));
	return nothing();
}

/* A loop in one line begins it again, though that is no change of the line. */
static PyObject *on_jump(PyObject *self, PyObject *const *arguments, intptr_t n)
{
	struct code *c = codes_find(arguments[0]);
	long from = python.PyLong_AsLong(arguments[1]), to = python.PyLong_AsLong(arguments[2]);
	int line;

	if (!c->function || to > from || codes_has_inner(c, (int)from))
		return held(disable);
	line = python.PyCode_Addr2Line(arguments[0], (int)to);
	if (line != python.PyCode_Addr2Line(arguments[0], (int)from))
		return held(disable);
	forget(arguments[1]);
	forget(arguments[2]);
	lines_line(arguments[0], c, (uint32_t)line, false);
	return nothing();
}

/* ---- stacks ---- */

/* The frame object is made for us, when it is asked for first. */
static PyObject *running_frame(void)
{
	bool quiet = allocator_quiet(true);
	PyObject *frame = python.PyEval_GetFrame();

	allocator_quiet(quiet);
	return frame;
}

static PyObject *on_stack_enter(PyObject *self, PyObject *const *arguments, intptr_t n)
{
	bool quiet = allocator_quiet(true);
	struct code *c = codes_find(arguments[0]);

	allocator_quiet(quiet);
	stacks_enter(running_frame(), c);
	return nothing();
}

static PyObject *on_stack_leave(PyObject *self, PyObject *const *arguments, intptr_t n)
{
	stacks_leave(running_frame());
	return nothing();
}

/* ---- begin ---- */

/* An event of sys.monitoring.events. */
struct event {
	struct method { /* of Include/methodobject.h */
		const char *name;
		void *function;
		int flags;
		const char *doc;
	} method;
	bool local; /* only of code that is measured */
};
static struct event line_events[] = {
	{{"PY_START", on_start, METHOD_FAST, NULL}, false},
	{{"PY_RESUME", on_start, METHOD_FAST, NULL}, false},
	{{"PY_THROW", on_throw, METHOD_FAST, NULL}, false},
	{{"PY_UNWIND", on_leave, METHOD_FAST, NULL}, false},
	{{"PY_RETURN", on_leave, METHOD_FAST, NULL}, true},
	{{"PY_YIELD", on_leave, METHOD_FAST, NULL}, true},
	{{"LINE", on_line, METHOD_FAST, NULL}, true},
	{{"JUMP", on_jump, METHOD_FAST, NULL}, true},
};
static struct event stack_events[] = {
	{{"PY_START", on_stack_enter, METHOD_FAST, NULL}, false},
	{{"PY_RESUME", on_stack_enter, METHOD_FAST, NULL}, false},
	{{"PY_THROW", on_stack_enter, METHOD_FAST, NULL}, false},
	{{"PY_UNWIND", on_stack_leave, METHOD_FAST, NULL}, false},
	{{"PY_RETURN", on_stack_leave, METHOD_FAST, NULL}, false},
	{{"PY_YIELD", on_stack_leave, METHOD_FAST, NULL}, false},
};

static PyObject *claim_tool(PyObject *monitoring)
{
	PyObject *use = python.PyObject_GetAttrString(monitoring, "use_tool_id");
	PyObject *result = NULL, *number = NULL;

	for (long i = LAST_TOOL; use && i >= FIRST_TOOL && !result; i--) {
		if (number)
			python.Py_DecRef(number);
		python.PyErr_Restore(NULL, NULL, NULL);
		number = python.PyLong_FromLong(i);
		result = call(use, held(number), python.PyUnicode_FromString("glim mem"), NULL);
	}
	if (use)
		python.Py_DecRef(use);
	if (result)
		python.Py_DecRef(result);
	return result ? number : NULL;
}

/* Register a function for each event; returns which events are to be had of all code. */
static long register_all(PyObject *names, PyObject *add, struct event *e, size_t n)
{
	long all = 0, measured = 0;

	for (size_t i = 0; i < n; i++) {
		long bit = python_number(names, e[i].method.name, 0);
		PyObject *function = python.PyCFunction_NewEx(&e[i].method, NULL, NULL);
		PyObject *result = call(add, held(tool), python.PyLong_FromLong(bit), function);

		if (!result || !bit)
			return 0;
		python.Py_DecRef(result);
		if (e[i].local)
			measured |= bit;
		else
			all |= bit;
	}
	of_measured = python.PyLong_FromLong(measured);
	return all;
}

bool monitor_begin(void)
{
	PyObject *monitoring = python.PySys_GetObject("monitoring"), *result = NULL;
	PyObject *events, *add, *set;
	long all;

	if (python.version < 0x030c || !monitoring || !python.PyEval_GetFrame ||
	    !python.PyCode_Addr2Line || !python.PyLong_FromLong || !python.PyUnicode_FromString)
		return false;
	tool = claim_tool(monitoring);
	disable = python.PyObject_GetAttrString(monitoring, "DISABLE");
	local_events = python.PyObject_GetAttrString(monitoring, "set_local_events");
	events = python.PyObject_GetAttrString(monitoring, "events");
	add = python.PyObject_GetAttrString(monitoring, "register_callback");
	set = python.PyObject_GetAttrString(monitoring, "set_events");
	if (tool && disable && local_events && events && add && set) {
		if (config.flags & MEMORY_BLOCKS)
			all = register_all(events, add, stack_events,
					   sizeof(stack_events) / sizeof(*stack_events));
		else
			all = register_all(events, add, line_events,
					   sizeof(line_events) / sizeof(*line_events));
		if (all)
			result = call(set, held(tool), python.PyLong_FromLong(all), NULL);
	}
	python.PyErr_Restore(NULL, NULL, NULL);
	return result != NULL;
}
