//go:build cgo

package main

/*
#include <pthread.h>

extern int intoGo(int);

static __attribute__((noinline)) int spin(int n)
{
	volatile int sum = 0;

	for (int i = 0; i < 500; i++)
		sum += i ^ n;
	return sum;
}

// C calls Go, which calls C again.
static __attribute__((noinline)) int from_go(int n)
{
	return spin(n) + intoGo(n) + spin(n);
}

static void *thread(void *arg)
{
	return (void *)(long)from_go((int)(long)arg);
}

static int from_thread(int n)
{
	pthread_t t;
	void *result;

	if (pthread_create(&t, NULL, thread, (void *)(long)n))
		return 0;
	pthread_join(t, &result);
	return (int)(long)result;
}
*/
import "C"

//export intoGo
func intoGo(n C.int) C.int {
	sum := C.int(leaf(int(n)))
	if n > 0 {
		// The stack moves while C is below.
		sum += C.int(grow(10 * int(n)))
		sum += C.from_go(n - 1)
	}
	return sum
}

//go:noinline
func withC() int {
	n := 0

	for i := 0; i < 20; i++ {
		n += int(C.from_go(5))
	}
	return n + int(C.from_thread(3))
}
