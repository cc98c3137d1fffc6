/* Little but calls: samples fall into entries, exits and the jump tables between libraries. */
#include "truth.h"

static const struct truth_place PLACES[] = {
	{"main calls_much", 300},
	{"main calls_library ...", 300},
	{"calls_much small smaller", 0},
	{"calls_much moving", 0},
};

KEPT int smaller(int a)
{
	__asm__ volatile("" : "+r"(a) : : "rbx", "r12");
	return a + 1;
}

KEPT int small(int a)
{
	__asm__ volatile("" : "+r"(a) : : "rbx", "r12", "r13", "r14", "r15");
	a = smaller(a);
	HERE();
	return a;
}

KEPT int moving(int n)
{
	volatile char room[8 + (n & 63)];

	room[0] = (char)n;
	return room[0];
}

KEPT int calls_much(struct truth_place *place)
{
	uint64_t start = TRUTH_CLOCK(), end = start + TRUTH_SLICE(place), now = start;
	int sum = 0;

	while (now < end) {
		for (int i = 0; i < 2000; i++) {
			sum += small(i);
			sum += moving(i);
		}
		now = TRUTH_CLOCK();
	}
	place->ns += now - start;
	return sum;
}

KEPT int calls_library(struct truth_place *place)
{
	uint64_t start = TRUTH_CLOCK(), end = start + TRUTH_SLICE(place), now = start;
	int (*volatile unknown)(int) = abs;
	char text[] = "1234";
	int sum = 0;

	while (now < end) {
		for (int i = 0; i < 300; i++) {
			sum += (int)strtol(text, NULL, 10) + unknown(i);
			free(malloc(20));
		}
		now = TRUTH_CLOCK();
	}
	place->ns += now - start;
	return sum;
}

int main(void)
{
	int sum = 0;

	TRUTH_INIT(PLACES);
	while (truth_goes_on()) {
		sum += calls_much(&truth_places[0]);
		sum += calls_library(&truth_places[1]);
	}
	truth_print();
	return sum == 42;
}
