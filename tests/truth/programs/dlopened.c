/* Libraries that come after the start, and go: the second gets the place of the first. */
#include <dlfcn.h>

#include "truth.h"

static const struct truth_place PLACES[] = {
	{"main uses first_enter first_leaf", 300},
	{"main uses second_enter second_leaf", 200},
	{"main uses own", 100},
	{"uses ...", 0},
};

KEPT void own(void)
{
	BURN(2);
}

KEPT void *uses(const char *file, const char *name, struct truth_place *place, int times)
{
	void *library = dlopen(file, RTLD_NOW);
	void *symbol = library ? dlsym(library, name) : NULL;
	void (*enter)(struct truth_place *);

	if (!symbol)
		abort();
	memcpy(&enter, &symbol, sizeof(enter));
	for (int i = 0; i < times; i++) {
		enter(place);
		own();
	}
	dlclose(library);
	return symbol;
}

int main(int argc, char **argv)
{
	void *first = NULL, *second = NULL;

	if (argc < 3)
		return 2;
	TRUTH_INIT(PLACES);
	uses(argv[1], "first_enter", NULL, 1);
	uses(argv[2], "second_enter", NULL, 1);
	while (truth_goes_on()) {
		first = uses(argv[1], "first_enter", &truth_places[0], 300);
		second = uses(argv[2], "second_enter", &truth_places[1], 300);
	}
	truth_print();
	return first != second;
}
