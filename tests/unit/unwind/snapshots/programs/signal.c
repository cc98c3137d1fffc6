#include <signal.h>
#include <stdlib.h>
#include <unistd.h>
static char st[65536];
static void h(int s)
{
	char c;
	volatile int r = (int)read(0, &c, 1) + s;
	(void)r;
}
static int cmp(const void *a, const void *b)
{
	raise(SIGUSR1);
	return *(const int *)a - *(const int *)b;
}
int main(void)
{
	stack_t a = {.ss_sp = st, .ss_size = sizeof st};
	struct sigaction s = {.sa_handler = h, .sa_flags = SA_ONSTACK};
	sigaltstack(&a, 0);
	sigaction(SIGUSR1, &s, 0);
	int v[5] = {3, 1, 2, 5, 4};
	qsort(v, 5, 4, cmp);
	return v[0];
}
