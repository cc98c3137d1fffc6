/* Blocks and points come back as they were, and damage is noticed. */
#include "store_test.h"

#include "store/sqlite/block.h"
#include "store/sqlite/points.h"

static uint64_t seed;

static uint32_t below(uint32_t n)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)((seed >> 33) % n);
}

static int64_t any_number(void)
{
	static const int64_t odd[] = {0, 1, -1, INT64_MAX, INT64_MIN, 50000000};
	uint32_t i = below(ARRAY_SIZE(odd) + 3);

	return i < ARRAY_SIZE(odd) ? odd[i] : (int64_t)below(1000);
}

static void random_entries(struct entries *es, uint32_t n, int64_t period, bool follow)
{
	for (uint32_t i = 0; i < n; i++) {
		struct entry x = {below(20), below(8) ? below(500) : UINT32_MAX - below(3),
				  any_number(), 0};

		x.value = follow ? (int64_t)((uint64_t)x.count * (uint64_t)period) : any_number();
		vec_push(es, x);
	}
	entries_join(es);
}

/* Every entry spread over some of the windows. */
static void random_detail(struct detail *d, const struct entries *es, int64_t start)
{
	uint32_t n = 1 + below(40);

	for (uint32_t i = 0; i < n; i++)
		vec_push(&d->windows, (struct window){start + i * 10 * SECOND + below(5),
						      10 * SECOND - below(3)});
	for (uint32_t i = 0; i < es->len; i++) {
		struct entry left = es->data[i];

		for (uint32_t w = below(n); w + 1 < n && below(3); w += 1 + below(n - w - 1)) {
			struct part p = {i, w, below(3), any_number()};

			left.count = (int64_t)((uint64_t)left.count - (uint64_t)p.count);
			left.value = (int64_t)((uint64_t)left.value - (uint64_t)p.value);
			vec_push(&d->parts, p);
			if (w + 2 >= n)
				break;
		}
		const struct part *last = d->parts.len ? &d->parts.data[d->parts.len - 1] : NULL;
		uint32_t next = last && last->entry == i ? last->window + 1 : 0;

		vec_push(&d->parts, (struct part){i, next, left.count, left.value});
	}
}

static void blocks(void **state)
{
	for (seed = 1; below(400);) {
		struct entries es = {}, back = {};
		struct detail d = {}, d_back = {};
		struct buf data = {}, detail = {};
		int64_t period = any_number();

		random_entries(&es, below(300), period, below(2));
		assert_int_equal(block_encode(&es, period, 3, &data), 0);
		MUST(block_decode(data.data, data.len, period, &back, &e));
		assert_int_equal(back.len, es.len);
		if (es.len)
			assert_memory_equal(back.data, es.data, es.len * sizeof(*es.data));
		random_detail(&d, &es, MIDNIGHT);
		assert_int_equal(detail_encode(&d, &es, MIDNIGHT, period, 3, &detail), 0);
		MUST(detail_decode(detail.data, detail.len, &es, MIDNIGHT, period, &d_back, &e));
		assert_int_equal(d_back.windows.len, d.windows.len);
		assert_memory_equal(d_back.windows.data, d.windows.data,
				    d.windows.len * sizeof(*d.windows.data));
		assert_int_equal(d_back.parts.len, d.parts.len);
		if (d.parts.len)
			assert_memory_equal(d_back.parts.data, d.parts.data,
					    d.parts.len * sizeof(*d.parts.data));
		vec_fini(&es);
		vec_fini(&back);
		detail_fini(&d);
		detail_fini(&d_back);
		buf_fini(&data);
		buf_fini(&detail);
	}
}

static double any_value(void)
{
	static const double odd[] = {0, -0.0, 1e300, -5e-324, 0.1, 9007199254740993.0};

	return below(2) ? odd[below(ARRAY_SIZE(odd))] : below(100000) / 1000.0;
}

static void points(void **state)
{
	for (seed = 1; below(400);) {
		struct points ps = {}, back = {};
		struct buf data = {};
		uint32_t n = below(200);

		for (uint32_t i = 0; i < n; i++)
			vec_push(&ps, (struct point){below(10), 0, MIDNIGHT + below(30) * SECOND,
						     below(3) * SECOND, any_value()});
		points_join(&ps);
		assert_int_equal(points_encode(&ps, 3, &data), 0);
		MUST(points_decode(data.data, data.len, 0, &back, &e));
		assert_int_equal(back.len, ps.len);
		for (size_t i = 0; i < ps.len; i++) {
			assert_int_equal(back.data[i].labels, ps.data[i].labels);
			assert_int_equal(back.data[i].time, ps.data[i].time);
			assert_int_equal(back.data[i].interval, ps.data[i].interval);
			assert_memory_equal(&back.data[i].value, &ps.data[i].value, sizeof(double));
		}
		vec_fini(&ps);
		vec_fini(&back);
		buf_fini(&data);
	}
}

static void the_later_point_holds(void **state)
{
	struct points ps = {};

	vec_push(&ps, (struct point){1, 2, MIDNIGHT, 0, 20});
	vec_push(&ps, (struct point){1, 3, MIDNIGHT, 0, 30});
	vec_push(&ps, (struct point){1, 1, MIDNIGHT, 0, 10});
	points_join(&ps);
	assert_int_equal(ps.len, 1);
	assert_true(ps.data[0].value == 30);
	vec_fini(&ps);
}

/* Write the checksum anew, so that what is behind it is really read. */
static void stamp(struct buf *b)
{
	uint64_t h = hash_bytes(b->data + 4, b->len - 4);

	for (int i = 0; i < 4; i++)
		b->data[i] = (uint8_t)(h >> (8 * i));
}

/* Bytes that change or are missing give an error or other numbers, never a crash. */
static void damage(void **state)
{
	struct entries es = {};
	struct detail d = {};
	struct buf data = {}, detail = {};
	int refused = 0;

	seed = 7;
	random_entries(&es, 200, 50000000, false);
	random_detail(&d, &es, MIDNIGHT);
	assert_int_equal(block_encode(&es, 50000000, 3, &data), 0);
	assert_int_equal(detail_encode(&d, &es, MIDNIGHT, 50000000, 3, &detail), 0);
	for (int i = 0; i < 4000; i++) {
		struct buf *from = i % 2 ? &data : &detail, bad = {};
		struct entries back = {};
		struct detail d_back = {};

		buf_append(&bad, from->data, from->len);
		if (below(4))
			bad.data[4 + below((uint32_t)bad.len - 4)] ^= (uint8_t)(1 + below(255));
		else
			bad.len = 4 + below((uint32_t)bad.len - 4);
		int unstamped = block_decode(bad.data, bad.len, 0, &back, NULL);

		assert_int_equal(unstamped, -EBADMSG);
		back.len = 0;
		stamp(&bad);
		refused += i % 2 ? block_decode(bad.data, bad.len, 50000000, &back, NULL) < 0
				 : detail_decode(bad.data, bad.len, &es, MIDNIGHT, 50000000,
						 &d_back, NULL) < 0;
		vec_fini(&back);
		detail_fini(&d_back);
		buf_fini(&bad);
	}
	assert_true(refused > 1000);
	assert_int_equal(block_decode("", 0, 0, &es, NULL), -EBADMSG);
	vec_fini(&es);
	detail_fini(&d);
	buf_fini(&data);
	buf_fini(&detail);
}

static void stretches_of_time(void **state)
{
	struct cover c = {}, back = {};
	struct buf b = {};

	/* Out of order, overlapping, touching, empty. */
	cover_add(&c, MIDNIGHT + 50, MIDNIGHT + 60);
	cover_add(&c, MIDNIGHT, MIDNIGHT + 10);
	cover_add(&c, MIDNIGHT + 10, MIDNIGHT + 20);
	cover_add(&c, MIDNIGHT + 55, MIDNIGHT + 70);
	cover_add(&c, MIDNIGHT + 80, MIDNIGHT + 80);
	spans_encode(&c, MIDNIGHT + 30, &b);
	MUST(spans_decode(b.data, b.len, MIDNIGHT + 30, &back, &e));
	assert_int_equal(cover_ns(&back, MIDNIGHT, MIDNIGHT + 100), 40);
	assert_int_equal(cover_ns(&back, MIDNIGHT + 5, MIDNIGHT + 51), 16);
	assert_int_equal(back.spans.len, 2);
	cover_fini(&c);
	cover_fini(&back);
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks),
		cmocka_unit_test(points),
		cmocka_unit_test(the_later_point_holds),
		cmocka_unit_test(damage),
		cmocka_unit_test(stretches_of_time),
	};

	return cmocka_run_group_tests_name("store: blocks", tests, NULL, NULL);
}
