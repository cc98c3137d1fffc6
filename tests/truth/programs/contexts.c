/* Stacks of the program's own making: contexts that take turns on one thread. */
#include <ucontext.h>

#include "truth.h"

static const struct truth_place PLACES[] = {
	{"first_context turn leaf", 300},
	{"second_context turn leaf", 200},
	{"main leaf", 100},
	{"turn ...", 0},
};

static ucontext_t scheduler, contexts[2];

KEPT void leaf(int place)
{
	BURN(place);
}

KEPT void turn(int place)
{
	leaf(place);
	swapcontext(&contexts[place], &scheduler);
	HERE();
}

KEPT void first_context(void)
{
	for (;;)
		turn(0);
}

KEPT void second_context(void)
{
	for (;;)
		turn(1);
}

static void make(int i, void (*start)(void))
{
	getcontext(&contexts[i]);
	contexts[i].uc_stack.ss_size = 64 << 10;
	contexts[i].uc_stack.ss_sp = malloc(contexts[i].uc_stack.ss_size);
	contexts[i].uc_link = &scheduler;
	makecontext(&contexts[i], start, 0);
}

int main(void)
{
	TRUTH_INIT(PLACES);
	make(0, first_context);
	make(1, second_context);
	while (truth_goes_on()) {
		swapcontext(&scheduler, &contexts[0]);
		leaf(2);
		swapcontext(&scheduler, &contexts[1]);
	}
	truth_print();
	return 0;
}
