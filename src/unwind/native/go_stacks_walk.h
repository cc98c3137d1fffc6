/* unwind/native/go_stacks_walk.h - which memory of a thread that runs Go a walk may need beside the
 * stack that is in use: the runtime's structures, and the stacks that they lead to.
 *
 * For samples whose walk has to be made again later, of programs that nothing is known of yet: the
 * structures tell themselves, because they point at each other (runtime/runtime2.go). The words
 * used here lie where they have lain from Go 1.18 to 1.27, but for two of struct m.
 *
 * Restricted C for BPF and the host. Who includes it defines GO_READ(dst, size, address), which
 * copies user memory and gives 0 on success. */
#ifndef GLIM_UNWIND_GO_STACKS_WALK_H
#define GLIM_UNWIND_GO_STACKS_WALK_H

#include <stddef.h>

#include "unwind/native/unwind_table_abi.h"
#include "unwind/unwind_abi.h"

enum {
	/* Words below the base of the thread's storage. The linker puts the pointer to g into the
	 * first; before it come other variables of a program, if it has any. */
	GO_STORAGE_WORDS = 24,
	GO_M_WORDS = 26,
	/* Words of struct m. */
	GO_M_G0 = 0,
	GO_M_SIGNAL = 9, /* up to 1.24 one more */
	GO_M_CURG = 23,	 /* too */
	/* Bytes of the stacks that are not the one in use, together. */
	GO_STACKS_BYTES = 30 << 10,
	/* What the runtime takes for the end of a thread's stack may be a place in its first frame,
	 * above which are those of C that made the thread. */
	GO_FRAMES_OF_C = 2 << 10,
};

/* The start of struct g. */
struct go_g {
	uint64_t low, high; /* of its stack */
	uint64_t others[4];
	uint64_t m;
	uint64_t sp, pc; /* sched: where it goes on */
};
_Static_assert(offsetof(struct go_g, m) == UNWIND_GO_M &&
		       offsetof(struct go_g, sp) == UNWIND_GO_SCHED,
	       "as the rules have it");

/* What the search needs room for, and what it finds. */
struct go_stacks {
	uint64_t storage[GO_STORAGE_WORDS];
	uint64_t m[GO_M_WORDS];
	uint64_t at;	  /* the thread's g */
	uint64_t at_curg; /* 0: there is none */
	struct go_g g, g0, curg, signal;
};

enum {
	GO_REGION_STORAGE,
	GO_REGION_G,
	GO_REGION_M,
	GO_REGION_G0,
	GO_REGION_CURG,
	GO_REGION_GOROUTINE, /* the stacks */
	GO_REGION_THREAD,
	GO_REGIONS,
};

#define GO_INLINE static inline __attribute__((always_inline))

/* 0 when a struct g is there. */
GO_INLINE int go_read_g(struct go_g *ret, uint64_t address)
{
	if ((address & 7) || address < TABLE_USER_START || address >= TABLE_USER_END)
		return -1;
	return GO_READ(ret, sizeof(*ret), address) || ret->low >= ret->high;
}

/* A g, whose m leads back to it by a g0 of the same m. */
GO_INLINE int go_is_g(struct go_stacks *s, uint64_t address)
{
	if (go_read_g(&s->g, address) || (s->g.m & 7) || s->g.m < TABLE_USER_START)
		return 0;
	if (GO_READ(s->m, sizeof(s->m), s->g.m) || go_read_g(&s->g0, s->m[GO_M_G0]))
		return 0;
	return s->g0.m == s->g.m;
}

GO_INLINE int go_find_g(struct go_stacks *s, uint64_t thread_base)
{
	int i;

	if (GO_READ(s->storage, sizeof(s->storage), thread_base - sizeof(s->storage)))
		return 0;
	for (i = GO_STORAGE_WORDS - 1; i >= 0; i--) {
		s->at = s->storage[i];
		if (go_is_g(s, s->at))
			return 1;
	}
	return 0;
}

/* The stack for signals tells which of the two kinds of struct m this is. */
GO_INLINE int go_find_curg(struct go_stacks *s)
{
	if (!go_read_g(&s->signal, s->m[GO_M_SIGNAL]) && s->signal.m == s->g.m)
		s->at_curg = s->m[GO_M_CURG];
	else if (!go_read_g(&s->signal, s->m[GO_M_SIGNAL + 1]) && s->signal.m == s->g.m)
		s->at_curg = s->m[GO_M_CURG + 1];
	else
		return 0;
	if (s->at_curg && go_read_g(&s->curg, s->at_curg))
		s->at_curg = 0;
	return 1;
}

GO_INLINE int go_is_on(const struct go_g *g, uint64_t sp)
{
	return sp >= g->low && sp < g->high;
}

GO_INLINE void go_region(struct unwind_region *ret, uint64_t address, uint64_t bytes)
{
	ret->address = address;
	ret->bytes = (uint32_t)bytes;
}

/* From an address of a stack to its end; 0: the last part of it. */
GO_INLINE void go_stack_region(struct unwind_region *ret, const struct go_g *g, uint64_t from,
			       uint64_t end, uint64_t most)
{
	if (from < g->low || from >= end)
		from = end - g->low > most ? end - most : g->low;
	from &= ~7ULL;
	go_region(ret, from, end - from > most ? most : end - from);
}

/* Regions to copy beside the stack that sp points into: GO_REGIONS of them, empty ones have no
 * bytes. *ret_end: of that stack; 0: not known. Returns 0 when this thread runs no Go: then there
 * are none. */
GO_INLINE int go_stacks_find(struct go_stacks *s, uint64_t thread_base, uint64_t sp,
			     struct unwind_region *ret, uint64_t *ret_end)
{
	int in_signal, in_goroutine;
	uint64_t most;

	if (!go_find_g(s, thread_base) || !go_find_curg(s))
		return 0;
	in_signal = go_is_on(&s->signal, sp);
	in_goroutine = s->at_curg && go_is_on(&s->curg, sp);
	go_region(&ret[GO_REGION_STORAGE], thread_base - sizeof(s->storage), sizeof(s->storage));
	go_region(&ret[GO_REGION_G], s->at, sizeof(s->g));
	go_region(&ret[GO_REGION_M], s->g.m, sizeof(s->m));
	go_region(&ret[GO_REGION_G0], s->m[GO_M_G0], sizeof(s->g0));
	if (s->at_curg)
		go_region(&ret[GO_REGION_CURG], s->at_curg, sizeof(s->curg));
	/* Nobody knows where a signal came. */
	most = in_signal ? GO_STACKS_BYTES / 2 : GO_STACKS_BYTES;
	if (s->at_curg && !in_goroutine)
		go_stack_region(&ret[GO_REGION_GOROUTINE], &s->curg, in_signal ? 0 : s->curg.sp,
				s->curg.high, most);
	if (in_signal || in_goroutine)
		go_stack_region(&ret[GO_REGION_THREAD], &s->g0, in_signal ? 0 : s->g0.sp,
				s->g0.high + GO_FRAMES_OF_C, most);
	*ret_end = in_signal ? s->signal.high : in_goroutine ? s->curg.high : 0;
	return 1;
}

#endif
