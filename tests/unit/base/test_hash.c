/* Hash tables and interned strings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/hash.h"
#include "base/strtab.h"

static void test_index(void **state)
{
	struct hash_index h = {};
	struct hash_iter it;

	assert_int_equal(hash_index_first(&h, 1, &it), HASH_NONE);
	for (uint32_t i = 0; i < 5000; i++)
		hash_index_add(&h, hash_mix(i, 7), i);
	for (uint32_t i = 0; i < 5000; i++) {
		uint32_t v = hash_index_first(&h, hash_mix(i, 7), &it);

		while (v != i && v != HASH_NONE)
			v = hash_index_next(&h, &it);
		assert_int_equal(v, i);
	}
	hash_index_clear(&h);
	assert_int_equal(h.len, 0);
	assert_int_equal(hash_index_first(&h, hash_mix(3, 7), &it), HASH_NONE);
	hash_index_fini(&h);
	hash_index_clear(&h);
	assert_int_equal(h.cap, 0);
}

/* Values under one hash all come out, once each, in any order, also across growth. */
static void test_index_collisions(void **state)
{
	struct hash_index h = {};
	struct hash_iter it;
	uint32_t seen = 0, n = 0;

	for (uint32_t i = 0; i < 20; i++) {
		hash_index_add(&h, 0xabcdef0123456789, i);
		hash_index_add(&h, (uint64_t)i << 40, 1000 + i);
	}
	for (uint32_t v = hash_index_first(&h, 0xabcdef0123456789, &it); v != HASH_NONE;
	     v = hash_index_next(&h, &it), n++) {
		assert_true(v < 20);
		seen |= 1U << v;
	}
	assert_int_equal(n, 20);
	assert_int_equal(seen, (1U << 20) - 1);
	hash_index_fini(&h);
}

static void test_map_set_and_get(void **state)
{
	struct map64 m = {};

	assert_null(map64_get(&m, 0));
	assert_false(map64_remove(&m, 0));
	for (uint64_t i = 0; i < 3000; i++)
		map64_set(&m, i * 4096, i);
	map64_set(&m, 0, 42); /* key 0 is a key like any other */
	map64_set(&m, UINT64_MAX, 43);
	assert_int_equal(m.len, 3001);
	assert_int_equal(*map64_get(&m, 0), 42);
	assert_int_equal(*map64_get(&m, UINT64_MAX), 43);
	assert_int_equal(*map64_get(&m, 2999 * 4096), 2999);
	assert_null(map64_get(&m, 1));
	*map64_get(&m, 4096) = 5;
	assert_int_equal(*map64_get(&m, 4096), 5);
	map64_fini(&m);
	assert_null(map64_get(&m, 0));
}

/* Removal against a plain array, on a table that is kept so full that runs wrap around its end. */
static void test_map_remove(void **state)
{
	enum { KEYS = 24 };
	struct map64 m = {};
	bool there[KEYS] = {};
	uint32_t random = 1, len = 0;
	bool wrapped = false;

	for (int round = 0; round < 200000; round++) {
		random = random * 1664525 + 1013904223;
		uint32_t key = (random >> 16) % KEYS;

		if (there[key]) {
			assert_true(map64_remove(&m, key));
			assert_false(map64_remove(&m, key));
			len--;
		} else if (len < 12) { /* 12 of 16 slots: no growth */
			map64_set(&m, key, key * 3);
			len++;
		} else {
			continue;
		}
		there[key] = !there[key];
		assert_int_equal(m.len, len);
		for (uint32_t k = 0; k < KEYS; k++) {
			uint64_t *v = map64_get(&m, k);

			assert_int_equal(v != NULL, there[k]);
			if (v)
				assert_int_equal(*v, k * 3);
		}
		wrapped |= m.slots[0].used && m.slots[m.cap - 1].used;
	}
	assert_int_equal(m.cap, 16);
	assert_true(wrapped);
	map64_fini(&m);
}

static void test_map_each(void **state)
{
	struct map64 m = {};
	struct map64_slot *s;
	uint64_t keys = 0, values = 0;
	size_t n = 0, i = 0;

	assert_null(map64_each(&m, &i));
	for (uint64_t k = 1; k <= 100; k++)
		map64_set(&m, k, 2 * k);
	for (i = 0; (s = map64_each(&m, &i)); n++) {
		keys += s->key;
		values += s->value;
	}
	assert_int_equal(n, 100);
	assert_int_equal(keys, 5050);
	assert_int_equal(values, 10100);
	map64_fini(&m);
}

static void test_strings(void **state)
{
	struct strtab t = {};
	char name[32];

	assert_int_equal(strtab_count(&t), 1);
	assert_int_equal(strtab_puts(&t, ""), 0);
	assert_string_equal(strtab_get(&t, 0), "");
	assert_int_equal(strtab_len(&t, 0), 0);
	const char *first = strtab_get(&t, strtab_puts(&t, "first"));

	for (uint32_t i = 0; i < 5000; i++) {
		snprintf(name, sizeof(name), "string %u", i);
		assert_int_equal(strtab_puts(&t, name), i + 2);
	}
	for (uint32_t i = 0; i < 5000; i++) {
		size_t len = (size_t)snprintf(name, sizeof(name), "string %u", i);

		assert_int_equal(strtab_find(&t, name, len), i + 2);
		assert_int_equal(strtab_put(&t, name, len), i + 2);
		assert_int_equal(strtab_len(&t, i + 2), len);
		assert_string_equal(strtab_get(&t, i + 2), name);
	}
	/* Text stays where it is. */
	assert_ptr_equal(strtab_get(&t, 1), first);
	assert_int_equal(strtab_find(&t, "string", 6), HASH_NONE);
	assert_int_equal(strtab_find(&t, "", 0), 0);
	assert_int_equal(strtab_count(&t), 5002);
	strtab_fini(&t);
	assert_int_equal(strtab_count(&t), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_index),		cmocka_unit_test(test_index_collisions),
		cmocka_unit_test(test_map_set_and_get), cmocka_unit_test(test_map_remove),
		cmocka_unit_test(test_map_each),	cmocka_unit_test(test_strings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
