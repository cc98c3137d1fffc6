/* capture/labels.h - labels of goroutines, as labels of the samples of a profile.
 *
 * A set is read from its process when it is first sampled, and then believed for a second: Go may
 * put another one in the same place later. Keys are the program's; one whose first part (as far as
 * a dot) is a name of ours gets "go." in front. Keys and values are made printable; a pair without
 * one of them is left out.
 *
 * Memory: all belongs to the struct, which is bounded. Threads: one at a time. */
#ifndef GLIM_CAPTURE_LABELS_H
#define GLIM_CAPTURE_LABELS_H

#include "base/hash.h"
#include "base/vec.h"
#include "probe/probe_abi.h"
#include "profile/profile.h"
#include "unwind/native/go_labels.h"

struct labels_entry {
	uint32_t pid;
	uint64_t process_start, goroutine, set;
	uint64_t read_ns;
	size_t count;
	struct profile_label pairs[GO_LABELS_MAX];
};
struct labels {
	VEC(struct labels_entry) entries; /* of this profile */
	struct hash_index index;
	uint64_t lost; /* samples whose set was gone when it was to be read */
};

void labels_fini(struct labels *l);
/* Another profile begins: forget the numbers of strings of the last. */
void labels_clear(struct labels *l);
/* The labels of the goroutine of a sample in strings of p; returns how many. */
size_t labels_of_goroutine(struct labels *l, struct profile *p, const struct probe_sample *s,
			   const struct go_layout *layout, struct profile_label ret[GO_LABELS_MAX]);

#endif
