/* A short life in a frame of many pages, most of which nobody ever touches: they are not there. */
#include "truth.h"

static const struct truth_place PLACES[] = {
	{"main wide leaf", 400},
	{"main wide wider leaf", 400},
};

KEPT int leaf(int place)
{
	BURN(place);
	return place;
}

KEPT int wider(void)
{
	volatile char room[20000];

	room[3] = 1;
	int r = leaf(1);
	HERE();
	return r + room[3];
}

KEPT int wide(void)
{
	volatile char room[30000];

	room[3] = 1;
	int r = leaf(0);
	r += wider();
	HERE();
	return r + room[3];
}

int main(void)
{
	int sum = 0;

	TRUTH_INIT(PLACES);
	while (truth_goes_on())
		sum += wide();
	truth_print();
	return sum < 0;
}
