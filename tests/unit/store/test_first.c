/* What a store can do before anybody has an account: keep what the first one will find. */
#include "store_test.h"

static void the_first_account_finds_what_was_there(struct store *s)
{
	struct store_key k = {
		.tenant = STORE_FIRST_TENANT,
		.name = "this machine",
		.hash = {7},
		.scope = KEY_INGEST,
	};
	struct store_account first = {.email = "ann@example.org", .password = "x", .owner = true};
	struct store_account second = {.email = "bob@example.org", .password = "x"};
	struct store_service *services;
	struct store_key *keys;
	struct arena a = {};
	size_t n;

	MUST(store_key_add(s, &k, &e));
	MUST(append_one(s, STORE_FIRST_TENANT, "host", "web-1", new_window(MIDNIGHT, 0), &e));

	MUST(store_account_add(s, &first, true, &e));
	assert_int_equal(first.tenant, STORE_FIRST_TENANT);
	MUST(store_account_add(s, &second, false, &e));
	assert_int_not_equal(second.tenant, STORE_FIRST_TENANT);

	assert_int_equal(store_key_list(s, first.tenant, &a, &keys, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(keys[0].account, 0);
	assert_int_equal(store_service_list(s, first.tenant, &a, &services, &n), 0);
	assert_int_equal(n, 1);
	assert_string_equal(services[0].name, "host");
	assert_int_equal(store_service_list(s, second.tenant, &a, &services, &n), 0);
	assert_int_equal(n, 0);
	arena_fini(&a);
}

static void in_sqlite(void **state)
{
	char *dir = make_folder();
	struct store *s;

	MUST(store_open_sqlite(dir, &s, &e));
	the_first_account_finds_what_was_there(s);
	store_close(s);
	remove_folder(dir);
}

static void in_memory(void **state)
{
	struct store *s;

	assert_int_equal(store_open_memory(&s), 0);
	the_first_account_finds_what_was_there(s);
	store_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_sqlite),
		cmocka_unit_test(in_memory),
	};

	return cmocka_run_group_tests_name("store: first", tests, NULL, NULL);
}
