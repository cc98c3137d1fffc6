#include "unwind/python/tracked.h"

#include "base/bytes.h"
#include "unwind/python/collector.h"

/* CPython 3.8 to 3.13, Include/internal/pycore_gc.h: struct _gc_runtime_state has generations[3],
 * generation0 (which points at the first of them), permanent_generation, generation_stats[3],
 * collecting. A generation is a PyGC_Head, which is its list's, and two ints. */
enum {
	GENERATIONS = 3,
	GENERATION_BYTES = 24,
	POINTER_AT = GENERATIONS * GENERATION_BYTES,
	PERMANENT_AT = POINTER_AT + 8,
	BEFORE_COLLECTING = PERMANENT_AT + GENERATION_BYTES + GENERATIONS * 24,
	LISTS = GENERATIONS + 1,
	HEAD_BYTES = 16, /* sizeof(PyGC_Head): next, previous; the object follows */
	LINK_FLAGS = 7,	 /* while garbage is collected */
};
enum {
	MAX_OBJECTS = 1 << 23, /* of all lists */
	MAX_TRIES = 3,	       /* of a list that leads astray */
	PAGE_BYTES = 4096,
	PAGES = 2048, /* a power of two */
};

/* Objects of a list lie close to each other: memory is read a page at a time. */
struct pages {
	const struct memory *memory;
	uint64_t addresses[PAGES]; /* + 1; 0: none */
	uint8_t bytes[PAGES][PAGE_BYTES];
};
struct search {
	const struct python_objects *o;
	struct pages *pages;
	uint64_t heads[LISTS];
	python_tracked_fn *tell;
	void *arg;
	uint64_t left;
	bool enough;
};

static const uint8_t *page_at(struct pages *p, uint64_t address)
{
	size_t i = address / PAGE_BYTES % PAGES;

	if (p->addresses[i] == address + 1)
		return p->bytes[i];
	p->addresses[i] = 0;
	if (memory_read(p->memory, address, p->bytes[i], PAGE_BYTES))
		return NULL;
	p->addresses[i] = address + 1;
	return p->bytes[i];
}

static int read_word(struct pages *p, uint64_t address, uint64_t *ret)
{
	const uint8_t *page = address % 8 ? NULL : page_at(p, address - address % PAGE_BYTES);

	if (!page)
		return -EFAULT;
	*ret = byte_u64(page + address % PAGE_BYTES);
	return 0;
}

static bool is_head(const struct search *s, uint64_t address)
{
	for (size_t i = 0; i < LISTS; i++)
		if (s->heads[i] == address)
			return true;
	return false;
}

/* Objects go from list to list, the older the later: a list may end in the head of another one. */
static int walk_list(struct search *s, uint64_t head)
{
	uint64_t at = head, type;

	while (!read_word(s->pages, at, &at)) {
		at &= ~(uint64_t)LINK_FLAGS;
		if (is_head(s, at))
			return 0;
		if (!s->left ||
		    read_word(s->pages, at + HEAD_BYTES + s->o->layout->object_type, &type))
			return -EFAULT;
		s->left--;
		if (!s->tell(s->arg, at + HEAD_BYTES, type)) {
			s->enough = true;
			return 0;
		}
	}
	return -EFAULT;
}

static bool walk_certainly(struct search *s, uint64_t head)
{
	for (int tries = 0; tries < MAX_TRIES; tries++) {
		if (!walk_list(s, head))
			return true;
		memset(s->pages->addresses, 0, sizeof(s->pages->addresses));
	}
	return false;
}

int python_tracked_each(const struct python_objects *o, const struct python *py,
			uint64_t interpreter, python_tracked_fn *tell, void *arg, bool *ret_cut)
{
	uint64_t collecting = python_collector_find(py, interpreter), first, pointer;
	struct search s = {.o = o, .tell = tell, .arg = arg, .left = MAX_OBJECTS};

	if (!collecting)
		return -ENOTSUP;
	first = collecting - BEFORE_COLLECTING;
	if (memory_read(o->memory, first + POINTER_AT, &pointer, sizeof(pointer)))
		return -EFAULT;
	if (pointer != first)
		return -ENOTSUP;
	for (size_t i = 0; i < GENERATIONS; i++)
		s.heads[i] = first + i * GENERATION_BYTES;
	s.heads[GENERATIONS] = first + PERMANENT_AT;
	s.pages = mem_calloc(1, sizeof(*s.pages));
	s.pages->memory = o->memory;
	*ret_cut = false;
	/* From young to old, as objects go: none is missed that moves meanwhile. */
	for (size_t i = 0; i < LISTS && !s.enough; i++)
		*ret_cut |= !walk_certainly(&s, s.heads[i]);
	free(s.pages);
	return 0;
}
