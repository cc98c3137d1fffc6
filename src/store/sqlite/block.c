#include "store/sqlite/block.h"

#include "store/sqlite/column.h"

enum { VARINT_MAX = 10, HAS_VALUES = 1 };

static int compare_entries(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->labels != y->labels)
		return x->labels < y->labels ? -1 : 1;
	return (x->stack > y->stack) - (x->stack < y->stack);
}

void entries_join(struct entries *es)
{
	size_t n = 0;

	if (!es->len)
		return;
	qsort(es->data, es->len, sizeof(*es->data), compare_entries);
	for (size_t i = 1; i < es->len; i++) {
		struct entry *last = &es->data[n], *x = &es->data[i];

		if (compare_entries(last, x)) {
			es->data[++n] = *x;
			continue;
		}
		last->count = wrap_add(last->count, x->count);
		last->value = wrap_add(last->value, x->value);
	}
	es->len = n + 1;
}

static bool values_follow(const struct entries *es, int64_t period)
{
	for (size_t i = 0; i < es->len; i++)
		if (es->data[i].value != wrap_multiply(es->data[i].count, period))
			return false;
	return true;
}

/* Label sets are written once each, with the number of their stacks. */
static int put_labels(const struct entries *es, int level, struct buf *out)
{
	cleanup_buf struct buf sets = {}, sizes = {};
	uint32_t last = 0;
	size_t groups = 0;

	for (size_t i = 0, end; i < es->len; i = end, groups++) {
		uint32_t labels = es->data[i].labels;

		for (end = i; end < es->len && es->data[end].labels == labels; end++)
			;
		wire_put_varint(&sets, labels - last);
		wire_put_varint(&sizes, end - i);
		last = labels;
	}
	wire_put_varint(out, groups);
	int r = pack_column(out, &sets, level);

	return r < 0 ? r : pack_column(out, &sizes, level);
}

static int put_stacks(const struct entries *es, int level, struct buf *out)
{
	cleanup_buf struct buf first = {}, next = {};

	for (size_t i = 0; i < es->len; i++) {
		const struct entry *x = &es->data[i];

		/* Within a set stacks ascend; from set to set they may go anywhere. */
		if (i && x[-1].labels == x->labels)
			wire_put_varint(&next, x->stack - x[-1].stack - 1);
		else
			wire_put_varint(&first, x->stack);
	}
	int r = pack_column(out, &first, level);

	return r < 0 ? r : pack_column(out, &next, level);
}

int block_encode(const struct entries *es, int64_t period, int level, struct buf *out)
{
	cleanup_buf struct buf counts = {}, values = {};
	bool follow = values_follow(es, period);

	CHECK(es->len <= BLOCK_ENTRIES_MAX);
	pack_begin(out);
	wire_put_varint(out, es->len);
	wire_put_varint(out, follow ? 0 : HAS_VALUES);
	int r = put_labels(es, level, out);

	if (r >= 0)
		r = put_stacks(es, level, out);
	for (size_t i = 0; i < es->len; i++) {
		const struct entry *x = &es->data[i];

		wire_put_varint(&counts, zigzag(x->count));
		if (!follow)
			wire_put_varint(
				&values,
				zigzag(wrap_subtract(x->value, wrap_multiply(x->count, period))));
	}
	if (r >= 0)
		r = pack_column(out, &counts, level);
	if (r >= 0 && !follow)
		r = pack_column(out, &values, level);
	pack_end(out);
	return r;
}

struct block_columns {
	struct buf bufs[6];
	struct wire_reader sets, sizes, first, next, counts, values;
};

static void columns_fini(struct block_columns *c)
{
	for (size_t i = 0; i < ARRAY_SIZE(c->bufs); i++)
		buf_fini(&c->bufs[i]);
}

static int read_columns(struct unpack *u, size_t max, bool has_values, struct block_columns *c,
			struct err *e)
{
	struct wire_reader *to[] = {&c->sets, &c->sizes,  &c->first,
				    &c->next, &c->counts, &c->values};

	for (size_t i = 0; i < ARRAY_SIZE(to) - !has_values; i++) {
		int r = unpack_column(u, max, &c->bufs[i], to[i], e);

		if (r < 0)
			return r;
	}
	return 0;
}

static bool read_value(struct block_columns *c, int64_t period, bool has_values, struct entry *x)
{
	uint64_t count, more = 0;

	if (!wire_varint(&c->counts, &count) || (has_values && !wire_varint(&c->values, &more)))
		return false;
	x->count = unzigzag(count);
	x->value = wrap_add(wrap_multiply(x->count, period), unzigzag(more));
	return true;
}

int block_decode(const void *p, size_t n, int64_t period, struct entries *out, struct err *e)
{
	cleanup(columns_fini) struct block_columns c = {};
	struct unpack u;
	uint64_t len, flags, groups, set, size, stack;
	struct entry x = {};
	int r = unpack_begin(&u, p, n, e);

	if (r >= 0)
		r = unpack_number(&u, BLOCK_ENTRIES_MAX, &len, e);
	if (r >= 0)
		r = unpack_number(&u, HAS_VALUES, &flags, e);
	if (r >= 0)
		r = unpack_number(&u, len, &groups, e);
	if (r >= 0)
		r = read_columns(&u, len * VARINT_MAX, flags & HAS_VALUES, &c, e);
	if (r < 0)
		return r;
	vec_reserve(out, len);
	for (uint64_t g = 0; g < groups; g++) {
		if (!wire_varint(&c.sets, &set) || !wire_varint(&c.sizes, &size) || size > len)
			return unpack_short(e);
		len -= size;
		x.labels += (uint32_t)set;
		for (uint64_t i = 0; i < size; i++) {
			if (!wire_varint(i ? &c.next : &c.first, &stack))
				return unpack_short(e);
			x.stack = i ? x.stack + 1 + (uint32_t)stack : (uint32_t)stack;
			if (!read_value(&c, period, flags & HAS_VALUES, &x))
				return unpack_short(e);
			vec_push(out, x);
		}
	}
	return len ? unpack_short(e) : 0;
}

void detail_fini(struct detail *d)
{
	vec_fini(&d->windows);
	vec_fini(&d->parts);
}

static int put_windows(const struct detail *d, int64_t start, int level, struct buf *out)
{
	cleanup_buf struct buf starts = {}, durations = {};

	for (size_t i = 0; i < d->windows.len; i++) {
		const struct window *w = &d->windows.data[i];

		wire_put_varint(&starts, zigzag(wrap_subtract(w->start, start)));
		wire_put_varint(&durations, zigzag(w->duration));
		start = wrap_add(w->start, w->duration);
	}
	wire_put_varint(out, d->windows.len);
	int r = pack_column(out, &starts, level);

	return r < 0 ? r : pack_column(out, &durations, level);
}

/* The parts of entry i start at *at. The last part's count and value are what the others leave of
 * the entry's. */
static void put_parts(const struct detail *d, size_t *at, uint32_t i, int64_t period, bool follow,
		      struct buf cols[4])
{
	size_t first = *at, end = first;

	while (end < d->parts.len && d->parts.data[end].entry == i)
		end++;
	CHECK(end > first);
	wire_put_varint(&cols[0], end - first - 1);
	for (size_t k = first; k < end; k++) {
		const struct part *x = &d->parts.data[k];
		uint32_t from = k > first ? x[-1].window + 1 : 0;

		wire_put_varint(&cols[1], x->window - from);
		if (k + 1 == end)
			break;
		wire_put_varint(&cols[2], zigzag(x->count));
		if (!follow)
			wire_put_varint(
				&cols[3],
				zigzag(wrap_subtract(x->value, wrap_multiply(x->count, period))));
	}
	*at = end;
}

int detail_encode(const struct detail *d, const struct entries *es, int64_t start, int64_t period,
		  int level, struct buf *out)
{
	struct buf cols[4] = {};
	bool follow = values_follow(es, period);
	size_t at = 0;

	for (size_t i = 0; i < d->parts.len && follow; i++)
		follow = d->parts.data[i].value == wrap_multiply(d->parts.data[i].count, period);
	pack_begin(out);
	wire_put_varint(out, follow ? 0 : HAS_VALUES);
	int r = put_windows(d, start, level, out);

	for (uint32_t i = 0; i < es->len; i++)
		put_parts(d, &at, i, period, follow, cols);
	for (int i = 0; r >= 0 && i < 3 + !follow; i++)
		r = pack_column(out, &cols[i], level);
	pack_end(out);
	for (size_t i = 0; i < ARRAY_SIZE(cols); i++)
		buf_fini(&cols[i]);
	return r;
}

static int read_windows(struct unpack *u, int64_t start, struct detail *out, struct err *e)
{
	cleanup_buf struct buf a = {}, b = {};
	struct wire_reader starts, durations;
	uint64_t n, s, d;
	int r = unpack_number(u, BLOCK_WINDOWS_MAX, &n, e);

	if (r >= 0)
		r = unpack_column(u, n * VARINT_MAX, &a, &starts, e);
	if (r >= 0)
		r = unpack_column(u, n * VARINT_MAX, &b, &durations, e);
	for (uint64_t i = 0; r >= 0 && i < n; i++) {
		if (!wire_varint(&starts, &s) || !wire_varint(&durations, &d))
			return unpack_short(e);
		struct window w = {wrap_add(start, unzigzag(s)), unzigzag(d)};

		vec_push(&out->windows, w);
		start = wrap_add(w.start, w.duration);
	}
	return r;
}

static int read_parts(const struct entry *x, uint32_t i, int64_t period, bool has_values,
		      struct wire_reader cols[4], struct detail *out, struct err *e)
{
	struct part left = {i, 0, x->count, x->value};
	uint64_t more, window, count, value = 0;

	if (!wire_varint(&cols[0], &more) || more >= out->windows.len)
		return unpack_short(e);
	for (uint64_t k = 0; k <= more; k++) {
		if (!wire_varint(&cols[1], &window) || window >= out->windows.len - left.window)
			return unpack_short(e);
		left.window += (uint32_t)window;
		if (k == more)
			break;
		if (!wire_varint(&cols[2], &count) ||
		    (has_values && !wire_varint(&cols[3], &value)))
			return unpack_short(e);
		struct part p = {i, left.window, unzigzag(count), 0};

		p.value = wrap_add(wrap_multiply(p.count, period), unzigzag(value));
		left.count = wrap_subtract(left.count, p.count);
		left.value = wrap_subtract(left.value, p.value);
		vec_push(&out->parts, p);
		if (++left.window >= out->windows.len)
			return unpack_short(e);
	}
	vec_push(&out->parts, left);
	return 0;
}

int detail_decode(const void *p, size_t n, const struct entries *es, int64_t start, int64_t period,
		  struct detail *out, struct err *e)
{
	cleanup_buf struct buf a = {}, b = {}, c = {}, d = {};
	struct buf *bufs[] = {&a, &b, &c, &d};
	struct wire_reader cols[4] = {};
	struct unpack u;
	uint64_t flags = 0;
	int r = unpack_begin(&u, p, n, e);

	if (r >= 0)
		r = unpack_number(&u, HAS_VALUES, &flags, e);
	if (r >= 0)
		r = read_windows(&u, start, out, e);
	size_t max = r < 0 ? 0 : es->len * MAX(out->windows.len, (size_t)1);

	for (size_t i = 0; r >= 0 && i < 3 + (flags & HAS_VALUES); i++)
		r = unpack_column(&u, MIN(max, (size_t)BLOCK_ENTRIES_MAX * 4) * VARINT_MAX, bufs[i],
				  &cols[i], e);
	for (uint32_t i = 0; r >= 0 && i < es->len; i++)
		r = read_parts(&es->data[i], i, period, flags & HAS_VALUES, cols, out, e);
	return r;
}

void spans_encode(struct cover *c, int64_t start, struct buf *out)
{
	cover_join(c);
	for (size_t i = 0; i < c->spans.len; i++) {
		wire_put_varint(out, zigzag(wrap_subtract(c->spans.data[i].from, start)));
		wire_put_varint(out, zigzag(c->spans.data[i].until - c->spans.data[i].from));
		start = c->spans.data[i].until;
	}
}

int spans_decode(const void *p, size_t n, int64_t start, struct cover *out, struct err *e)
{
	struct wire_reader r = wire_reader(p, n);
	uint64_t gap, length;

	while (r.p < r.end) {
		if (!wire_varint(&r, &gap) || !wire_varint(&r, &length))
			return unpack_short(e);
		int64_t from = wrap_add(start, unzigzag(gap));

		start = wrap_add(from, unzigzag(length));
		cover_add(out, from, start);
	}
	return 0;
}
