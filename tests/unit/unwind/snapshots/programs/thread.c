#include <pthread.h>
#include <unistd.h>
static void *start(void *p)
{
	char c;
	volatile int r = (int)read(0, &c, 1);
	(void)r;
	return p;
}
int main(void)
{
	pthread_t t;
	pthread_create(&t, 0, start, 0);
	pthread_join(t, 0);
}
