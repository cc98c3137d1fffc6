#include "symbol/code_map.h"

/* A range of a batch, and its place in it. */
struct entry {
	uint64_t start, end;
	uint32_t order, value;
};
/* The ranges that hold the place that a sweep has reached, the latest of the batch on top. */
struct heap {
	struct entry *data;
	size_t len;
};

bool code_range_make(uint64_t start, uint64_t size, uint32_t value, struct code_range *ret)
{
	if (!size || start + MIN(size, (uint64_t)UINT32_MAX) < start)
		return false;
	*ret = (struct code_range){start, (uint32_t)MIN(size, (uint64_t)UINT32_MAX), value};
	return true;
}

static uint64_t end_of(const struct code_range *r)
{
	return r->start + r->size;
}

static void heap_push(struct heap *h, struct entry e)
{
	size_t i = h->len++;

	for (; i && h->data[(i - 1) / 2].order < e.order; i = (i - 1) / 2)
		h->data[i] = h->data[(i - 1) / 2];
	h->data[i] = e;
}

static void heap_pop(struct heap *h)
{
	struct entry e = h->data[--h->len];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < h->len) {
		if (child + 1 < h->len && h->data[child + 1].order > h->data[child].order)
			child++;
		if (h->data[child].order <= e.order)
			break;
		h->data[i] = h->data[child];
		i = child;
	}
	h->data[i] = e;
}

static int by_start(const void *x, const void *y)
{
	const struct entry *a = x, *b = y;

	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	return a->order < b->order ? -1 : a->order > b->order;
}

static void put_piece(code_range_vec *out, uint64_t start, uint64_t end, uint32_t value)
{
	struct code_range *last = out->len ? &out->data[out->len - 1] : NULL;

	if (start >= end)
		return;
	if (last && last->value == value && end_of(last) == start &&
	    end - last->start <= UINT32_MAX)
		last->size = (uint32_t)(end - last->start);
	else
		vec_push(out, (struct code_range){start, (uint32_t)(end - start), value});
}

/* Make a batch, in the order of writing, into pieces that are sorted and apart. */
static void flatten(const code_range_vec *batch, code_range_vec *out)
{
	cleanup_free struct entry *sorted = mem_calloc(batch->len, sizeof(*sorted));
	cleanup_free struct entry *room = mem_calloc(batch->len, sizeof(*room));
	struct heap heap = {room, 0};
	uint64_t at = 0;

	for (size_t i = 0; i < batch->len; i++) {
		const struct code_range *r = &batch->data[i];

		sorted[i] = (struct entry){r->start, end_of(r), (uint32_t)i, r->value};
	}
	qsort(sorted, batch->len, sizeof(*sorted), by_start);
	for (size_t i = 0; i < batch->len || heap.len;) {
		if (heap.len && heap.data[0].end <= at) {
			heap_pop(&heap);
			continue;
		}
		uint64_t next = i < batch->len ? sorted[i].start : UINT64_MAX;

		if (heap.len && at < next) {
			struct entry *top = &heap.data[0];
			uint64_t end = MIN(top->end, next);

			put_piece(out, at, end, top->value);
			at = end;
			continue;
		}
		at = next;
		heap_push(&heap, sorted[i++]);
	}
}

/* Join two sorted lists; where both have something, the new one counts. */
static void lay_over(const code_range_vec *old, const code_range_vec *new, code_range_vec *out)
{
	size_t o = 0;
	uint64_t at = 0; /* everything below is done */

	vec_reserve(out, old->len + 2 * new->len);
	for (size_t n = 0; n <= new->len; n++) {
		uint64_t start = n < new->len ? new->data[n].start : UINT64_MAX;

		for (; o < old->len && old->data[o].start < start; o++) {
			const struct code_range *r = &old->data[o];

			put_piece(out, MAX(r->start, at), MIN(end_of(r), start), r->value);
			if (end_of(r) > start)
				break; /* the rest of it may come behind the new one */
		}
		if (n == new->len)
			return;
		at = end_of(&new->data[n]);
		put_piece(out, start, at, new->data[n].value);
		while (o < old->len && end_of(&old->data[o]) <= at)
			o++;
	}
}

void code_map_put(struct code_map *m, code_range_vec *batch)
{
	code_range_vec flat = {}, all = {};

	if (!batch->len)
		return;
	flatten(batch, &flat);
	vec_fini(batch);
	if (!m->ranges.len || flat.data[0].start >= end_of(&m->ranges.data[m->ranges.len - 1])) {
		/* New code behind all other code, as allocators often place it. */
		for (size_t i = 0; i < flat.len; i++)
			vec_push(&m->ranges, flat.data[i]);
	} else {
		lay_over(&m->ranges, &flat, &all);
		vec_fini(&m->ranges);
		m->ranges.data = all.data;
		m->ranges.len = all.len;
		m->ranges.cap = all.cap;
	}
	vec_fini(&flat);
}

const struct code_range *code_map_find(const struct code_map *m, uint64_t address)
{
	size_t low = 0, high = m->ranges.len;

	/* low becomes the number of ranges that start at or below the address. */
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (m->ranges.data[mid].start <= address)
			low = mid + 1;
		else
			high = mid;
	}
	if (!low || address - m->ranges.data[low - 1].start >= m->ranges.data[low - 1].size)
		return NULL;
	return &m->ranges.data[low - 1];
}

void code_map_fini(struct code_map *m)
{
	vec_fini(&m->ranges);
}
