#include "symbol/dwarf_index.h"

#include "symbol/dwarf_format.h"

enum {
	NEAR = 64,  /* gaps below are padding: one range for both sides */
	DIGIT = 11, /* bits that a pass of sorting looks at */
	DIGIT_MASK = (1 << DIGIT) - 1,
	MAX_BACK = 16, /* how far to look back for a range that reaches over others */
};

bool dwarf_code_clip(const struct dwarf_code *c, uint64_t start, uint64_t end, uint32_t *ret_start,
		     uint32_t *ret_end)
{
	/* A range that begins outside is of no code that is left; one that ends outside is damaged.
	 */
	if (start < c->base || start >= c->end || end <= start || start - c->base > UINT32_MAX)
		return false;
	*ret_start = (uint32_t)(start - c->base);
	*ret_end = (uint32_t)MIN(MIN(end, c->end) - c->base, (uint64_t)UINT32_MAX);
	return true;
}

struct scan {
	struct dwarf_index *index;
	uint32_t unit;
	size_t max;
};

static int add_range(void *arg, uint64_t start, uint64_t end)
{
	struct scan *s = arg;
	struct dwarf_index *x = s->index;
	struct dwarf_range r = {.unit = s->unit};
	struct dwarf_range *last = x->ranges.len ? &x->ranges.data[x->ranges.len - 1] : NULL;

	if (!dwarf_code_clip(&x->code, start, end, &r.start, &r.end))
		return 0;
	if (last && last->unit == r.unit && r.start >= last->end && r.start - last->end < NEAR) {
		last->end = r.end;
		return 0;
	}
	if (dwarf_index_bytes(x) > s->max) {
		x->bad++;
		return -EFBIG;
	}
	vec_push(&x->ranges, r);
	return 0;
}

static int compare(const void *x, const void *y)
{
	const struct dwarf_range *a = x, *b = y;

	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	/* The shortest is found first, from behind. */
	if (a->end != b->end)
		return a->end > b->end ? -1 : 1;
	return a->unit < b->unit ? -1 : a->unit > b->unit;
}

/* By eleven bits of the start, keeping the order of equal ones: a program of 500 MB has half a
 * million ranges, which qsort takes 60 ms for. */
static void sort_pass(const struct dwarf_range *from, struct dwarf_range *to, size_t n, int shift)
{
	uint32_t at[1 << DIGIT] = {};

	for (size_t i = 0; i < n; i++)
		at[from[i].start >> shift & DIGIT_MASK]++;
	for (uint32_t i = 0, sum = 0; i <= DIGIT_MASK; i++) {
		uint32_t count = at[i];

		at[i] = sum;
		sum += count;
	}
	for (size_t i = 0; i < n; i++)
		to[at[from[i].start >> shift & DIGIT_MASK]++] = from[i];
}

static void sort_ranges(struct dwarf_range *r, size_t n)
{
	cleanup_free struct dwarf_range *other = mem_reallocarray(NULL, n, sizeof(*other));

	sort_pass(r, other, n, 0);
	sort_pass(other, r, n, DIGIT);
	sort_pass(r, other, n, 2 * DIGIT);
	memcpy(r, other, n * sizeof(*r));
	for (size_t i = 0, end; i < n; i = end) {
		for (end = i + 1; end < n && r[end].start == r[i].start;)
			end++;
		if (end - i > 1)
			qsort(r + i, end - i, sizeof(*r), compare);
	}
}

static void finish(struct dwarf_index *x)
{
	struct dwarf_range *r = x->ranges.data;
	size_t kept = 0;

	if (x->ranges.len)
		sort_ranges(r, x->ranges.len);
	for (size_t i = 0; i < x->ranges.len; i++) {
		struct dwarf_range *last = kept ? &r[kept - 1] : NULL;

		if (last && last->unit == r[i].unit && r[i].start >= last->end &&
		    r[i].start - last->end < NEAR)
			last->end = r[i].end;
		else
			r[kept++] = r[i];
	}
	x->ranges.len = kept;
	dwarf_fit(&x->ranges);
	dwarf_fit(&x->units);
	x->done = true;
}

static void scan_unit(struct scan *s, const struct dwarf_file *f, const struct dwarf_head *h)
{
	struct dwarf_index *x = s->index;
	struct dwarf_unit u;

	if (h->type == DW_UT_type)
		return;
	s->unit = (uint32_t)x->units.len;
	vec_push(&x->units, h->offset);
	if (h->type == DW_UT_partial)
		return;
	if (dwarf_unit_read(f, NULL, h, NULL, false, &u) < 0) {
		x->bad++;
		return;
	}
	if (dwarf_ranges_each(&u, &u.low_pc, &u.high_pc, &u.range_list, add_range, s) < 0)
		x->bad++;
	dwarf_unit_fini(&u);
}

int dwarf_index_scan(struct dwarf_index *x, const struct dwarf_file *f, size_t max_bytes)
{
	struct scan s = {.index = x, .max = max_bytes};
	struct dwarf_head h;

	while (!x->done && x->next < f->sections[DWARF_INFO].size) {
		if (f->pool->work <= 0)
			return -EAGAIN;
		if (dwarf_head_read(f, x->next, &h) < 0 || dwarf_index_bytes(x) > max_bytes ||
		    x->units.len == UINT32_MAX - 1) {
			x->bad++;
			break;
		}
		scan_unit(&s, f, &h);
		x->next = h.end;
	}
	if (!x->done)
		finish(x);
	return 0;
}

void dwarf_index_fini(struct dwarf_index *x)
{
	vec_fini(&x->units);
	vec_fini(&x->ranges);
}

size_t dwarf_index_bytes(const struct dwarf_index *x)
{
	return x->units.cap * sizeof(*x->units.data) + x->ranges.cap * sizeof(*x->ranges.data);
}

size_t dwarf_index_find(const struct dwarf_index *x, uint64_t address, uint32_t *ret, size_t max)
{
	size_t low = 0, high = x->ranges.len, n = 0;
	uint64_t at = address - x->code.base;

	if (address < x->code.base || at > UINT32_MAX)
		return 0;
	/* low becomes the number of ranges that start at or below the address. */
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (x->ranges.data[mid].start <= at)
			low = mid + 1;
		else
			high = mid;
	}
	for (size_t back = 0; low-- > 0 && back < MAX_BACK && n < max; back++) {
		if (x->ranges.data[low].end > at)
			ret[n++] = x->ranges.data[low].unit;
	}
	return n;
}

uint32_t dwarf_index_unit_at(const struct dwarf_index *x, uint64_t offset)
{
	size_t low = 0, high = x->units.len;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (x->units.data[mid] <= offset)
			low = mid + 1;
		else
			high = mid;
	}
	return low ? (uint32_t)low - 1 : UINT32_MAX;
}
