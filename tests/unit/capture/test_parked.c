/* Samples that wait for a table: copied, bounded, and their processes held. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#include "capture/parked.h"

enum { LARGE = 1 << 20 };

static struct probe_sample *make_sample(uint32_t size, uint64_t time)
{
	struct probe_sample *s = mem_calloc(1, size);

	s->record.size = size;
	s->time_ns = time;
	return s;
}

/* What waits is a copy; its target lives on when the table of targets has it no more. */
static void test_target_goes(void **state)
{
	struct targets all = {};
	struct parked parked = {};
	struct target *t = targets_add(&all, getpid(), 0, 1);
	struct probe_sample *s = make_sample(sizeof(*s) + 8, 7);
	bool changed = false;

	memcpy(s + 1, "a stack", 8);
	assert_true(parked_add(&parked, s, t, 3, 0x1000));
	assert_true(parked_add(&parked, s, t, 4, 0x2000));
	free(s);
	targets_remove(&all, getpid());
	assert_null(targets_find(&all, getpid()));
	struct target *other = targets_add(&all, getpid(), 0, 2);

	assert_ptr_not_equal(other, t);
	assert_ptr_equal(parked.list.data[0].target, t);
	assert_true(t->gone && t->readable);
	/* It is as it was: nobody looks at what the process is by now. */
	t->next_refresh_ns = 0;
	assert_non_null(target_mapping(t, (uintptr_t)test_target_goes, 1LL << 60, &changed));
	assert_null(target_mapping(t, 1, 1LL << 60, &changed));
	assert_false(changed);
	assert_int_equal(parked.list.data[0].run, 3);
	assert_int_equal(parked.list.data[0].awaited, 0x1000);
	assert_string_equal((const char *)(parked.list.data[0].sample + 1), "a stack");
	parked_remove(&parked, 0, &all);
	assert_int_equal(parked.list.len, 1);
	assert_int_equal(parked.list.data[0].run, 4);
	assert_int_equal(parked.list.data[0].target->holders, 1);
	assert_int_equal(parked.total, 2);
	parked_fini(&parked, &all);
	assert_int_equal(parked.bytes, 0);
	assert_int_equal(other->holders, 0);
	targets_fini(&all);
}

static void test_bound(void **state)
{
	struct targets all = {};
	struct parked parked = {};
	struct target *t = targets_add(&all, getpid(), 0, 1);
	struct probe_sample *s = make_sample(LARGE, 1);
	uint32_t n = 0;

	while (parked_add(&parked, s, t, 0, 0))
		n++;
	assert_int_equal(n, PARKED_MAX_BYTES / LARGE);
	assert_int_equal(parked.bytes, PARKED_MAX_BYTES);
	assert_int_equal(parked.refused, 1);
	assert_int_equal(t->holders, n);
	parked_remove(&parked, 0, &all);
	assert_true(parked_add(&parked, s, t, 0, 0));
	assert_int_equal(parked.list.data[n - 1].sample->time_ns, 1);
	parked_fini(&parked, &all);
	assert_int_equal(t->holders, 0);
	free(s);
	targets_fini(&all);
}

/* New code where there was that of another file: samples of before are not to be named after it. */
static void test_replaces(void **state)
{
	struct targets all = {};
	struct target *t = targets_add(&all, getpid(), 0, 1);
	const struct mapping *m = process_find_mapping(&t->process, (uintptr_t)test_replaces);
	struct mapping_event e = {
		.start = m->start, .end = m->end, .dev = m->dev, .inode = m->inode, .path = ""};

	assert_false(target_replaces(t, &e));
	e.inode++;
	assert_true(target_replaces(t, &e));
	e.start = m->end - 1;
	assert_true(target_replaces(t, &e));
	e.start = 1;
	e.end = 2;
	assert_false(target_replaces(t, &e));
	targets_fini(&all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_target_goes),
		cmocka_unit_test(test_bound),
		cmocka_unit_test(test_replaces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
