#include <time.h>
int main(void)
{
	struct timespec t;
	volatile long s = 0;
	for (;;) {
		clock_gettime(CLOCK_MONOTONIC, &t);
		s += t.tv_nsec;
	}
}
