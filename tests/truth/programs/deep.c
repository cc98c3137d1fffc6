/* DEPTH calls of the same function. */
#include "truth.h"

#define TEXT_OF(x) #x
#define TEXT(x)	   TEXT_OF(x)

static const struct truth_place PLACES[] = {
	{"main down*" TEXT(DEPTH) " bottom", 500},
	{"main down*" TEXT(DEPTH) " second", 300},
	{"main shallow bottom", 100},
};

KEPT int bottom(int place)
{
	BURN(place);
	return place;
}

KEPT int second(void)
{
	BURN(1);
	return 1;
}

KEPT int down(int n)
{
	int r;

	if (n == 1) {
		r = second();
		r += bottom(0);
	} else {
		r = down(n - 1);
	}
	__asm__ volatile("" : "+r"(r));
	return r + 1;
}

KEPT int shallow(void)
{
	int r = bottom(2);

	HERE();
	return r;
}

int main(void)
{
	int sum = 0;

	TRUTH_INIT(PLACES);
	while (truth_goes_on()) {
		sum += down(DEPTH);
		sum += shallow();
	}
	truth_print();
	return sum < 0;
}
