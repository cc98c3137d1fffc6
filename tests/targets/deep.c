/* 600 calls deep. Says "ready", works until it is killed. */
#include <stdio.h>

__attribute__((noinline, noclone)) unsigned long bottom(void)
{
	volatile unsigned long x = 0;

	for (;;)
		x++;
	return x;
}

__attribute__((noinline, noclone)) unsigned long down(int n)
{
	unsigned long r = n ? down(n - 1) : bottom();

	__asm__ volatile("" : "+r"(r));
	return r + 1;
}

int main(void)
{
	puts("ready");
	fflush(stdout);
	return (int)down(600);
}
