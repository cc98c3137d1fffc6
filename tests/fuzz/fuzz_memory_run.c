/* A file of the memory library: the target may have written anything into it. */
#include "fuzz.h"
#include "memory/memory_run.h"

static void check_process(const struct memory_process *p)
{
	CHECK(!p->at_peak == !p->leaks);
	for (size_t i = 0; i < p->nfunctions; i++) {
		const struct memory_function *f = &p->functions[i];

		CHECK(f->first_line && f->first_line <= f->last_line);
		CHECK(f->calls || f->nlines || f->decorated);
		for (size_t j = 0; j < f->nlines; j++)
			CHECK(f->lines[j].line >= f->first_line &&
			      (!j || f->lines[j - 1].line < f->lines[j].line));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct memory_run run = {};
	/* Of its own, so that what is read behind the end is seen; and aligned. */
	uint8_t *copy = mem_calloc(size + 1, 1);

	memcpy(copy, data, size);
	if (!memory_run_add(&run, copy, size, NULL))
		check_process(&run.processes.data[0]);
	memory_run_fini(&run);
	free(copy);
	return 0;
}
