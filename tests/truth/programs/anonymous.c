/* Machine code in memory that belongs to no file: it counts, and calls back. */
#include "truth.h"

static const struct truth_place PLACES[] = {
	{"main runs ... called_back leaf", 300},
	{"main runs ...", 200},
	{"main leaf", 100},
};

/* push %rbp; mov %rsp,%rbp; call *%rdi; pop %rbp; ret */
static const unsigned char CALLS[] = {0x55, 0x48, 0x89, 0xe5, 0xff, 0xd7, 0x5d, 0xc3};
/* push %rbp; mov %rsp,%rbp; mov $40000,%ecx; 1: dec %ecx; jnz 1b; pop %rbp; ret */
static const unsigned char COUNTS[] = {0x55, 0x48, 0x89, 0xe5, 0xb9, 0x40, 0x9c, 0x00,
				       0x00, 0xff, 0xc9, 0x75, 0xfc, 0x5d, 0xc3};

KEPT void leaf(int place)
{
	BURN(place);
}

KEPT void called_back(void)
{
	leaf(0);
	HERE();
}

KEPT void runs(void (*code)(void (*)(void)), void (*counts)(void))
{
	struct truth_place *place = &truth_places[1];
	uint64_t start, end, now;

	code(called_back);
	start = now = TRUTH_CLOCK();
	end = start + TRUTH_SLICE(place);
	for (; now < end; now = TRUTH_CLOCK())
		counts();
	place->ns += now - start;
}

int main(void)
{
	unsigned char *memory = (unsigned char *)mmap(NULL, 4096, PROT_READ | PROT_WRITE,
						      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void (*code)(void (*)(void)), (*counts)(void);
	unsigned char *second = memory + 64;

	if (memory == MAP_FAILED)
		abort();
	memcpy(memory, CALLS, sizeof(CALLS));
	memcpy(second, COUNTS, sizeof(COUNTS));
	if (mprotect(memory, 4096, PROT_READ | PROT_EXEC))
		abort();
	memcpy(&code, &memory, sizeof(code));
	memcpy(&counts, &second, sizeof(counts));
	TRUTH_INIT(PLACES);
	while (truth_goes_on()) {
		runs(code, counts);
		leaf(2);
		HERE();
	}
	truth_print();
	return 0;
}
