#include "capture/newborns.h"

enum { MAX_NEWBORNS = 4096, MAX_MAPPINGS = 256 };
#define LIFE_NS (2 * NSEC_PER_SEC)

static void clear(struct newborn *b)
{
	for (size_t i = 0; i < b->mappings.len; i++)
		free(b->mappings.data[i].path);
	vec_clear(&b->mappings);
}

static void free_newborn(struct newborn *b)
{
	clear(b);
	vec_fini(&b->mappings);
	free(b);
}

void newborns_fini(struct newborns *n)
{
	for (size_t i = 0; i < n->list.len; i++)
		free_newborn(n->list.data[i]);
	vec_fini(&n->list);
	map64_fini(&n->by_pid);
}

static struct newborn *find(const struct newborns *n, pid_t pid)
{
	const uint64_t *at = map64_get(&n->by_pid, (uint64_t)pid);

	return at ? (struct newborn *)(uintptr_t)*at : NULL;
}

/* The list stays in the order of birth: who calls exec again goes to its end. */
static void start(struct newborns *n, pid_t pid, int64_t now_ns)
{
	struct newborn *b = find(n, pid);

	if (b) {
		size_t i = 0;

		while (n->list.data[i] != b)
			i++;
		memmove(n->list.data + i, n->list.data + i + 1,
			(n->list.len - i - 1) * sizeof(struct newborn *));
		n->list.len--;
		clear(b);
	} else if (n->list.len >= MAX_NEWBORNS) {
		n->dropped++;
		return;
	} else {
		b = mem_calloc(1, sizeof(*b));
		b->pid = pid;
		map64_set(&n->by_pid, (uint64_t)pid, (uintptr_t)b);
	}
	b->born_ns = now_ns;
	vec_push(&n->list, b);
}

/* What was at that place is gone. */
static void insert(struct newborn *b, const struct mapping_event *e)
{
	size_t kept = 0, at = 0;

	for (size_t i = 0; i < b->mappings.len; i++) {
		struct mapping m = b->mappings.data[i];

		if (m.start < e->end && m.end > e->start) {
			free(m.path);
			continue;
		}
		at += m.start < e->start;
		b->mappings.data[kept++] = m;
	}
	b->mappings.len = kept;
	vec_reserve(&b->mappings, 1);
	memmove(b->mappings.data + at + 1, b->mappings.data + at,
		(kept - at) * sizeof(struct mapping));
	b->mappings.data[at] = (struct mapping){
		.start = e->start,
		.end = e->end,
		.offset = e->offset,
		.dev = e->dev,
		.inode = e->inode,
		/* The kernel calls memory without a file so; /proc has no name for it. */
		.path = mem_strdup(!e->inode && e->path[0] != '[' ? "" : e->path),
	};
	b->mappings.len++;
}

void newborns_take(struct newborns *n, const struct mapping_event *e, int64_t now_ns)
{
	struct newborn *b;

	if (e->exec) {
		start(n, e->pid, now_ns);
		return;
	}
	b = find(n, e->pid);
	if (!b || e->start >= e->end)
		return;
	if (b->mappings.len < MAX_MAPPINGS)
		insert(b, e);
	else
		n->dropped++;
}

bool newborns_process(const struct newborns *n, pid_t pid, struct process *ret)
{
	const struct newborn *b = find(n, pid);

	if (!b || !b->mappings.len)
		return false;
	*ret = (struct process){.pid = pid};
	for (size_t i = 0; i < b->mappings.len; i++) {
		struct mapping m = b->mappings.data[i];

		m.path = mem_strdup(m.path);
		vec_push(&ret->mappings, m);
	}
	return true;
}

void newborns_tick(struct newborns *n, int64_t now_ns)
{
	size_t old = 0;

	while (old < n->list.len && now_ns - n->list.data[old]->born_ns > LIFE_NS) {
		map64_remove(&n->by_pid, (uint64_t)n->list.data[old]->pid);
		free_newborn(n->list.data[old++]);
	}
	n->list.len -= old;
	memmove(n->list.data, n->list.data + old, n->list.len * sizeof(struct newborn *));
}
