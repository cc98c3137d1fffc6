/* Assembly that says nothing of its frames: asm_bare.S. One half keeps frame pointers, one does
 * not. The callers here keep frame pointers, so that a walk by them alone would lose a caller
 * unseen. */
#include "truth.h"

static const struct truth_place PLACES[] = {
	{"main with_pointer fp_outer fp_leaf", 300},
	{"main with_pointer fp_outer c_leaf", 200},
	{"main without_pointer bare_leaf", 200, BARE_OUTCOME},
	{"main without_pointer bare_outer bare_calls c_leaf", 100, BARE_OUTCOME},
};

void fp_outer(void (*inner)(void));
void fp_leaf(void);
void bare_leaf(void);
void bare_outer(void (*inner)(void));
void bare_calls(void (*inner)(void));

static int current;

KEPT void c_leaf(void)
{
	BURN(current);
}

/* The leaves in assembly only count; their time is taken here. */
KEPT void with_pointer(void)
{
	uint64_t start = TRUTH_CLOCK(), end = start + TRUTH_SLICE(&truth_places[0]), now = start;

	for (; now < end; now = TRUTH_CLOCK())
		fp_outer(fp_leaf);
	truth_places[0].ns += now - start;
	current = 1;
	fp_outer(c_leaf);
	HERE();
}

KEPT void without_pointer(void)
{
	uint64_t start = TRUTH_CLOCK(), end = start + TRUTH_SLICE(&truth_places[2]), now = start;

	for (; now < end; now = TRUTH_CLOCK())
		bare_leaf();
	truth_places[2].ns += now - start;
	current = 3;
	bare_outer(c_leaf);
	HERE();
}

int main(void)
{
	TRUTH_INIT(PLACES);
	while (truth_goes_on()) {
		with_pointer();
#ifdef WITH_BARE
		without_pointer();
#endif
	}
	truth_print();
	return 0;
}
