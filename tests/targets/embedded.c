/* A program with a Python inside: two interpreters, the second in a thread that C made. Beside them
 * is a thread state of the first thread that never runs Python, as programs keep one for later.
 *
 * Says "ready", works until it is killed. CPython 2.7 and 3.6 to 3.13. */
#include <Python.h>
#include <pthread.h>

static void work(const char *name)
{
	static const char *const code = "import sys, time\n"
					"def spin(n):\n"
					"    x = 0\n"
					"    for i in range(n):\n"
					"        x += i\n"
					"def work():\n"
					"    while True:\n"
					"        spin(20000)\n"
					"        time.sleep(0)\n"
					"def %s():\n"
					"    work()\n"
					"sys.stdout.write('%s\\n')\n"
					"sys.stdout.flush()\n"
					"%s()\n";
	char text[1024];

	snprintf(text, sizeof(text), code, name, name, name);
	PyRun_SimpleString(text);
}

static void *second(void *state)
{
	PyThreadState *own = NULL;

	PyEval_RestoreThread(state);
#if PY_VERSION_HEX >= 0x030c0000
	PyInterpreterConfig config = {.check_multi_interp_extensions = 1,
				      .gil = PyInterpreterConfig_OWN_GIL,
				      .allow_threads = 1};

	Py_NewInterpreterFromConfig(&own, &config);
#else
	own = Py_NewInterpreter();
#endif
	if (own)
		work("second");
	return NULL;
}

int main(void)
{
	pthread_t thread;

	Py_Initialize();
#if PY_VERSION_HEX < 0x03070000
	PyEval_InitThreads();
#endif
	PyThreadState_New(PyThreadState_Get()->interp);
	pthread_create(&thread, NULL, second, PyThreadState_New(PyThreadState_Get()->interp));
	work("first");
	return 1;
}
