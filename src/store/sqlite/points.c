#include "store/sqlite/points.h"

#include <math.h>

#include "store/sqlite/column.h"

enum { VARINT_MAX = 10 };

/* How the values of a label set are written: value * scale as a whole number, or all bits. Stored:
 * append only. */
static const double scales[] = {1, 10, 100, 1000, 1000000};
enum { ALL_BITS = ARRAY_SIZE(scales) };
static const double LARGEST = 1LL << 53;

struct tick {
	int64_t time, interval;
};

static int compare_points(const void *a, const void *b)
{
	const struct point *x = a, *y = b;

	if (x->labels != y->labels)
		return x->labels < y->labels ? -1 : 1;
	if (x->time != y->time)
		return x->time < y->time ? -1 : 1;
	return (x->order > y->order) - (x->order < y->order);
}

void points_join(struct points *ps)
{
	bool sorted = true;
	size_t n = 0;

	if (!ps->len)
		return;
	for (size_t i = 1; i < ps->len && sorted; i++)
		sorted = compare_points(&ps->data[i - 1], &ps->data[i]) < 0;
	if (!sorted)
		qsort(ps->data, ps->len, sizeof(*ps->data), compare_points);
	for (size_t i = 1; i < ps->len; i++) {
		struct point *last = &ps->data[n], *x = &ps->data[i];

		if (last->labels != x->labels || last->time != x->time)
			last = &ps->data[++n];
		*last = *x;
	}
	ps->len = n + 1;
}

static int compare_ticks(const void *a, const void *b)
{
	const struct tick *x = a, *y = b;

	if (x->time != y->time)
		return x->time < y->time ? -1 : 1;
	return (x->interval > y->interval) - (x->interval < y->interval);
}

static struct tick *make_ticks(const struct points *ps, size_t *ret_n)
{
	struct tick *ticks = mem_calloc(ps->len + 1, sizeof(*ticks));
	size_t n = 0;

	for (size_t i = 0; i < ps->len; i++)
		ticks[i] = (struct tick){ps->data[i].time, ps->data[i].interval};
	qsort(ticks, ps->len, sizeof(*ticks), compare_ticks);
	for (size_t i = 0; i < ps->len; i++)
		if (!i || compare_ticks(&ticks[n - 1], &ticks[i]))
			ticks[n++] = ticks[i];
	*ret_n = n;
	return ticks;
}

static size_t find_tick(const struct tick *ticks, size_t n, const struct point *p)
{
	struct tick t = {p->time, p->interval};
	const struct tick *at = bsearch(&t, ticks, n, sizeof(t), compare_ticks);

	return (size_t)(at - ticks);
}

static bool fits(double v, double scale)
{
	double whole = rint(v * scale);

	/* -0 has a bit that whole numbers have not. */
	return fabs(whole) < LARGEST && whole / scale == v && (v != 0 || !signbit(v));
}

static size_t choose_scale(const struct point *p, size_t n)
{
	for (size_t s = 0; s < ALL_BITS; s++) {
		size_t i = 0;

		while (i < n && fits(p[i].value, scales[s]))
			i++;
		if (i == n)
			return s;
	}
	return ALL_BITS;
}

static void put_values(const struct point *p, size_t n, size_t scale, struct buf *numbers,
		       struct buf *bits)
{
	int64_t last = 0;
	uint64_t last_bits = 0;

	for (size_t i = 0; i < n; i++) {
		if (scale < ALL_BITS) {
			int64_t v = (int64_t)rint(p[i].value * scales[scale]);

			wire_put_varint(numbers, zigzag(v - last));
			last = v;
			continue;
		}
		uint64_t b, diff;

		memcpy(&b, &p[i].value, sizeof(b));
		diff = b ^ last_bits;
		buf_append(bits, &diff, sizeof(diff));
		last_bits = b;
	}
}

enum column {
	COL_TIMES,
	COL_INTERVALS,
	COL_LABELS,
	COL_SIZES,
	COL_TICKS,
	COL_SCALES,
	COL_NUMBERS,
	COL_BITS,
	COL_COUNT
};

static void put_series(const struct point *p, size_t n, const struct tick *ticks, size_t nticks,
		       struct buf cols[COL_COUNT])
{
	size_t scale = choose_scale(p, n), next = 0;

	wire_put_varint(&cols[COL_SIZES], n);
	wire_put_varint(&cols[COL_SCALES], scale);
	for (size_t i = 0; i < n; i++) {
		size_t t = find_tick(ticks, nticks, &p[i]);

		/* Ticks ascend with time. */
		wire_put_varint(&cols[COL_TICKS], t - next);
		next = t + 1;
	}
	put_values(p, n, scale, &cols[COL_NUMBERS], &cols[COL_BITS]);
}

int points_encode(const struct points *ps, int level, struct buf *out)
{
	struct buf cols[COL_COUNT] = {};
	size_t nticks, nseries = 0;
	cleanup_free struct tick *ticks = make_ticks(ps, &nticks);
	int64_t last = 0;
	uint32_t labels = 0;
	int r = 0;

	CHECK(ps->len <= POINTS_MAX);
	for (size_t i = 0; i < nticks; i++) {
		wire_put_varint(&cols[COL_TIMES], zigzag(ticks[i].time - last));
		wire_put_varint(&cols[COL_INTERVALS], zigzag(ticks[i].interval));
		last = ticks[i].time;
	}
	for (size_t i = 0, end; i < ps->len; i = end, nseries++) {
		for (end = i; end < ps->len && ps->data[end].labels == ps->data[i].labels; end++)
			;
		wire_put_varint(&cols[COL_LABELS], ps->data[i].labels - labels);
		labels = ps->data[i].labels;
		put_series(&ps->data[i], end - i, ticks, nticks, cols);
	}
	pack_begin(out);
	wire_put_varint(out, ps->len);
	wire_put_varint(out, nticks);
	wire_put_varint(out, nseries);
	for (int i = 0; i < COL_COUNT; i++) {
		if (r >= 0)
			r = pack_column(out, &cols[i], level);
		buf_fini(&cols[i]);
	}
	pack_end(out);
	return r;
}

struct point_columns {
	struct buf bufs[COL_COUNT];
	struct wire_reader r[COL_COUNT];
	struct tick *ticks;
	uint64_t len, nticks, nseries;
};

static void columns_fini(struct point_columns *c)
{
	for (size_t i = 0; i < COL_COUNT; i++)
		buf_fini(&c->bufs[i]);
	free(c->ticks);
}

static int read_columns(const void *p, size_t n, struct point_columns *c, struct err *e)
{
	struct unpack u;
	uint64_t time, interval;
	int64_t last = 0;
	int r = unpack_begin(&u, p, n, e);

	if (r >= 0)
		r = unpack_number(&u, POINTS_MAX, &c->len, e);
	if (r >= 0)
		r = unpack_number(&u, c->len, &c->nticks, e);
	if (r >= 0)
		r = unpack_number(&u, c->len, &c->nseries, e);
	for (int i = 0; r >= 0 && i < COL_COUNT; i++)
		r = unpack_column(&u, c->len * VARINT_MAX, &c->bufs[i], &c->r[i], e);
	if (r < 0)
		return r;
	c->ticks = mem_calloc(c->nticks + 1, sizeof(*c->ticks));
	for (uint64_t i = 0; i < c->nticks; i++) {
		if (!wire_varint(&c->r[COL_TIMES], &time) ||
		    !wire_varint(&c->r[COL_INTERVALS], &interval))
			return unpack_short(e);
		last = (int64_t)((uint64_t)last + (uint64_t)unzigzag(time));
		c->ticks[i] = (struct tick){last, unzigzag(interval)};
	}
	return 0;
}

static bool read_value(struct point_columns *c, uint64_t scale, int64_t *last, uint64_t *last_bits,
		       double *ret_v)
{
	struct wire_reader *bits = &c->r[COL_BITS];
	uint64_t n;

	if (scale < ALL_BITS) {
		if (!wire_varint(&c->r[COL_NUMBERS], &n))
			return false;
		*last = (int64_t)((uint64_t)*last + (uint64_t)unzigzag(n));
		*ret_v = (double)*last / scales[scale];
		return true;
	}
	if (bits->end - bits->p < (ptrdiff_t)sizeof(n))
		return false;
	memcpy(&n, bits->p, sizeof(n));
	bits->p += sizeof(n);
	*last_bits ^= n;
	memcpy(ret_v, last_bits, sizeof(*ret_v));
	return true;
}

static int read_series(struct point_columns *c, struct point x, struct points *out, struct err *e)
{
	uint64_t n, scale, skip, tick = 0, last_bits = 0;
	int64_t last = 0;

	if (!wire_varint(&c->r[COL_SIZES], &n) || !wire_varint(&c->r[COL_SCALES], &scale) ||
	    n > c->len || scale > ALL_BITS)
		return unpack_short(e);
	c->len -= n;
	for (uint64_t i = 0; i < n; i++) {
		if (!wire_varint(&c->r[COL_TICKS], &skip) || tick >= c->nticks ||
		    skip >= c->nticks - tick)
			return unpack_short(e);
		tick += skip;
		if (!read_value(c, scale, &last, &last_bits, &x.value))
			return unpack_short(e);
		x.time = c->ticks[tick].time;
		x.interval = c->ticks[tick].interval;
		tick++;
		vec_push(out, x);
	}
	return 0;
}

int points_decode(const void *p, size_t n, uint32_t order, struct points *out, struct err *e)
{
	cleanup(columns_fini) struct point_columns c = {};
	struct point x = {.order = order};
	uint64_t labels;
	int r = read_columns(p, n, &c, e);

	for (uint64_t i = 0; r >= 0 && i < c.nseries; i++) {
		if (!wire_varint(&c.r[COL_LABELS], &labels))
			return unpack_short(e);
		x.labels += (uint32_t)labels;
		r = read_series(&c, x, out, e);
	}
	return r >= 0 && c.len ? unpack_short(e) : r;
}
