#include "memory/target/library.h"

#include <dlfcn.h>
#include <string.h>

/* Include/methodobject.h, the same in all versions */
struct method {
	const char *name;
	void *function;
	int flags;
	const char *doc;
};
enum { METHOD_ARGUMENTS = 1, METHOD_KEYWORDS = 2, METHOD_ONE = 8 };

struct python python;
bool python_waiting;

/* ---- what the interpreter offers ---- */

extern void *weak_dlsym(void *, const char *) __asm__("dlsym") __attribute__((weak));

bool python_find(void)
{
	if (!weak_dlsym)
		return false;
#define X(type, name, arguments)                                                                   \
	python.name = (type(*) arguments)(uintptr_t)weak_dlsym(RTLD_DEFAULT, #name);
	PYTHON_FUNCTIONS(X)
	PYTHON_OPTIONAL(X)
#undef X
	python.none = weak_dlsym(RTLD_DEFAULT, "_Py_NoneStruct");
	python.system_exit = weak_dlsym(RTLD_DEFAULT, "PyExc_SystemExit");
	return python.Py_IsInitialized && python.Py_AddPendingCall && python.Py_GetVersion;
}

static bool all_there(void)
{
#define X(type, name, arguments)                                                                   \
	if (!python.name)                                                                          \
		return false;
	PYTHON_FUNCTIONS(X)
#undef X
	return python.none && (python.PyUnicode_AsUTF8 || python.PyString_AsString);
}

const char *python_text(PyObject *o)
{
	return python.version < 0x0300 ? python.PyString_AsString(o) : python.PyUnicode_AsUTF8(o);
}

long python_number(PyObject *o, const char *attribute, long fallback)
{
	PyObject *v = python.PyObject_GetAttrString(o, attribute);
	long number = v ? python.PyLong_AsLong(v) : fallback;

	if (v)
		python.Py_DecRef(v);
	else
		python.PyErr_Restore(NULL, NULL, NULL);
	return number;
}

static bool monitored; /* all threads are, by monitor.c */

static void begin(void)
{
	if (config.flags & MEMORY_BLOCKS)
		stacks_begin(!monitored);
	else if (!monitored)
		trace_begin();
}

static void drop(void)
{
	if (config.flags & MEMORY_BLOCKS)
		stacks_drop();
	else
		lines_drop();
}

/* ---- functions that stand in the place of Python's own ---- */

static PyObject *get(PyObject *o, const char *name)
{
	PyObject *v = python.PyObject_GetAttrString(o, name);

	if (!v)
		python.PyErr_Restore(NULL, NULL, NULL);
	return v;
}

/* @profile: the function itself, which is known from now on. */
static PyObject *profile(PyObject *module, PyObject *function)
{
	PyObject *inner = get(function, "__func__"); /* of a static method */
	PyObject *code = get(inner ? inner : function, "__code__");

	if (code) {
		codes_decorate(code);
		python.Py_DecRef(code);
	}
	if (inner)
		python.Py_DecRef(inner);
	python.Py_IncRef(function);
	return function;
}

/* Up to 3.7. */
static void print_failure(PyObject *function)
{
	PyObject *type, *value, *traceback, *file = python.PySys_GetObject("stderr");

	python.PySys_WriteStderr("Unhandled exception in thread started by ");
	python.PyErr_Fetch(&type, &value, &traceback);
	if (file && file != python.none)
		python.PyFile_WriteObject(function, file, 0);
	python.PySys_WriteStderr("\n");
	python.PyErr_Restore(type, value, traceback);
	python.PyErr_PrintEx(0);
}

/* A thread ends by an exception: said of the function that the program knows, in the words of
 * Modules/_threadmodule.c. Returns false where that is left to Python, which will name ours. */
static bool tell_failure(PyObject *function)
{
	if (!python.system_exit || !python.PyErr_ExceptionMatches ||
	    python.PyErr_ExceptionMatches(*python.system_exit))
		return false;
	if (python.version >= 0x030d && python.PyErr_FormatUnraisable)
		python.PyErr_FormatUnraisable("Exception ignored in thread started by %R",
					      function);
	else if (python.version >= 0x0308 && python._PyErr_WriteUnraisableMsg)
		python._PyErr_WriteUnraisableMsg("in thread started by", function);
	else if (python.version < 0x0308 && python.PySys_WriteStderr && python.PyErr_PrintEx &&
		 python.PyFile_WriteObject)
		print_failure(function);
	else
		return false;
	return true;
}

/* The first function of a new thread: self is what the program wants to run. */
static PyObject *thread_main(PyObject *function, PyObject *arguments, PyObject *keywords)
{
	PyObject *result;

	begin();
	result = python.PyObject_Call(function, arguments, keywords);
	if (!result && tell_failure(function)) {
		python.Py_IncRef(python.none);
		result = python.none;
	}
	drop();
	return result;
}

static PyObject *start_thread(PyObject *original, PyObject *arguments, PyObject *keywords)
{
	static struct method method = {"thread_main", thread_main,
				       METHOD_ARGUMENTS | METHOD_KEYWORDS, NULL};
	intptr_t n = python.PyTuple_Size(arguments);
	PyObject *function = n > 0 ? python.PyTuple_GetItem(arguments, 0) : NULL;
	PyObject *ours, *result;

	/* What is wrong with other arguments is for the original to say. */
	if (!function || !python.PyCallable_Check(function))
		return python.PyObject_Call(original, arguments, keywords);
	ours = python.PyTuple_New(n);
	if (!ours)
		return NULL;
	python.PyTuple_SetItem(ours, 0, python.PyCFunction_NewEx(&method, function, NULL));
	for (intptr_t i = 1; i < n; i++) {
		PyObject *o = python.PyTuple_GetItem(arguments, i);

		python.Py_IncRef(o);
		python.PyTuple_SetItem(ours, i, o);
	}
	result = python.PyObject_Call(original, ours, keywords);
	python.Py_DecRef(ours);
	return result;
}

/* sys.settrace, or sys.setprofile where that is ours: the program's own function comes first; when
 * it is taken away, ours comes back. */
static PyObject *set_trace(PyObject *original, PyObject *function)
{
	PyObject *arguments = python.PyTuple_New(1), *result;

	if (!arguments)
		return NULL;
	python.Py_IncRef(function);
	python.PyTuple_SetItem(arguments, 0, function);
	result = python.PyObject_Call(original, arguments, NULL);
	python.Py_DecRef(arguments);
	if (!result)
		return NULL;
	drop();
	if (function == python.none)
		begin();
	else
		header->trace_taken++;
	return result;
}

/* Put a function of ours in the place of module.name; it knows the original as its self. */
static void replace(const char *module, const char *name, struct method *method)
{
	PyObject *modules = python.PySys_GetObject("modules");
	PyObject *m = modules ? python.PyDict_GetItemString(modules, module) : NULL;
	PyObject *original = m ? get(m, name) : NULL;
	PyObject *ours = original ? python.PyCFunction_NewEx(method, original, NULL) : NULL;

	if (ours)
		python.PyObject_SetAttrString(m, name, ours);
	if (ours)
		python.Py_DecRef(ours);
	if (original)
		python.Py_DecRef(original);
}

static void add_functions(void)
{
	static struct method profile_method = {"profile", profile, METHOD_ONE, NULL};
	static struct method settrace = {"settrace", set_trace, METHOD_ONE,
					 "settrace(function)\n\nSet the global debug tracing "
					 "function."};
	static struct method setprofile = {"setprofile", set_trace, METHOD_ONE,
					   "setprofile(function)\n\nSet the profiling function."};
	static struct method thread_methods[] = {
		{"start_new_thread", start_thread, METHOD_ARGUMENTS | METHOD_KEYWORDS, NULL},
		{"start_joinable_thread", start_thread, METHOD_ARGUMENTS | METHOD_KEYWORDS, NULL},
	};
	bool two = python.version < 0x0300;
	const char *threads = two ? "thread" : "_thread";
	PyObject *builtins = python.PyImport_ImportModule(two ? "__builtin__" : "builtins");
	PyObject *module = python.PyImport_ImportModule(threads);
	PyObject *function = python.PyCFunction_NewEx(&profile_method, NULL, NULL);

	if (builtins && function)
		python.PyObject_SetAttrString(builtins, "profile", function);
	if (!monitored && config.flags & MEMORY_BLOCKS)
		replace("sys", "setprofile", &setprofile);
	else if (!monitored)
		replace("sys", "settrace", &settrace);
	for (size_t i = 0; i < 2; i++) {
		char copy[32] = "_";

		replace(threads, thread_methods[i].name, &thread_methods[i]);
		/* Its user, should it have been imported before. */
		strcat(copy, thread_methods[i].name);
		replace("threading", copy, &thread_methods[i]);
	}
	PyObject *const held[] = {builtins, module, function};

	for (size_t i = 0; i < sizeof(held) / sizeof(*held); i++)
		if (held[i])
			python.Py_DecRef(held[i]);
}

/* ---- coming in ---- */

static void find_version(void)
{
	const char *p = python.Py_GetVersion();
	unsigned int major = (unsigned int)(*p - '0'), minor = 0;

	for (p += 2; *p >= '0' && *p <= '9'; p++)
		minor = minor * 10 + (unsigned int)(*p - '0');
	python.version = major << 8 | minor;
	header->python = python.version;
	/* f_lineno, right while the frame is traced; f_lasti. Include/frameobject.h of 2.7.18,
	 * 3.6.15, 3.7.16, 3.8.18, 3.9.18, 3.10.13, Include/internal/pycore_frame.h of 3.11.7 */
	if (python.version == 0x0207 || python.version == 0x0306)
		python.frame_line = 124, python.frame_instruction = 120;
	else if (python.version >= 0x0307 && python.version <= 0x0309)
		python.frame_line = 108, python.frame_instruction = 104;
	else if (python.version == 0x030a)
		python.frame_line = 100, python.frame_instruction = 96;
	else if (python.version == 0x030b)
		python.frame_line = 40;
}

/* From here on the program itself may run at any moment: its module was made. */
static bool is_ready(void)
{
	PyObject *modules = python.PySys_GetObject("modules");

	return modules && python.PyDict_GetItemString(modules, "__main__");
}

/* The first that asked atexit is called last: the program is over, what it holds will go with the
 * interpreter. */
static PyObject *at_exit(PyObject *unused, PyObject *arguments)
{
	header->end_ns = library_now();
	header->state = MEMORY_ENDED;
	allocator_end();
	python.Py_IncRef(python.none);
	return python.none;
}

static void ask_for_end(void)
{
	static struct method method = {"at_exit", at_exit, METHOD_ARGUMENTS, NULL};
	PyObject *module = python.PyImport_ImportModule("atexit");
	PyObject *function = module ? get(module, "register") : NULL;
	PyObject *arguments = function ? python.PyTuple_New(1) : NULL, *result = NULL;

	if (arguments) {
		python.PyTuple_SetItem(arguments, 0, python.PyCFunction_NewEx(&method, NULL, NULL));
		result = python.PyObject_Call(function, arguments, NULL);
	}
	PyObject *const held[] = {module, function, arguments, result};

	for (size_t i = 0; i < sizeof(held) / sizeof(*held); i++)
		if (held[i])
			python.Py_DecRef(held[i]);
}

static void start(void)
{
	unsigned int counts = config.flags & (MEMORY_ALLOCATED | MEMORY_BLOCKS);

	if ((config.flags & MEMORY_BLOCKS && !stacks_init()) || (counts && !allocator_begin())) {
		library_problem(MEMORY_PROBLEM_ALLOCATORS);
		return;
	}
	ask_for_end();
	codes_init();
	monitored = monitor_begin();
	add_functions();
	python.PyErr_Restore(NULL, NULL, NULL);
	header->state = MEMORY_TRACING;
	begin();
}

/* Called by the main thread, which has the GIL, between two instructions. */
static int come_in(void *unused)
{
	find_version();
	/* Where Python keeps what is read here is known of these. */
	if (python.version != 0x0207 && (python.version < 0x0306 || python.version > 0x030f)) {
		library_problem(MEMORY_PROBLEM_VERSION);
	} else if (strstr(python.Py_GetVersion(), "free-threading")) {
		library_problem(MEMORY_PROBLEM_THREADED);
	} else if (!all_there()) {
		library_problem(MEMORY_PROBLEM_FUNCTIONS);
	} else if (!is_ready()) {
		__atomic_store_n(&python_waiting, true, __ATOMIC_RELEASE);
	} else {
		start();
	}
	return 0;
}

void python_poll(void)
{
	if (!python.Py_IsInitialized())
		return;
	if (!__atomic_exchange_n(&python_waiting, false, __ATOMIC_ACQ_REL))
		return;
	if (python.Py_AddPendingCall(come_in, NULL))
		__atomic_store_n(&python_waiting, true, __ATOMIC_RELEASE);
}
