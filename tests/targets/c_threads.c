/* A thread that C makes and that calls back, again and again. */
#include <pthread.h>

typedef int (*callback)(int);

static void *run(void *arg)
{
	callback call = (callback)arg;

	while (call(1))
		;
	return NULL;
}

int start(callback call);

int start(callback call)
{
	pthread_t thread;

	return pthread_create(&thread, NULL, run, (void *)call);
}
