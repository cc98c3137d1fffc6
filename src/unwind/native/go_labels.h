/* unwind/native/go_labels.h - the labels that a goroutine was given with runtime/pprof.Do.
 *
 * The kernel's half finds the goroutine and its set of labels (go_labels_walk.h); here the set is
 * read from the process. Sets never change, but they are freed: one is believed when the goroutine
 * has it before and after it was read. Layouts are known of Go 1.18 to 1.27; the version is the one
 * that the file says it was built with. Text is from strangers: bounded, to be escaped where it is
 * shown. Memory: the caller's. Threads: any. */
#ifndef GLIM_UNWIND_GO_LABELS_H
#define GLIM_UNWIND_GO_LABELS_H

#include <sys/types.h>

#include "symbol/elf_file.h"

struct go_layout;
struct go_labelled;

enum { GO_LABELS_MAX = 16 };
struct go_label {
	/* What is longer is cut between two characters. */
	char key[64];
	char value[192];
};

/* The minor number of the version of Go that made a file; -ENOENT: it is none of Go's. */
int go_version(const struct elf_file *f);
/* -ENOENT: no Go program. -ENOTSUP: of a version, or linked in a way, that is not known. */
int go_layout_read(const struct elf_file *f, struct go_layout *ret);
/* Returns how many labels, 0 to GO_LABELS_MAX. -ESTALE: the goroutine has other labels by now.
 * -EBADMSG: what is there is no set of labels. */
int go_labels_read(pid_t pid, const struct go_layout *l, const struct go_labelled *from,
		   struct go_label ret[GO_LABELS_MAX]);

#endif
