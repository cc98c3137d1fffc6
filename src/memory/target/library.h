/* memory/target/library.h - the library that `glim mem` loads into the program.
 *
 * It comes by LD_PRELOAD into every process of the run and does nothing unless there is a Python.
 * Parts: store.c (the file that Glim reads), python.c (functions of the interpreter, and coming
 * into it), codes.c (which code is measured), lines.c (what lines add), resident.c (resident
 * memory), trace.c and monitor.c (how Python tells of lines), allocator.c (bytes given out and
 * taken back), stacks.c (who holds them), library.c (begin, fork, end). It is linked with nothing,
 * so that glibc of any age and musl can load it: what it calls is found in the program. Threads:
 * what the trace function touches is guarded by the GIL; the rest says so. Nothing here ever ends
 * the program, writes to its terminal, or changes errno. */
#ifndef GLIM_MEMORY_LIBRARY_H
#define GLIM_MEMORY_LIBRARY_H

#include <stdbool.h>
#include <stddef.h>

#include "memory/target/memory_abi.h"

/* What is declared here is of the library alone: no way around over tables for what others may
 * replace. */
#pragma GCC visibility push(hidden)

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* ---- library.c ---- */

extern struct memory_config_abi config;
void library_problem(enum memory_problem problem);
uint64_t library_now(void); /* CLOCK_REALTIME, nanoseconds */
extern const char library_single_threaded __asm__("__libc_single_threaded")
	__attribute__((weak, visibility("default")));
/* This process has one thread, so nothing needs a lock; false where the C library does not tell. */
static inline bool library_alone(void)
{
	return &library_single_threaded && library_single_threaded;
}

/* ---- store.c ---- */

/* The header of the file, a place of its own where there is no file. */
extern struct memory_header_abi *header;
int store_open(const char *folder);
/* A zeroed record, NULL where there is no room. Threads: any. */
void *store_record(uint32_t kind, size_t bytes);
/* In a child: a file of its own, whose records stand at the same addresses with their numbers at
 * zero. */
void store_fork(void);
/* Memory of the library's own, zeroed, for ever; NULL where there is none. Threads: any. */
void *store_memory(size_t bytes);
/* Pages that the library itself made resident. */
extern int64_t store_pages;

/* ---- python.c ---- */

typedef struct object PyObject; /* opaque: the names of Python's own headers */

typedef int trace_function(PyObject *object, PyObject *frame, int what, PyObject *argument);
/* X(type, name, arguments): functions of every Python from 2.7 on. */
#define PYTHON_FUNCTIONS(X)                                                                        \
	X(int, Py_IsInitialized, (void))                                                           \
	X(int, Py_AddPendingCall, (int (*)(void *), void *))                                       \
	X(const char *, Py_GetVersion, (void))                                                     \
	X(void, Py_IncRef, (PyObject *))                                                           \
	X(void, Py_DecRef, (PyObject *))                                                           \
	X(void, PyEval_SetTrace, (trace_function *, PyObject *))                                   \
	X(void, PyEval_SetProfile, (trace_function *, PyObject *))                                 \
	X(int, PyFrame_GetLineNumber, (PyObject *))                                                \
	X(PyObject *, PyObject_GetAttrString, (PyObject *, const char *))                          \
	X(int, PyObject_SetAttrString, (PyObject *, const char *, PyObject *))                     \
	X(PyObject *, PyObject_Call, (PyObject *, PyObject *, PyObject *))                         \
	X(PyObject *, PyObject_GetIter, (PyObject *))                                              \
	X(PyObject *, PyIter_Next, (PyObject *))                                                   \
	X(int, PyCallable_Check, (PyObject *))                                                     \
	X(long, PyLong_AsLong, (PyObject *))                                                       \
	X(void, PyErr_Fetch, (PyObject **, PyObject **, PyObject **))                              \
	X(void, PyErr_Restore, (PyObject *, PyObject *, PyObject *))                               \
	X(PyObject *, PySys_GetObject, (const char *))                                             \
	X(PyObject *, PyDict_GetItemString, (PyObject *, const char *))                            \
	X(PyObject *, PyCFunction_NewEx, (void *, PyObject *, PyObject *))                         \
	X(PyObject *, PyTuple_New, (intptr_t))                                                     \
	X(intptr_t, PyTuple_Size, (PyObject *))                                                    \
	X(PyObject *, PyTuple_GetItem, (PyObject *, intptr_t))                                     \
	X(int, PyTuple_SetItem, (PyObject *, intptr_t, PyObject *))                                \
	X(PyObject *, PyImport_ImportModule, (const char *))
/* Those that only some have. */
#define PYTHON_OPTIONAL(X)                                                                         \
	X(PyObject *, PyFrame_GetCode, (PyObject *))                                               \
	X(int, PyFrame_GetLasti, (PyObject *))                                                     \
	X(PyObject *, PyEval_GetFrame, (void))                                                     \
	X(int, PyCode_Addr2Line, (PyObject *, int))                                                \
	X(PyObject *, PyLong_FromLong, (long))                                                     \
	X(PyObject *, PyUnicode_FromString, (const char *))                                        \
	X(const char *, PyUnicode_AsUTF8, (PyObject *))                                            \
	X(char *, PyString_AsString, (PyObject *))                                                 \
	X(char *, PyBytes_AsString, (PyObject *))                                                  \
	X(intptr_t, PyBytes_Size, (PyObject *))                                                    \
	X(intptr_t, PyString_Size, (PyObject *))                                                   \
	X(void, PyMem_GetAllocator, (int, void *))                                                 \
	X(void, PyMem_SetAllocator, (int, void *))                                                 \
	X(int, PyErr_ExceptionMatches, (PyObject *))                                               \
	X(void, PyErr_FormatUnraisable, (const char *, ...))                                       \
	X(void, _PyErr_WriteUnraisableMsg, (const char *, PyObject *))                             \
	X(void, PyErr_PrintEx, (int))                                                              \
	X(int, PyFile_WriteObject, (PyObject *, PyObject *, int))                                  \
	X(void, PySys_WriteStderr, (const char *, ...))
struct python {
#define X(type, name, arguments) type(*name) arguments;
	PYTHON_FUNCTIONS(X)
	PYTHON_OPTIONAL(X)
#undef X
	PyObject *none;
	PyObject **system_exit;	    /* PyExc_SystemExit */
	uint32_t version;	    /* 0xMMmm */
	uint16_t frame_line;	    /* where a frame keeps its line while it is traced, 0: ask */
	uint16_t frame_instruction; /* the same for its instruction, 0: elsewhere (stacks.c) */
};
extern struct python python;

/* Look for an interpreter in this process; true where there is one, which is then waited for. */
bool python_find(void);
/* An interpreter is there and runs no code of ours yet. */
extern bool python_waiting;
/* Ask it to let us in, once it can. Called from allocations. Threads: any. */
void python_poll(void);
/* The text of a str or of bytes, NULL where it is none. */
const char *python_text(PyObject *o);
/* The attribute as a number, or fallback. */
long python_number(PyObject *o, const char *attribute, long fallback);

/* ---- codes.c ---- */

/* What is known of a code object. */
struct code {
	PyObject *object;		      /* held */
	struct memory_function_abi *function; /* NULL: not to be measured */
	struct memory_line_abi *lines;
	uint32_t first_line, nlines;
	uint32_t number; /* of the function */
	uint32_t active; /* activations, of all threads */
	bool stops;	 /* a generator or a coroutine: it goes on where it stopped */
	/* Instructions of comprehensions, which run in this frame from 3.12 on. */
	struct inner {
		int first, last; /* as co_code counts bytes */
	} * inner;
	uint32_t ninner;
	bool watched; /* monitor.c asked for its lines */
};
/* Find out where the user's own code is. */
void codes_init(void);
/* Never NULL. */
struct code *codes_find(PyObject *code);
struct code *codes_of_frame(PyObject *frame);
/* Is the frame, which is of that code, within a comprehension? */
bool codes_is_inner(const struct code *c, PyObject *frame);
bool codes_has_inner(const struct code *c, int instruction);
/* @profile: it is to be measured wherever it is from. */
void codes_decorate(PyObject *code);

/* ---- allocator.c ---- */

struct amount {
	int64_t level; /* what differences are made of */
	int64_t high;  /* the most of it since the last look */
	int64_t usage; /* of the process */
};
/* Of the blocks that this thread was given. */
struct allocator_thread {
	int64_t net;
	int64_t high;	 /* the most of it since the last look, until what was last given back */
	int64_t flushed; /* what the process' sum has of it */
	bool quiet;	 /* the library itself is at work */
};
extern __thread struct allocator_thread allocator_mine;
/* Count from now on. With the GIL. */
bool allocator_begin(void);
/* What is there now stays counted: the program is over. */
void allocator_end(void);
void allocator_flush(void);
/* Of this thread's blocks. In each event of a line, and so it stands here. */
static inline struct amount allocator_amount(void)
{
	struct allocator_thread *mine = &allocator_mine;
	struct amount m = {.level = mine->net, .high = mine->high};

	if (m.level > m.high)
		m.high = m.level;
	if (m.level != mine->flushed)
		allocator_flush();
	mine->high = m.level;
	m.usage = header->allocated;
	return m;
}
/* A block that is there for what the library does, not for the program: it counts no more. Before
 * anything else is given back. */
void allocator_forget(const void *p);
/* What this thread asks for is the library's own, and does not count. Returns what was so before.
 */
bool allocator_quiet(bool quiet);
void allocator_fork(void);

/* ---- resident.c ---- */

/* Of the process. With the GIL. */
struct amount resident_amount(void);
void resident_fork(void);

/* ---- stacks.c ---- */

bool stacks_init(void);
/* With the GIL, from here on. Know the frames of this thread from now on, by Python's profile
 * function where nothing else tells of them; false where there is no room. */
bool stacks_begin(bool by_profile);
/* A frame of this thread begins, or goes on; it returns, or stops for a while. */
void stacks_enter(PyObject *frame, struct code *c);
void stacks_leave(PyObject *frame);
/* The thread ends, or is profiled by the program. */
void stacks_drop(void);
/* A block of n bytes for who runs now; returns the node that holds it. Threads: any. */
uint32_t stacks_give(size_t n);
/* The node gave it back; it has it again. */
void stacks_take(uint32_t node, uint64_t n);
void stacks_back(uint32_t node, uint64_t n);
void stacks_fork(void);

/* ---- lines.c ---- */

/* All with the GIL. key: the frame, or what stands for it. */
/* A frame begins, or goes on in this line (0: it begins). */
void lines_enter(PyObject *key, struct code *c, uint32_t line);
/* The topmost begins a line. False, with nothing done: it is another frame, or has comprehensions
 * within. */
bool lines_next(PyObject *key, uint32_t line);
/* It begins a line; inner: within a comprehension, which goes around in one line. */
void lines_line(PyObject *key, struct code *c, uint32_t line, bool inner);
/* It returns, or stops for a while. */
void lines_leave(PyObject *key);
/* The code of the frame if it is the topmost that is measured, else NULL. */
struct code *lines_code(PyObject *key);
/* The thread ends, or is traced by the program: what it ran is over, unmeasured. */
void lines_drop(void);
/* In a child: amounts are others than before. */
void lines_fork(void);

/* ---- trace.c ---- */

/* Measure the lines of this thread from now on. */
void trace_begin(void);

/* ---- monitor.c ---- */

/* Measure the lines of all threads from now on, or know their stacks with MEMORY_BLOCKS; false
 * where this version cannot. */
bool monitor_begin(void);

#pragma GCC visibility pop
#endif
