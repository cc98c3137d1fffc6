/* Profile files in every format that can be read, and the tree that is made of them. */
#include "format/format.h"
#include "fuzz.h"
#include "profile/tree.h"

static void use(const struct profile *p)
{
	struct buf folded = {}, pprof = {};
	struct tree tree;

	format_folded.write(p, &folded, NULL);
	format_pprof.write(p, &pprof, NULL);
	if (tree_build(p, 0.001, 1000, &tree, NULL) >= 0)
		tree_fini(&tree);
	buf_fini(&folded);
	buf_fini(&pprof);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct format *formats[] = {&format_folded, &format_pprof, format_detect(data, size)};
	struct err e;

	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		profile_vec profiles = {};

		if (!formats[i] || !formats[i]->read ||
		    formats[i]->read(data, size, &profiles, &e) < 0)
			continue;
		for (size_t j = 0; j < MIN(profiles.len, (size_t)4); j++)
			use(profiles.data[j]);
		profile_vec_fini(&profiles);
	}
	return 0;
}
