/* The main thread ends first; and the process has MAPPINGS mappings, some of them code. */
#include <pthread.h>

#include "truth.h"

static const struct truth_place PLACES[] = {
	{"worker enter leaf", 300},
	{"worker enter", 100},
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

KEPT void *worker(void *main_thread)
{
	if (pthread_join(*(pthread_t *)main_thread, NULL))
		abort();
	TRUTH_INIT(PLACES);
	while (truth_goes_on())
		enter();
	truth_print();
	exit(0);
}

/* Neighbours that may not be merged: every other page may be written to, or is code. */
static void map_many(void)
{
	const size_t page = 4096;
	unsigned char *memory;

	memory = (unsigned char *)mmap(NULL, page * (MAPPINGS + 1), PROT_READ,
				       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		abort();
	for (size_t i = 0; i < MAPPINGS; i += 2)
		if (mprotect(memory + i * page, page,
			     PROT_READ | (i % 64 ? PROT_WRITE : PROT_EXEC)))
			abort();
}

int main(void)
{
	static pthread_t self, thread;

	map_many();
	self = pthread_self();
	if (pthread_create(&thread, NULL, worker, &self))
		return 1;
	pthread_exit(NULL);
}
