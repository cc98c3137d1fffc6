/* Calls through frames of many shapes; the leaves are in another file. */
#include <alloca.h>

#include "plain.h"

static const struct truth_place PLACES[] = {
	{"main cycle two leaf_pushes", 400},
	{"main cycle two leaf_tiny", 300},
	{"main cycle big_frame leaf_big", 250},
	{"main cycle moving_stack leaf_moving", 200},
	{"main cycle many_arguments leaf_arguments", 150},
	{"main cycle sorts ... compare leaf_tiny", 100},
	{"main cycle aligned leaf_aligned", 100},
};

KEPT int two(int a, int b)
{
	int c = leaf_pushes(a, b, a + b);

	leaf_tiny(1);
	HERE();
	return c + a;
}

KEPT int big_frame(int a)
{
	volatile char room[70000];

	room[a & 0xff] = (char)a;
	a += leaf_big((char *)room);
	HERE();
	return a + room[0];
}

/* The stack pointer moves while it runs, so its caller is found by another register. */
KEPT int moving_stack(int n)
{
	int sum = 0;

	for (int i = 0; i < n; i++) {
		char *room = (char *)alloca((size_t)(64 + 16 * i));

		room[0] = (char)i;
		sum += leaf_moving(room);
		HERE();
	}
	return sum;
}

KEPT int many_arguments(int a, int b, int c, int d, int e, int f, int g, int h, int i)
{
	int sum = leaf_arguments(h, a, i, b, g, c, f, d, e);

	HERE();
	return sum + i + h;
}

KEPT int compare(const void *a, const void *b)
{
	leaf_tiny(5);
	HERE();
	return *(const int *)a - *(const int *)b;
}

KEPT void sorts(void)
{
	int numbers[] = {2, 1};

	qsort(numbers, 2, sizeof(numbers[0]), compare);
	HERE();
}

KEPT int aligned(int a)
{
	char room[256] __attribute__((aligned(64)));

	memset(room, a, sizeof(room));
	a += leaf_aligned(room);
	HERE();
	return a + room[7];
}

KEPT int cycle(int a)
{
	a += two(a, 3);
	a += big_frame(a);
	a += moving_stack(1 + (a & 1));
	a += many_arguments(1, 2, 3, 4, 5, 6, 7, 8, a);
	sorts();
	a += aligned(a);
	HERE();
	return a;
}

int main(void)
{
	int a = 1;

	TRUTH_INIT(PLACES);
	plain_share(truth_places);
	while (truth_goes_on())
		a = cycle(a) & 0xff;
	truth_print();
	return a < 0;
}
