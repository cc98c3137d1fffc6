/* 600 calls deep, of PAD bytes of stack each and a little. Says "ready", works until it is killed.
 */
#include <stdio.h>

#ifndef PAD
#define PAD 1
#endif

__attribute__((noinline, noclone)) unsigned long bottom(void)
{
	volatile unsigned long x = 0;

	for (;;)
		x++;
	return x;
}

__attribute__((noinline, noclone)) unsigned long down(int n)
{
	char pad[PAD];
	unsigned long r;

	__asm__ volatile("" : : "r"(pad) : "memory");
	r = n ? down(n - 1) : bottom();
	__asm__ volatile("" : "+r"(r) : "r"(pad) : "memory");
	return r + 1;
}

int main(void)
{
	puts("ready");
	fflush(stdout);
	return (int)down(600);
}
