/* THREADS threads, each with its own leaf more or less often; they want more CPU than there is. */
#include <pthread.h>

#include "truth.h"

static const struct truth_place PLACES[] = {
	{"worker even leaf", 300},
	{"worker odd leaf", 200},
	{"worker odd", 100},
};

KEPT void leaf(int place)
{
	BURN(place);
}

KEPT void even(void)
{
	leaf(0);
	HERE();
}

KEPT void odd(void)
{
	leaf(1);
	BURN(2);
}

KEPT void *worker(void *arg)
{
	while (truth_goes_on()) {
		if ((uintptr_t)arg % 2)
			odd();
		else
			even();
	}
	return arg;
}

int main(void)
{
	pthread_t threads[THREADS];

	TRUTH_INIT(PLACES);
	for (uintptr_t i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, worker, (void *)i))
			abort();
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	truth_print();
	return 0;
}
