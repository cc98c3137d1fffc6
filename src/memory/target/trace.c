/* Lines by the events of Python's trace function: in all versions, but where monitor.c does it. */
#include "memory/target/library.h"

/* Include/cpython/pystate.h */
enum { EVENT_CALL = 0, EVENT_LINE = 2, EVENT_RETURN = 3 };

static __thread PyObject *skipped; /* the frame whose lines are not measured */

static inline uint32_t line_of(PyObject *frame)
{
	uint32_t line = 0;

	if (likely(python.frame_line))
		line = *(uint32_t *)((char *)frame + python.frame_line);
	return likely(line) ? line : (uint32_t)python.PyFrame_GetLineNumber(frame);
}

static void on_call(PyObject *frame)
{
	struct code *c = codes_of_frame(frame);

	skipped = c->function ? NULL : frame;
	/* What goes on is in the middle of a line, of which Python says nothing. */
	if (c->function)
		lines_enter(frame, c, c->stops ? (uint32_t)python.PyFrame_GetLineNumber(frame) : 0);
}

static inline void on_line(PyObject *frame)
{
	uint32_t line;
	struct code *c;

	if (frame == skipped)
		return;
	line = line_of(frame);
	if (likely(lines_next(frame, line)))
		return;
	c = lines_code(frame);
	if (!c) {
		c = codes_of_frame(frame);
		if (!c->function) {
			skipped = frame;
			return;
		}
	}
	lines_line(frame, c, line, c->ninner && codes_is_inner(c, frame));
}

static void on_return(PyObject *frame)
{
	skipped = NULL;
	if (lines_code(frame) || codes_of_frame(frame)->function)
		lines_leave(frame);
}

/* Between two instructions of Python nobody looks at errno. */
static int trace(PyObject *object, PyObject *frame, int what, PyObject *argument)
{
	if (what == EVENT_LINE)
		on_line(frame);
	else if (what == EVENT_CALL)
		on_call(frame);
	else if (what == EVENT_RETURN)
		on_return(frame);
	return 0;
}

void trace_begin(void)
{
	skipped = NULL;
	python.PyEval_SetTrace(trace, NULL);
}
