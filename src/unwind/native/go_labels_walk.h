/* unwind/native/go_labels_walk.h - from a thread to the labels of the goroutine that it runs, which
 * programs set with runtime/pprof.Do.
 *
 * Restricted C for BPF and the host. Who wants more than the structs defines GO_READ(dst, size,
 * address) before, which copies user memory and gives 0 on success. Fixed-width types only. */
#ifndef GLIM_UNWIND_GO_LABELS_WALK_H
#define GLIM_UNWIND_GO_LABELS_WALK_H

#include <stdint.h>

/* Of one program file; go_labels.c fills it. All in bytes. */
struct go_layout {
	int32_t g;	 /* from the base of the thread's storage to the pointer to its struct g */
	uint16_t m;	 /* of struct g */
	uint16_t curg;	 /* of struct m: the goroutine, also while its thread's own stack is used */
	uint16_t labels; /* of struct g */
	uint8_t minor;	 /* of Go's version 1.minor */
	uint8_t unused;
};
_Static_assert(sizeof(struct go_layout) == 12, "shared with BPF");

/* What a sample carries: user space believes the labels while the goroutine still has them. */
struct go_labelled {
	uint64_t goroutine; /* its struct g; 0: none runs */
	uint64_t labels;    /* 0: it has none */
};

#ifdef GO_READ
static inline __attribute__((always_inline)) void
go_labels_find(const struct go_layout *l, uint64_t thread_base, struct go_labelled *ret)
{
	uint64_t word = 0;

	ret->goroutine = ret->labels = 0;
	if (GO_READ(&word, sizeof(word), thread_base + (uint64_t)(int64_t)l->g) || !word)
		return;
	if (GO_READ(&word, sizeof(word), word + l->m) || !word)
		return;
	if (GO_READ(&word, sizeof(word), word + l->curg) || !word)
		return;
	ret->goroutine = word;
	if (GO_READ(&ret->labels, sizeof(ret->labels), word + l->labels))
		ret->labels = 0;
}
#endif

#endif
