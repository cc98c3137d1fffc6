/* A library that dlopened.c loads: NAME tells the copies apart, their code is alike. */
#include "truth.h"

#define JOIN_(a, b) a##b
#define JOIN(a, b)  JOIN_(a, b)
#define leaf	    JOIN(NAME, _leaf)
#define enter	    JOIN(NAME, _enter)

void leaf(struct truth_place *place);
void enter(struct truth_place *place);

KEPT void leaf(struct truth_place *place)
{
	BURN_PLACE(place);
}

KEPT void enter(struct truth_place *place)
{
	if (!place)
		truth_warm(100);
	else
		leaf(place);
	HERE();
}
