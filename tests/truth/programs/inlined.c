/* Functions that the compiler must put into their callers; with debug information they have names.
 */
#include "truth.h"

static const struct truth_place PLACES[] = {
	{"main outer first_in second_in third_in", 400},
	{"main outer first_in", 200},
	{"main other second_in third_in", 300},
	{"main other leaf", 100},
};

INLINE void third_in(int place)
{
	BURN(place);
}

INLINE void second_in(int place)
{
	third_in(place);
	HERE();
}

INLINE void first_in(int place)
{
	second_in(place);
	BURN(1);
}

KEPT void leaf(void)
{
	BURN(3);
}

KEPT void outer(void)
{
	first_in(0);
	HERE();
}

KEPT void other(void)
{
	second_in(2);
	leaf();
	HERE();
}

int main(void)
{
	TRUTH_INIT(PLACES);
	while (truth_goes_on()) {
		outer();
		other();
	}
	truth_print();
	return 0;
}
