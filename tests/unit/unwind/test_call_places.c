/* Where functions are called from: what is certain counts at once, guesses when they agree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unwind/python/call_places.h"

enum { LEAF = 0x1000, WORK = 0x2000, MAIN = 0x3000, FRAME = 0x50010 };

static void test_certain_at_once(void **state)
{
	struct call_places p = {};
	uint64_t place = 0;

	assert_false(call_places_find(&p, LEAF, WORK, &place));
	call_places_learn(&p, LEAF, WORK, 6, FRAME);
	assert_true(call_places_find(&p, LEAF, WORK, &place));
	assert_int_equal(place, 6);
	assert_true(call_places_has(&p, LEAF, WORK, 6));
	assert_false(call_places_has(&p, LEAF, WORK, 12));
	assert_false(call_places_has(&p, LEAF, MAIN, 6));
	assert_false(call_places_find(&p, LEAF, MAIN, &place));
	assert_int_equal(call_places_frame(&p, LEAF, FRAME / 16 % CALL_FRAMES), FRAME);
	assert_int_equal(call_places_frame(&p, WORK, FRAME / 16 % CALL_FRAMES), 0);
	call_places_fini(&p);
}

static void test_guesses_have_to_agree(void **state)
{
	struct call_places p = {};
	uint64_t place = 0;

	call_places_guess(&p, LEAF, WORK, 12);
	assert_false(call_places_find(&p, LEAF, WORK, &place));
	for (int i = 0; i < 4; i++)
		call_places_guess(&p, LEAF, WORK, 6);
	assert_true(call_places_find(&p, LEAF, WORK, &place));
	assert_int_equal(place, 6);
	/* Nobody is certain of it. */
	assert_false(call_places_has(&p, LEAF, WORK, 6));
	call_places_fini(&p);
}

static void test_many_are_not_led_astray_by_one(void **state)
{
	struct call_places p = {};
	uint64_t place = 0;

	for (int i = 0; i < 10; i++)
		call_places_learn(&p, LEAF, WORK, 6, FRAME);
	call_places_guess(&p, LEAF, WORK, 12);
	call_places_learn(&p, LEAF, WORK, 12, FRAME);
	assert_true(call_places_find(&p, LEAF, WORK, &place));
	assert_int_equal(place, 6);
	assert_true(call_places_has(&p, LEAF, WORK, 12)); /* it calls from there, too */
	call_places_fini(&p);
}

static void test_bounded(void **state)
{
	struct call_places p = {};
	uint64_t place = 0;

	for (uint64_t i = 0; i < 200000; i++)
		call_places_learn(&p, LEAF + i, WORK, 6, FRAME);
	assert_true(p.places.len <= 1 << 16 && p.calls.len <= 1 << 16);
	assert_true(call_places_find(&p, LEAF + 199999, WORK, &place));
	call_places_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_certain_at_once),
		cmocka_unit_test(test_guesses_have_to_agree),
		cmocka_unit_test(test_many_are_not_led_astray_by_one),
		cmocka_unit_test(test_bounded),
	};

	return cmocka_run_group_tests_name("unwind call places", tests, NULL, NULL);
}
