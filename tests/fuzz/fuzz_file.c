/* Profile files in every format that can be read, and the tree that is made of them. */
#include "format/format.h"
#include "fuzz.h"
#include "profile/tree.h"

static void use(const struct profile *p)
{
	const struct format *f;
	struct tree tree;

	for (size_t i = 0; (f = format_at(i)); i++) {
		cleanup_buf struct buf out = {};

		if (f->write)
			f->write(p, &out, NULL);
	}
	if (tree_build(p, 0.001, 1000, &tree, NULL) >= 0)
		tree_fini(&tree);
}

static void read_as(const struct format *f, const uint8_t *data, size_t size)
{
	cleanup(profile_vec_fini) profile_vec profiles = {};
	struct err e;

	if (!f || !f->read || f->read(data, size, &profiles, &e) < 0)
		return;
	for (size_t i = 0; i < MIN(profiles.len, (size_t)4); i++)
		use(profiles.data[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	for (size_t i = 0; format_at(i); i++)
		read_as(format_at(i), data, size);
	read_as(format_detect(data, size), data, size);
	return 0;
}
