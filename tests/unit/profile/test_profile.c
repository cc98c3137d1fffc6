/* Building and merging profiles. */
#include "profile/profile.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static uint32_t frame(struct profile *p, const char *name, uint32_t line)
{
	struct profile_function f = {.name = profile_string(p, name),
				     .file = profile_string(p, "a.py"),
				     .kind = FRAME_PYTHON};
	struct profile_frame fr = {.function = profile_function(p, &f), .line = line};

	return profile_frame(p, &fr);
}

static uint32_t labels(struct profile *p, size_t n, const char *const *pairs)
{
	struct profile_label l[8];

	assert_true(n <= ARRAY_SIZE(l));
	for (size_t i = 0; i < n; i++)
		l[i] = (struct profile_label){profile_string(p, pairs[2 * i]),
					      profile_string(p, pairs[2 * i + 1])};
	return profile_labels(p, l, n);
}
#define LABELS(p, ...)                                                                             \
	labels(p, sizeof((const char *const[]){__VA_ARGS__}) / (2 * sizeof(char *)),               \
	       (const char *const[]){__VA_ARGS__})

static void test_outcomes(void **state)
{
	assert_string_equal(outcome_text(OUTCOME_COMPLETE), "complete");
	assert_string_equal(outcome_text(OUTCOME_TOO_DEEP), "cut: too deep");
	for (unsigned int i = 0; i < OUTCOME_COUNT; i++)
		assert_string_not_equal(outcome_text(i), "unknown");
	assert_string_equal(outcome_text(OUTCOME_COUNT), "unknown");
	assert_string_equal(remark_text(REMARK_BLIND), "frames found by frame pointer alone");
	assert_string_equal(outcome_text(UINT32_MAX), "unknown");
}

static void test_new(void **state)
{
	cleanup_profile struct profile *p =
		profile_new("a type longer than the room", "nanoseconds", 5);

	assert_string_equal(p->type, "a type longer t");
	assert_string_equal(p->unit, "nanoseconds");
	assert_int_equal(p->stacks.len, 1);
	assert_int_equal(p->label_sets.len, 1);
	assert_int_equal(profile_total_value(p), 0);
	profile_free(NULL);
}

static void test_interning(void **state)
{
	cleanup_profile struct profile *p = profile_new("cpu", "nanoseconds", 1);
	uint32_t a = frame(p, "a", 1), a2 = frame(p, "a", 2), b = frame(p, "b", 1);

	assert_int_equal(frame(p, "a", 1), a);
	assert_int_not_equal(a, a2);
	assert_int_equal(p->functions.len, 2);
	assert_int_equal(p->frames.len, 3);
	uint32_t s = profile_stack(p, profile_stack(p, 0, a), b);

	assert_int_equal(profile_stack(p, profile_stack(p, 0, a), b), s);
	assert_int_not_equal(profile_stack(p, profile_stack(p, 0, b), a), s);
	assert_int_not_equal(profile_stack(p, 0, b), s);
	assert_int_equal(profile_string(p, ""), 0);
	assert_int_equal(profile_string_n(p, "abc", 2), profile_string(p, "ab"));
	assert_int_equal(profile_string_n(p, "ab\0c", 4), profile_string(p, "ab"));
	assert_int_equal(profile_string_n(p, NULL, 0), 0);
}

/* Functions differ by each of their fields. */
static void test_functions_differ(void **state)
{
	cleanup_profile struct profile *p = profile_new("cpu", "nanoseconds", 1);
	uint32_t x = profile_string(p, "x");
	const struct profile_function all[] = {
		{.kind = FRAME_NATIVE},
		{.kind = FRAME_KERNEL},
		{.kind = FRAME_NATIVE, .name = x},
		{.kind = FRAME_NATIVE, .file = x},
		{.kind = FRAME_NATIVE, .module = x},
		{.kind = FRAME_NATIVE, .start_line = x},
	};

	for (uint32_t i = 0; i < ARRAY_SIZE(all); i++)
		assert_int_equal(profile_function(p, &all[i]), i);
	for (uint32_t i = 0; i < ARRAY_SIZE(all); i++)
		assert_int_equal(profile_function(p, &all[i]), i);
	const struct profile_frame frames[] = {{}, {.address = 1}, {.line = 1}, {.function = 1}};

	for (uint32_t i = 0; i < ARRAY_SIZE(frames); i++)
		assert_int_equal(profile_frame(p, &frames[i]), i);
	assert_int_equal(profile_frame(p, &frames[1]), 1);
}

static void test_labels(void **state)
{
	cleanup_profile struct profile *p = profile_new("cpu", "nanoseconds", 1);
	uint32_t set = LABELS(p, "thread", "main", "pid", "7", "host", "h");

	assert_int_equal(profile_labels(p, NULL, 0), 0);
	assert_int_equal(LABELS(p, "host", "h", "pid", "7", "thread", "main"), set);
	assert_int_equal(LABELS(p, "host", "x", "pid", "7", "host", "h", "thread", "main"), set);
	assert_int_not_equal(LABELS(p, "host", "h", "pid", "7"), set);
	assert_int_not_equal(LABELS(p, "host", "h", "pid", "8", "thread", "main"), set);
	assert_string_equal(profile_label_value(p, set, "pid"), "7");
	assert_null(profile_label_value(p, set, "tid"));
	assert_null(profile_label_value(p, 0, "pid"));
	/* Sorted by the text of the keys. */
	const struct profile_label_set *s = &p->label_sets.data[set];
	const char *const keys[] = {"host", "pid", "thread"};

	assert_int_equal(s->count, 3);
	for (uint32_t i = 0; i < 3; i++)
		assert_string_equal(profile_text(p, p->label_pairs.data[s->first + i].key),
				    keys[i]);
	/* What was made and found again leaves nothing behind. */
	assert_int_equal(p->label_pairs.len, 3 + 2 + 3);
}

static void test_add(void **state)
{
	cleanup_profile struct profile *p = profile_new("cpu", "nanoseconds", 10);
	uint32_t s = profile_stack(p, 0, frame(p, "f", 1)), l = LABELS(p, "pid", "1");

	profile_add(p, s, l, 1, 10);
	profile_add(p, s, 0, 2, 20);
	profile_add(p, s, l, 3, 30);
	profile_add(p, 0, l, 4, 40);
	assert_int_equal(p->samples.len, 3);
	assert_int_equal(p->samples.data[0].count, 4);
	assert_int_equal(p->samples.data[0].value, 40);
	assert_int_equal(profile_total_count(p), 10);
	assert_int_equal(profile_total_value(p), 100);
}

static void test_add_stops_at_the_end(void **state)
{
	cleanup_profile struct profile *p = profile_new("cpu", "nanoseconds", 10);

	profile_add(p, 0, 0, INT64_MAX, INT64_MIN);
	profile_add(p, 0, 0, 1, -1);
	assert_true(p->samples.data[0].count == INT64_MAX);
	assert_true(p->samples.data[0].value == INT64_MIN);
	profile_add(p, profile_stack(p, 0, frame(p, "f", 1)), 0, 1, 0);
	assert_true(profile_total_count(p) == INT64_MAX);
}

static void test_unroll(void **state)
{
	cleanup_profile struct profile *p = profile_new("cpu", "nanoseconds", 1);
	uint32_t a = frame(p, "a", 1), b = frame(p, "b", 1), c = frame(p, "c", 1), got[3];
	uint32_t s = profile_stack(p, profile_stack(p, profile_stack(p, 0, a), b), c);

	assert_int_equal(profile_unroll(p, 0, got, 3), 0);
	assert_int_equal(profile_unroll(p, s, got, 3), 3);
	assert_int_equal(got[0], c);
	assert_int_equal(got[1], b);
	assert_int_equal(got[2], a);
	got[1] = 77;
	assert_int_equal(profile_unroll(p, s, got, 1), 3);
	assert_int_equal(got[1], 77);
}

static void test_frame_names(void **state)
{
	cleanup_profile struct profile *p = profile_new("cpu", "nanoseconds", 1);
	struct profile_function bare = {.kind = FRAME_NATIVE}, in = bare, named = bare;

	in.module = profile_string(p, "libc.so.6");
	named.name = profile_string(p, "memcpy");
	const struct {
		struct profile_function *f;
		uint64_t address;
		const char *want;
	} cases[] = {
		{&bare, 0, "unknown"},		 {&bare, 0xabc, "0xabc"},
		{&in, 0xabc, "libc.so.6+0xabc"}, {&named, 0xabc, "memcpy"},
		{&in, 0, "libc.so.6+0x0"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_buf struct buf b = {};
		struct profile_frame fr = {.function = profile_function(p, cases[i].f),
					   .address = cases[i].address};

		profile_put_frame_name(p, profile_frame(p, &fr), &b);
		assert_string_equal(buf_cstr(&b), cases[i].want);
	}
}

static void fill(struct profile *p, int from, int to)
{
	for (int i = from; i < to; i++) {
		char name[32], pid[16];
		uint32_t s = profile_stack(p, 0, frame(p, "main", 1));

		snprintf(name, sizeof(name), "f%d", i);
		snprintf(pid, sizeof(pid), "%d", i % 3);
		s = profile_stack(p, s, frame(p, name, (uint32_t)i));
		profile_add(p, s, LABELS(p, "pid", pid, "process", "x"), 1, i);
	}
}

/* Two overlapping halves are the same as all at once. */
/* One frame keeps the place of three, another that of what is there already. */
static void test_replace(void **state)
{
	cleanup_profile struct profile *p = profile_new("cpu", "nanoseconds", 1);
	uint32_t root = frame(p, "root", 1), leaf = frame(p, "leaf", 1);
	uint32_t place = frame(p, "", 1), twin = frame(p, "", 2);
	uint32_t inner = frame(p, "inner", 1), middle = frame(p, "middle", 1);
	const uint32_t chain[] = {inner, middle, root};
	const struct profile_replacement list[] = {{place, chain, 3}, {twin, &leaf, 1}};
	uint32_t set = LABELS(p, "process", "a");
	uint32_t frames[8], stack = profile_stack(p, 0, root);

	profile_add(p, profile_path(p, stack, (uint32_t[]){place, leaf}, 2), set, 1, 10);
	profile_add(p, profile_path(p, stack, (uint32_t[]){place, twin}, 2), set, 2, 20);
	profile_add(p, profile_stack(p, stack, twin), 0, 4, 40);
	profile_add(p, 0, set, 8, 80);
	profile_replace(p, list, ARRAY_SIZE(list));
	assert_int_equal(p->samples.len, 3);
	assert_int_equal(p->samples.data[0].count, 3);
	assert_int_equal(p->samples.data[0].value, 30);
	assert_int_equal(p->samples.data[0].labels, set);
	assert_int_equal(profile_unroll(p, p->samples.data[0].stack, frames, 8), 5);
	assert_memory_equal(frames, ((uint32_t[]){leaf, inner, middle, root, root}),
			    5 * sizeof(*frames));
	assert_int_equal(profile_unroll(p, p->samples.data[1].stack, frames, 8), 2);
	assert_memory_equal(frames, ((uint32_t[]){leaf, root}), 2 * sizeof(*frames));
	assert_int_equal(p->samples.data[2].stack, 0);
	assert_int_equal(profile_total_value(p), 150);
	/* What is added from now on meets what was put there. */
	stack = profile_path(p, 0, (uint32_t[]){root, root, middle, inner, leaf}, 5);
	assert_int_equal(stack, p->samples.data[0].stack);
	profile_add(p, stack, set, 1, 1);
	assert_int_equal(p->samples.data[0].count, 4);
}

static void test_merge(void **state)
{
	cleanup_profile struct profile *all = profile_new("cpu", "nanoseconds", 1);
	cleanup_profile struct profile *a = profile_new("cpu", "nanoseconds", 1);
	cleanup_profile struct profile *b = profile_new("cpu", "nanoseconds", 1);

	fill(all, 0, 600);
	fill(all, 400, 1000);
	fill(a, 400, 1000);
	fill(b, 0, 600);
	assert_int_equal(profile_merge(b, a, NULL, 0, NULL), 0);
	assert_int_equal(b->samples.len, all->samples.len);
	assert_int_equal(b->stacks.len, all->stacks.len);
	assert_int_equal(b->frames.len, all->frames.len);
	assert_int_equal(b->functions.len, all->functions.len);
	assert_int_equal(b->label_sets.len, all->label_sets.len);
	assert_int_equal(strtab_count(&b->strings), strtab_count(&all->strings));
	for (size_t i = 0; i < b->samples.len; i++) {
		const struct profile_sample *s = &b->samples.data[i];
		uint32_t leaf = b->frames.data[b->stacks.data[s->stack].frame].line;

		assert_int_equal(s->count, leaf >= 400 && leaf < 600 ? 2 : 1);
		assert_int_equal(s->value, s->count * leaf);
	}
}

static void test_merge_keeps_labels(void **state)
{
	cleanup_profile struct profile *a = profile_new("cpu", "nanoseconds", 1);
	cleanup_profile struct profile *b = profile_new("cpu", "nanoseconds", 1);
	cleanup_profile struct profile *c = profile_new("cpu", "nanoseconds", 1);
	const char *const keep[] = {"process", "not there"};

	fill(a, 0, 3);
	fill(a, 0, 3);
	profile_add(a, a->samples.data[0].stack, LABELS(a, "pid", "9", "process", "x"), 5, 5);
	assert_int_equal(profile_merge(b, a, keep, ARRAY_SIZE(keep), NULL), 0);
	assert_int_equal(b->samples.len, 3);
	assert_int_equal(b->samples.data[0].count, 7);
	assert_string_equal(profile_label_value(b, b->samples.data[0].labels, "process"), "x");
	assert_null(profile_label_value(b, b->samples.data[0].labels, "pid"));
	/* Text that is not kept does not come along. */
	assert_int_equal(strtab_find(&b->strings, "pid", 3), HASH_NONE);
	assert_int_equal(profile_merge(c, a, keep, 0, NULL), 0);
	assert_int_equal(c->label_sets.len, 1);
	assert_int_equal(profile_total_count(c), profile_total_count(a));
}

static void test_merge_refuses(void **state)
{
	cleanup_profile struct profile *a = profile_new("cpu", "nanoseconds", 1);
	cleanup_profile struct profile *b = profile_new("wall", "nanoseconds", 1);
	cleanup_profile struct profile *c = profile_new("cpu", "count", 1);
	struct err e = {};

	assert_int_equal(profile_merge(a, b, NULL, 0, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "wall"));
	assert_int_equal(profile_merge(a, c, NULL, 0, NULL), -EINVAL);
}

static void test_merge_time_and_period(void **state)
{
	cleanup_profile struct profile *a = profile_new("cpu", "nanoseconds", 0);
	cleanup_profile struct profile *b = profile_new("cpu", "nanoseconds", 100);
	cleanup_profile struct profile *c = profile_new("cpu", "nanoseconds", 200);
	cleanup_profile struct profile *d = profile_new("cpu", "nanoseconds", 0);

	b->time_ns = 1000, b->duration_ns = 10;
	c->time_ns = 900, c->duration_ns = 10;
	profile_add(b, 0, 0, 3, 300);
	profile_add(c, 0, 0, 1, 200);
	profile_add(d, 0, 0, 1, 200);
	assert_int_equal(profile_merge(a, b, NULL, 0, NULL), 0);
	assert_int_equal(a->period, 100);
	assert_int_equal(a->time_ns, 1000);
	assert_int_equal(a->duration_ns, 10);
	assert_int_equal(profile_merge(a, c, NULL, 0, NULL), 0);
	assert_int_equal(a->period, 125);
	assert_int_equal(a->time_ns, 900);
	assert_int_equal(a->duration_ns, 110);
	/* Unknown times and periods say nothing. */
	assert_int_equal(profile_merge(a, d, NULL, 0, NULL), 0);
	assert_int_equal(a->period, 125);
	assert_int_equal(a->time_ns, 900);
	/* Nonsense from strangers does not overflow. */
	d->time_ns = INT64_MIN, d->duration_ns = INT64_MAX;
	b->time_ns = INT64_MAX, b->duration_ns = INT64_MAX;
	assert_int_equal(profile_merge(d, b, NULL, 0, NULL), 0);
	assert_true(d->duration_ns == INT64_MAX);
}

static void test_memory(void **state)
{
	cleanup_profile struct profile *p = profile_new("cpu", "nanoseconds", 1);
	size_t before = profile_memory(p);

	fill(p, 0, 1000);
	assert_true(profile_memory(p) > before + 1000 * sizeof(struct profile_sample));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_outcomes),
		cmocka_unit_test(test_new),
		cmocka_unit_test(test_interning),
		cmocka_unit_test(test_functions_differ),
		cmocka_unit_test(test_labels),
		cmocka_unit_test(test_add),
		cmocka_unit_test(test_add_stops_at_the_end),
		cmocka_unit_test(test_unroll),
		cmocka_unit_test(test_frame_names),
		cmocka_unit_test(test_replace),
		cmocka_unit_test(test_merge),
		cmocka_unit_test(test_merge_keeps_labels),
		cmocka_unit_test(test_merge_refuses),
		cmocka_unit_test(test_merge_time_and_period),
		cmocka_unit_test(test_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
