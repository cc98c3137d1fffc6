/* Lives for as long as it takes to burn TRUTH_CPU_MS, and says what it did. */
#include "truth.h"

static const struct truth_place PLACES[] = {
	{"main enter leaf", 200},
	{"main enter", 100},
};

KEPT void leaf(void)
{
	BURN(0);
}

KEPT void enter(void)
{
	leaf();
	BURN(1);
}

int main(void)
{
	TRUTH_INIT(PLACES);
	while (truth_goes_on())
		enter();
	truth_print();
	return 0;
}
