/* tests/unit/store/store_test.h - what the tests of the store share. */
#ifndef STORE_TEST_H
#define STORE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "store/store.h"

#define SECOND 1000000000LL
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)
/* 2026-03-02 00:00:00 UTC. */
#define MIDNIGHT (1772409600 * SECOND)

/* A fresh folder; remove_folder removes all of it. */
char *make_folder(void);
void remove_folder(char *dir);

/* Any failure prints its reason. */
void must(int r, const struct err *e);
#define MUST(call)                                                                                 \
	do {                                                                                       \
		struct err e = {};                                                                 \
		must((call), &e);                                                                  \
	} while (0)

/* A tenant with an account. */
int64_t new_tenant(struct store *s, const char *email);

/* A window of type cpu, 10 s long, 50 ms a sample; id 0: none. */
struct profile *new_window(int64_t time, uint64_t id);
/* labels: "process=a,pid=1"; stack: "main;work", root first. */
void add_sample(struct profile *p, const char *labels, const char *stack, int64_t count);

/* Append one profile and free it. */
int append_one(struct store *s, int64_t tenant, const char *service, const char *host,
	       struct profile *p, struct err *e);

/* A profile as sorted lines "{labels} stack count value"; the caller frees it. */
char *profile_lines(const struct profile *p);
/* What store_profile answers, as lines; the caller frees it. */
char *query_lines(struct store *s, const struct store_query *q, const char *const *by, size_t nby);

/* A fresh store; *state is its kind, "sqlite" or "memory", at first. */
struct fixture {
	struct store *store;
	char *dir; /* NULL: memory */
	int64_t tenant;
};
int fixture_set_up(void **state);
int fixture_tear_down(void **state);
/* Service shop, type cpu, the day after MIDNIGHT. */
struct store_query all_of(const struct fixture *f);
void assert_lines(struct fixture *f, const struct store_query *q, const char *want);

#define ON_STORE(store, name)                                                                      \
	{store ": " #name, name, fixture_set_up, fixture_tear_down, (void *)(uintptr_t)store},
#define ON_SQLITE(name) ON_STORE("sqlite", name)
#define ON_MEMORY(name) ON_STORE("memory", name)

#endif
