/* Becomes another program at the same addresses, and back: usage: reexec ROUNDS OTHER
 * NAME tells the two apart; their code is alike. */
#include <unistd.h>

#include "truth.h"

#define JOIN_(a, b) a##b
#define JOIN(a, b)  JOIN_(a, b)
#define leaf	    JOIN(NAME, _leaf)
#define enter	    JOIN(NAME, _enter)
#define TEXT_OF(x)  #x
#define TEXT(x)	    TEXT_OF(x)

static const struct truth_place PLACES[] = {
	{"main " TEXT(NAME) "_enter " TEXT(NAME) "_leaf", 300},
	{"main " TEXT(NAME) "_leaf", 100},
};

KEPT void leaf(int place)
{
	BURN(place);
}

KEPT void enter(void)
{
	leaf(0);
	HERE();
}

int main(int argc, char **argv)
{
	int rounds = argc > 2 ? atoi(argv[1]) : 0;
	char next[16];

	TRUTH_INIT(PLACES);
	while (truth_goes_on()) {
		enter();
		leaf(1);
		HERE();
	}
	truth_print();
	if (rounds <= 1)
		return 0;
	/* Both images have been seen when each of them has had its warm-up. */
	if (rounds % 2)
		setenv("TRUTH_WARM_MS", "0", 1);
	snprintf(next, sizeof(next), "%d", rounds - 1);
	execl(argv[2], argv[2], next, argv[0], NULL);
	return 1;
}
