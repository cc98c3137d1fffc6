#include <stdlib.h>
#include <unistd.h>
static int n;
__attribute__((noinline)) static int wait_here(void)
{
	char c;
	int r = (int)read(0, &c, 1);
	__asm__ volatile("" ::: "memory");
	return r;
}
static int cmp2(const void *a, const void *b)
{
	if (++n > 12)
		wait_here();
	return *(const int *)a - *(const int *)b;
}
static int cmp1(const void *a, const void *b)
{
	int v[9] = {5, 2, 9, 1, 4, 8, 3, 7, 6};
	if (++n > 5)
		qsort(v, 9, 4, cmp2);
	return *(const int *)a - *(const int *)b;
}
int main(void)
{
	int v[9] = {5, 2, 9, 1, 4, 8, 3, 7, 6};
	qsort(v, 9, 4, cmp1);
	return v[0];
}
