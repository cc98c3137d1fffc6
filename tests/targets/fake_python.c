/* No Python, but it says so: a _PyRuntime in which every pointer leads back to it, so that all
 * lists and chains of frames go round, every size is enormous and every thread is this one.
 *
 * Says "ready", and waits. cc -DVERSION=0x030b07f0 -rdynamic */
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#define WORDS (1 << 16)

unsigned long Py_Version = VERSION;
uint64_t _PyRuntime[WORDS];

void _PyEval_EvalFrameDefault(void)
{
	for (;;)
		__asm__ volatile("pause");
}

int main(void)
{
	for (int i = 0; i < WORDS; i++)
		_PyRuntime[i] = (uint64_t)&_PyRuntime[WORDS / 2];
	puts("ready");
	fflush(stdout);
	_PyEval_EvalFrameDefault();
}
