/* The leaves of plain.c: each burns in a frame of another shape. */
#include "plain.h"

static struct truth_place *shared;

KEPT void plain_share(struct truth_place *places)
{
	shared = places;
}

/* Keeps much over the burning: all registers that a callee must save. */
KEPT int leaf_pushes(int a, int b, int c)
{
	int d = a * b, e = b * c, f = c * a, g = a + b * c;

	__asm__ volatile(""
			 : "+r"(d), "+r"(e), "+r"(f), "+r"(g)
			 :
			 : "rbx", "r12", "r13", "r14", "r15");
	BURN_PLACE(&shared[0]);
	return d + e + f + g;
}

KEPT int leaf_tiny(int place)
{
	BURN_PLACE(&shared[place]);
	return place;
}

KEPT int leaf_big(char *room)
{
	volatile char more[40000];

	more[5] = room[0];
	BURN_PLACE(&shared[2]);
	return more[5];
}

KEPT int leaf_moving(char *room)
{
	BURN_PLACE(&shared[3]);
	return room[0];
}

KEPT int leaf_arguments(int a, int b, int c, int d, int e, int f, int g, int h, int i)
{
	BURN_PLACE(&shared[4]);
	return a + b + c + d + e + f + g + h + i;
}

KEPT int leaf_aligned(char *room)
{
	BURN_PLACE(&shared[6]);
	return room[0];
}
