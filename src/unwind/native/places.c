#include "unwind/native/places.h"

void places_init(struct places *p, uint32_t count)
{
	*p = (struct places){.left = count};
	if (count)
		vec_push(&p->free, (struct places_range){0, count});
}

void places_fini(struct places *p)
{
	vec_fini(&p->free);
}

static void drop(struct places *p, size_t i)
{
	p->free.len--;
	memmove(p->free.data + i, p->free.data + i + 1, (p->free.len - i) * sizeof(*p->free.data));
}

int places_take(struct places *p, uint32_t count, uint32_t *ret_first)
{
	CHECK(count);
	if (count > p->left)
		return -ENOSPC;
	for (size_t i = 0; i < p->free.len; i++) {
		struct places_range *r = &p->free.data[i];

		if (r->count < count)
			continue;
		*ret_first = r->first;
		r->first += count;
		r->count -= count;
		p->left -= count;
		if (!r->count)
			drop(p, i);
		return 0;
	}
	return -ENOSPC;
}

/* Index of the first free stretch at or behind an element. */
static size_t find(const struct places *p, uint32_t first)
{
	size_t low = 0, high = p->free.len;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (p->free.data[middle].first < first)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

void places_give(struct places *p, uint32_t first, uint32_t count)
{
	size_t i = find(p, first);
	struct places_range *next = i < p->free.len ? &p->free.data[i] : NULL;
	struct places_range *last = i ? &p->free.data[i - 1] : NULL;

	/* Nothing is given twice. */
	CHECK(count && (!next || count <= next->first - first));
	CHECK(!last || last->count <= first - last->first);
	p->left += count;
	if (last && last->first + last->count == first) {
		last->count += count;
		if (next && next->first == first + count) {
			last->count += next->count;
			drop(p, i);
		}
		return;
	}
	if (next && next->first == first + count) {
		next->first = first;
		next->count += count;
		return;
	}
	vec_push(&p->free, (struct places_range){});
	memmove(p->free.data + i + 1, p->free.data + i,
		(p->free.len - 1 - i) * sizeof(*p->free.data));
	p->free.data[i] = (struct places_range){first, count};
}
