#include "capture/newborns.h"

enum { MAX_NEWBORNS = 4096, MAX_MAPPINGS = 256 };
#define LIFE_NS (2 * NSEC_PER_SEC)

static void free_newborn(struct newborn *b)
{
	process_fini(&b->told);
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
		process_fini(&b->told);
		b->told = (struct process){};
		b->partial = false;
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

struct mapping mapping_of_event(const struct mapping_event *e)
{
	/* The kernel calls memory without a file so; /proc has no name for it, and no offset. */
	bool anonymous = !e->inode && e->path[0] != '[';

	return (struct mapping){
		.start = e->start,
		.end = e->end,
		.offset = anonymous ? 0 : e->offset,
		.dev = e->dev,
		.inode = e->inode,
		.path = (char *)(anonymous ? "" : e->path),
	};
}

void newborns_take(struct newborns *n, const struct mapping_event *e, int64_t now_ns)
{
	struct mapping mapping = mapping_of_event(e);
	struct newborn *b;

	if (e->exec) {
		start(n, e->pid, now_ns);
		return;
	}
	b = find(n, e->pid);
	if (!b || e->start >= e->end)
		return;
	if (b->told.mappings.len < MAX_MAPPINGS) {
		process_map(&b->told, &mapping);
	} else {
		b->partial = true;
		n->dropped++;
	}
}

bool newborns_process(const struct newborns *n, pid_t pid, struct process *ret)
{
	const struct newborn *b = find(n, pid);

	if (!b || b->partial || !b->told.mappings.len)
		return false;
	*ret = (struct process){.pid = pid};
	process_copy_mappings(ret, &b->told);
	return true;
}

void newborns_tick(struct newborns *n, int64_t now_ns)
{
	size_t old = 0;

	while (old < n->list.len && now_ns - n->list.data[old]->born_ns > LIFE_NS) {
		map64_remove(&n->by_pid, (uint64_t)n->list.data[old]->pid);
		free_newborn(n->list.data[old++]);
	}
	if (!old)
		return;
	n->list.len -= old;
	memmove(n->list.data, n->list.data + old, n->list.len * sizeof(struct newborn *));
}
