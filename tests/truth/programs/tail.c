/* Calls that are jumps: who jumped is not on the stack any more, and must not be made up. */
#include "truth.h"

static const struct truth_place PLACES[] = {
	{"main leaf", 300},	     {"main passes", 200},	 {"main caller leaf", 200},
	{"main caller passes", 150}, {"main selects even", 100}, {"main selects odd", 100},
};

KEPT void leaf(int place)
{
	BURN(place);
}

KEPT void passes(int place)
{
	BURN(place + 1);
	leaf(place); /* jumps */
}

KEPT void caller(void)
{
	passes(2);
	HERE();
}

KEPT int even(int n);

KEPT int odd(int n)
{
	BURN(5);
	return n ? even(n - 1) : 1; /* jumps */
}

KEPT int even(int n)
{
	BURN(4);
	return n ? odd(n - 1) : 0; /* jumps */
}

KEPT int selects(int n)
{
	n = even(n);
	HERE();
	return n;
}

int main(void)
{
	int sum = 0;

	TRUTH_INIT(PLACES);
	while (truth_goes_on()) {
		passes(0);
		HERE();
		caller();
		sum += selects(3);
	}
	truth_print();
	return sum < 0;
}
