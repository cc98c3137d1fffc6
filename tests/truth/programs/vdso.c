/* Most of the time in code that the kernel brings along. */
#include "truth.h"

static const struct truth_place PLACES[] = {
	{"main asks ...", 300},
	{"main leaf", 100},
};

KEPT void leaf(void)
{
	BURN(1);
}

KEPT void asks(struct truth_place *place)
{
	uint64_t start = TRUTH_CLOCK(), end = start + TRUTH_SLICE(place), now = start;
	struct timespec t;

	while (now < end) {
		for (int i = 0; i < 500; i++)
			clock_gettime(CLOCK_MONOTONIC, &t);
		now = TRUTH_CLOCK();
	}
	place->ns += now - start;
}

int main(void)
{
	TRUTH_INIT(PLACES);
	while (truth_goes_on()) {
		asks(&truth_places[0]);
		leaf();
		HERE();
	}
	truth_print();
	return 0;
}
