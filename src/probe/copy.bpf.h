// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* probe/copy.bpf.h - the memory and registers that are handed over, for a walk that cannot be
 * finished yet.
 *
 * Included by sampler.bpf.c, behind struct scratch. */
#ifndef GLIM_PROBE_COPY_BPF_H
#define GLIM_PROBE_COPY_BPF_H

enum {
	/* Of Go: two stacks, and less than a page of the runtime's structures. */
	BESIDE_STACK_BYTES = GO_STACKS_BYTES + PAGE_BYTES,
	/* Pages, and each region begins and ends in the middle of one, and then there is no more.
	 */
	COPY_PARTS = PROBE_COPIED_BYTES / PAGE_BYTES + 3 * PROBE_REGIONS,
};

/* Behind the sample, at that many bytes from the first entry; NULL where that is too far. */
static __always_inline void *behind(struct scratch *s, uint32_t at)
{
	FORGET(at);
	if (at > FRAMES_BYTES + PROBE_COPIED_BYTES)
		return NULL;
	return (uint8_t *)s->entries + at;
}

/* A page is not there, because nobody wrote to it yet, or because the memory ends: what lies behind
 * it becomes a region of its own, where one is free. */
static __always_inline void copy_behind_hole(struct scratch *s, struct unwind_region *r, uint32_t n)
{
	struct copying *c = &s->copying;
	uint64_t address = r->address + c->done + n;
	uint32_t left = r->bytes - c->done;

	r->bytes = c->done;
	if (c->done) {
		c->done = 0;
		c->region++;
		r = &s->copied.regions[c->region & (PROBE_REGIONS - 1)];
	}
	if (left > n && !r->bytes && c->region < PROBE_REGIONS) {
		r->address = address;
		r->bytes = left - n;
	} else if (!r->bytes) {
		c->region++;
	}
}

/* One more part of a region, up to the end of a page: the next one may not be there. */
static __always_inline void copy_part(struct scratch *s)
{
	struct copying *c = &s->copying;
	struct unwind_region *r = &s->copied.regions[c->region & (PROBE_REGIONS - 1)];
	uint64_t from = r->address + c->done;
	uint32_t n = PAGE_BYTES - (from & (PAGE_BYTES - 1)), left = r->bytes - c->done;
	void *to = behind(s, c->at);

	if (n > left)
		n = left;
	FORGET(n);
	if (to && n && n <= PAGE_BYTES &&
	    !bpf_probe_read_user(to, n, (const void *)(uintptr_t)from)) {
		c->at += n;
		c->done += n;
		return;
	}
	copy_behind_hole(s, r, n);
}

/* The walk will go on at the frame that it ended at: nothing below its stack pointer is needed. */
static __always_inline void take_last_frame(struct scratch *s)
{
	const struct table_walk *w = &s->walk.native;
	struct probe_copied *out = &s->copied;

	if (w->first)
		return;
	out->goes_on = 1;
	out->lost = w->lost;
	out->pc = w->pc;
	out->general[UNWIND_RSP] = w->sp;
	out->general[UNWIND_RBP] = w->rbp;
	out->general[UNWIND_RBX] = w->rbx;
}

/* The stack, and what a walk over Go's may need beside, which begins again. */
static __always_inline void choose_regions(struct scratch *s)
{
	struct probe_copied *out = &s->copied;
	struct unwind_region *stack = &out->regions[0];
	uint64_t sp = out->general[UNWIND_RSP], end = 0;

	__builtin_memset(out->regions, 0, sizeof(out->regions));
	out->goes_on = out->lost = 0;
	stack->bytes = PROBE_COPIED_BYTES;
	if (go_stacks_find(&s->go, s->walk.thread_base, sp, stack + 1, &end)) {
		stack->bytes -= BESIDE_STACK_BYTES;
		if (end > sp && end - sp < stack->bytes)
			stack->bytes = end - sp;
	} else {
		take_last_frame(s);
	}
	stack->address = out->general[UNWIND_RSP];
	if (stack->address & 7)
		stack->bytes = 0;
}

#endif
