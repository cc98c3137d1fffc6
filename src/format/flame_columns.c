#include "format/flame_columns.h"

/* One column of numbers: json_key, then an array of what `expr` says of element i. */
#define PUT_COLUMN(j, name, n, expr)                                                               \
	do {                                                                                       \
		json_key((j), name);                                                               \
		json_array_begin(j);                                                               \
		for (size_t i = 0; i < (n); i++)                                                   \
			json_int((j), (expr));                                                     \
		json_array_end(j);                                                                 \
	} while (0)

/* Columns of frames as numbers of strings. */
struct frame_names {
	struct strtab strings;
	VEC(uint32_t) name, file, module;
};

static void frame_names_fini(struct frame_names *f)
{
	strtab_fini(&f->strings);
	vec_fini(&f->name);
	vec_fini(&f->file);
	vec_fini(&f->module);
}

static void name_frames(const struct tree *t, struct frame_names *ret)
{
	for (size_t i = 0; i < t->functions.len; i++) {
		const struct profile_function *f = &t->functions.data[i];
		const char *file = profile_text(t->profile, f->file);
		const char *module = profile_text(t->profile, f->module);

		vec_push(&ret->name, strtab_puts(&ret->strings, tree_name(t, (int32_t)i)));
		vec_push(&ret->file, strtab_puts(&ret->strings, file));
		vec_push(&ret->module, strtab_puts(&ret->strings, module));
	}
}

static void put_frames(struct json *j, const struct tree *t)
{
	cleanup(frame_names_fini) struct frame_names f = {};
	const struct profile_function *fn = t->functions.data;
	size_t n = t->functions.len;

	name_frames(t, &f);
	json_key(j, "strings");
	json_array_begin(j);
	for (uint32_t i = 0; i < strtab_count(&f.strings); i++)
		json_text_n(j, strtab_get(&f.strings, i), strtab_len(&f.strings, i));
	json_array_end(j);
	json_key(j, "frames");
	json_object_begin(j);
	PUT_COLUMN(j, "name", n, f.name.data[i]);
	PUT_COLUMN(j, "file", n, f.file.data[i]);
	PUT_COLUMN(j, "start", n, fn[i].start_line);
	PUT_COLUMN(j, "kind", n, fn[i].kind);
	PUT_COLUMN(j, "module", n, f.module.data[i]);
	json_object_end(j);
}

static void put_nodes(struct json *j, const struct tree *t)
{
	const struct tree_node *node = t->nodes.data;
	size_t n = t->nodes.len;

	json_key(j, "nodes");
	json_object_begin(j);
	PUT_COLUMN(j, "depth", n, node[i].depth);
	PUT_COLUMN(j, "frame", n, node[i].function);
	PUT_COLUMN(j, "line", n, node[i].line);
	PUT_COLUMN(j, "self", n, node[i].self);
	PUT_COLUMN(j, "total", n, node[i].total);
	if (t->parts.len) {
		PUT_COLUMN(j, "self_before", n, t->parts.data[i].self);
		PUT_COLUMN(j, "total_before", n, t->parts.data[i].total);
	}
	json_object_end(j);
}

void flame_columns_put(struct json *j, const struct tree *t)
{
	put_frames(j, t);
	put_nodes(j, t);
}
