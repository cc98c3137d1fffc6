#include "unwind/thread_copy.h"

enum {
	PAGE = 4096,
	PARTS = THREAD_COPY_MAX / PAGE + 2,
	RED_ZONE = 128, /* System V ABI for x86-64, 3.2.2 */
	/* Rules look at little above the outermost frame. */
	ABOVE = 256,
};
_Static_assert((int)THREAD_REGISTERS == (int)UNWIND_REGISTERS, "the same");
_Static_assert((int)THREAD_STACK_POINTER == (int)UNWIND_RSP, "the same");

void thread_copy_fini(struct thread_copy *c)
{
	free(c->bytes);
	*c = (struct thread_copy){};
}

/* Pages may be missing: what is there before the first that is not counts. */
static uint32_t copy_pages(struct thread_copy *c, const struct memory *m, uint64_t start, size_t n)
{
	struct memory_part parts[PARTS];
	size_t count = 0, done, at = 0;

	while (at < n) {
		size_t some = MIN(n - at, PAGE - (start + at) % PAGE);

		parts[count++] = (struct memory_part){start + at, c->bytes + at, some};
		at += some;
	}
	done = memory_read_parts(m, parts, count);
	return done == count ? (uint32_t)n : (uint32_t)(parts[done].address - start);
}

void thread_copy_take(struct thread_copy *c, const struct memory *m,
		      const struct thread_registers *r, uint64_t end)
{
	uint64_t sp = r->general[UNWIND_RSP], start = (sp - RED_ZONE) & ~7ULL;
	size_t n = THREAD_COPY_BYTES;

	c->registers = *r;
	c->region = (struct unwind_region){.address = start};
	if (sp < TABLE_USER_START + RED_ZONE || sp >= TABLE_USER_END)
		return;
	if (end > sp && end - start <= THREAD_COPY_MAX)
		n = end - start;
	if (n > c->cap) {
		c->bytes = mem_reallocarray(c->bytes, n, 1);
		c->cap = n;
	}
	c->region.bytes = copy_pages(c, m, start, n);
	c->first = (struct unwind_entry){
		.address = r->pc,
		.sp = (uint32_t)sp,
		.tag = UNWIND_NATIVE | (r->in_call ? 0 : UNWIND_EXACT),
	};
}

void thread_copy_replay(const struct thread_copy *c, struct replay *r)
{
	bool few = c->registers.only_stack;

	r->pc = c->registers.pc;
	r->thread_base = c->registers.thread_base;
	r->in_kernel = c->registers.in_call;
	r->registers = c->registers.general;
	r->walked = few ? &c->first : NULL;
	r->nwalked = few;
	r->lost = few ? TABLE_LOST_RBP | TABLE_LOST_RBX : 0;
	r->regions = &c->region;
	r->nregions = 1;
	r->bytes = c->bytes;
}

uint64_t thread_copy_end(const struct thread_copy *c, const struct replay *r)
{
	uint64_t sp = c->registers.general[UNWIND_RSP];

	if (r->end != UNWIND_NATIVE_COMPLETE || !r->count)
		return 0;
	/* Entries keep the lower half. */
	return sp + (uint32_t)(r->entries[r->count - 1].sp - (uint32_t)sp) + ABOVE;
}
