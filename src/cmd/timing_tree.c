#include "cmd/timing_tree.h"

/* The row of a name below a parent; a new one is the last of its siblings. */
static uint32_t row_of(tree_rows *rows, struct map64 *known, uint32_t parent,
		       const struct family_member *m)
{
	uint64_t key = hash_mix(hash_bytes(m->comm, strlen(m->comm)), parent);
	const uint64_t *found = map64_get(known, key);
	uint32_t new = (uint32_t)rows->len, last = rows->data[parent].last;

	if (found)
		return (uint32_t)*found;
	vec_push(rows, (struct tree_row){.parent = parent,
					 .depth = rows->data[parent].depth + 1,
					 .pid = m->pid});
	memcpy(rows->data[new].comm, m->comm, sizeof(m->comm));
	*(last ? &rows->data[last].sibling : &rows->data[parent].child) = new;
	rows->data[parent].last = new;
	map64_set(known, key, new);
	return new;
}

void timing_tree(const struct family *f, int64_t now, tree_rows *ret)
{
	cleanup_free uint32_t *row = mem_calloc(f->members.len, sizeof(*row));
	struct map64 known = {};

	for (size_t i = 0; i < f->members.len; i++) {
		const struct family_member *m = &f->members.data[i];
		/* Of whom nothing is known but its end, its parent is. */
		uint32_t parent = m->parent < i ? row[m->parent] : 0;

		if (i && ret->data[parent].depth >= TREE_MAX_DEPTH)
			parent = ret->data[parent].parent;
		if (i) {
			row[i] = row_of(ret, &known, parent, m);
		} else {
			vec_push(ret, (struct tree_row){.pid = m->pid});
			memcpy(ret->data[0].comm, m->comm, sizeof(m->comm));
		}
		struct tree_row *r = &ret->data[row[i]];

		r->processes++;
		r->threads += m->threads;
		r->cpu_ns += m->cpu_ns;
		r->peak_rss = MAX(r->peak_rss, m->account.peak_rss);
		if (m->end_ns || m->alive)
			r->longest_ns =
				MAX(r->longest_ns, (m->end_ns ? m->end_ns : now) - m->start_ns);
	}
	map64_fini(&known);
}
