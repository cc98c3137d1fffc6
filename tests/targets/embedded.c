/* A program with a Python inside: two interpreters, the second in a thread that C made. Beside them
 * is a thread state of the first thread that never runs Python, as programs keep one for later.
 *
 * Each says its name, works until it is killed. CPython 2.7 and 3.6 to 3.13. */
#include <Python.h>
#include <pthread.h>
#include <semaphore.h>

static sem_t second_is_there;

/* Define what an interpreter does, and say so. */
static void begin(const char *name)
{
	static const char *const code = "import sys, time\n"
					"def spin(n):\n"
					"    x = 0\n"
					"    for i in range(n):\n"
					"        x += i\n"
					"def work():\n"
					"    while True:\n"
					"        spin(20000)\n"
					"        time.sleep(0.0005)\n"
					"def %s():\n"
					"    work()\n"
					"sys.stdout.write('%s\\n')\n"
					"sys.stdout.flush()\n";
	char text[1024];

	snprintf(text, sizeof(text), code, name, name);
	PyRun_SimpleString(text);
}

static void work(const char *name)
{
	char text[64];

	snprintf(text, sizeof(text), "%s()\n", name);
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
		begin("second");
	sem_post(&second_is_there);
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
	sem_init(&second_is_there, 0, 0);
	pthread_create(&thread, NULL, second, PyThreadState_New(PyThreadState_Get()->interp));
	/* Interpreters that are made while another works may wait for their turn for ever, to 3.11.
	 */
	Py_BEGIN_ALLOW_THREADS sem_wait(&second_is_there);
	Py_END_ALLOW_THREADS begin("first");
	work("first");
	return 1;
}
