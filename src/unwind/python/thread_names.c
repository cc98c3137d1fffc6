#include "unwind/python/thread_names.h"

enum {
	MAX_THREADS = 65536,
	MAX_NAME = 256, /* characters */
};

void python_thread_names_clear(struct python_thread_names *n)
{
	for (size_t i = 0; i < n->all.len; i++)
		free(n->all.data[i].name);
	vec_clear(&n->all);
}

void python_thread_names_fini(struct python_thread_names *n)
{
	python_thread_names_clear(n);
	vec_fini(&n->all);
}

/* Lib/threading.py: _active = {ident: Thread} */
static int find_table(struct python_thread_names *n, const struct python_objects *o,
		      uint64_t interpreter)
{
	struct python_object table;
	uint64_t module, at;
	int r;

	if (n->interpreter == interpreter && !python_object_read(o, n->table, &table) &&
	    table.kind == PYTHON_DICT)
		return 0;
	r = python_module_dict(o, interpreter, "threading", &module);
	if (!r)
		r = python_dict_find(o, module, "_active", &at);
	if (!r)
		r = python_object_read(o, at, &table);
	if (!r && table.kind != PYTHON_DICT)
		r = -EINVAL;
	if (r < 0)
		return r;
	n->interpreter = interpreter;
	n->table = at;
	return 0;
}

int python_thread_names_read(struct python_thread_names *n, const struct python_objects *o,
			     uint64_t interpreter)
{
	cleanup_buf struct buf name = {};
	const char *name_of;
	struct python_dict d;
	uint64_t key, thread;
	int64_t id;
	int r = find_table(n, o, interpreter);

	if (!r)
		r = python_dict_open(o, n->table, &d);
	if (r < 0)
		return r;
	name_of = o->layout->dict_style == PYTHON_DICT_TABLE ? "_Thread__name" : "_name";
	while (n->all.len < MAX_THREADS && (r = python_dict_next(o, &d, &key, &thread)) > 0) {
		name.len = 0;
		/* A thread that ends right now has no name. */
		if (python_int(o, key, &id) ||
		    python_text_attribute(o, thread, name_of, MAX_NAME, &name))
			continue;
		vec_push(&n->all, (struct python_thread_name){.id = (uint64_t)id,
							      .name = mem_strdup(buf_cstr(&name))});
	}
	return MIN(r, 0);
}

const char *python_thread_names_find(const struct python_thread_names *n, uint64_t id)
{
	for (size_t i = 0; i < n->all.len; i++)
		if (n->all.data[i].id == id)
			return n->all.data[i].name;
	return NULL;
}
