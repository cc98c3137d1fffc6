/* The store of unwind tables while processes come, change, fork and go: what walks may be looking
 * at is never changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "native_tables.h"
#include "table_children.h"

struct tables tables;

enum { CHURN_PROCESSES = 40, CHURN_MAPPINGS = 500, CHURN_STEPS = 4000 };

static uint64_t seed = 1;

static uint64_t random_below(uint64_t n)
{
	seed = hash_mix(seed, 0x51ed270b);
	return seed % n;
}

/* What the test expects of a run, and of one that walks may still be looking at. */
struct expected {
	struct unwind_process run;
	struct unwind_mapping *elements;
	int64_t until;
};
struct churn {
	struct process processes[CHURN_PROCESSES]; /* all that they map */
	struct expected known[CHURN_PROCESSES];	   /* elements NULL: nothing */
	VEC(struct expected) old;
	uint32_t last_number; /* of a run */
};

static void check_intact(const struct expected *e)
{
	if (e->elements)
		assert_memory_equal(tables.mappings + e->run.first, e->elements,
				    e->run.count * sizeof(*e->elements));
}

static void expect_nothing(struct churn *c, int i)
{
	c->known[i].until = tables.now + TABLE_GRACE_NS;
	if (c->known[i].elements)
		vec_push(&c->old, c->known[i]);
	c->known[i].elements = NULL;
}

/* What is published now is what these mappings say: sorted, complete, of the right files. */
static void check_run(const struct process *p, const struct unwind_process *run)
{
	uint32_t at = 0;

	assert_true(run->first + run->count <= UNWIND_MAX_MAPPINGS);
	for (size_t i = 0; i < p->mappings.len; i++) {
		const struct mapping *m = &p->mappings.data[i];

		if (!strcmp(m->path, "[vsyscall]"))
			continue;
		while (at < run->count && tables.mappings[run->first + at].end <= m->start)
			at++;
		const struct unwind_mapping *u = &tables.mappings[run->first + at];

		assert_true(at < run->count && u->start <= m->start && u->end >= m->end);
		assert_true(u->file < UNWIND_MAX_FILES);
		assert_true(!at || u[-1].end <= u->start);
	}
	assert_int_equal(at + 1, run->count);
}

static void expect_process(struct churn *c, int i, const struct process *p)
{
	struct expected e = {};

	assert_true(tables_process(p->pid, &e.run));
	check_run(p, &e.run);
	if (c->known[i].elements && c->known[i].run.first == e.run.first) {
		assert_memory_equal(&c->known[i].run, &e.run, sizeof(e.run));
		return; /* nothing changed */
	}
	assert_true(e.run.number > c->last_number);
	c->last_number = e.run.number;
	expect_nothing(c, i);
	e.elements = mem_calloc(e.run.count, sizeof(*e.elements));
	memcpy(e.elements, tables.mappings + e.run.first, e.run.count * sizeof(*e.elements));
	c->known[i] = e;
}

/* Some of its mappings are not there for now. */
static void churn_publish(struct churn *c, int i)
{
	struct process some = c->processes[i];

	some.mappings.data = mem_calloc(some.mappings.len, sizeof(*some.mappings.data));
	some.mappings.len = 0;
	uint64_t keep = 1 + random_below(10);

	for (size_t k = 0; k < c->processes[i].mappings.len; k++)
		if (random_below(10) < keep)
			some.mappings.data[some.mappings.len++] = c->processes[i].mappings.data[k];
	if (some.mappings.len && !table_store_process(tables.store, &some, tables.now))
		expect_process(c, i, &some);
	else if (some.mappings.len)
		expect_nothing(c, i);
	free(some.mappings.data);
}

static void churn_fork(struct churn *c, int parent, int child)
{
	struct expected copy = c->known[parent];

	if (!copy.elements || parent == child)
		return;
	table_store_fork(tables.store, c->processes[parent].pid, c->processes[child].pid,
			 tables.now);
	size_t size = copy.run.count * sizeof(*copy.elements);

	copy.elements = memcpy(mem_calloc(size, 1), copy.elements, size);
	expect_nothing(c, child);
	c->known[child] = copy;
}

static void churn_step(struct churn *c)
{
	int i = (int)random_below(CHURN_PROCESSES), action = (int)random_below(20);

	if (action < 10) {
		churn_publish(c, i);
	} else if (action < 14) {
		table_store_forget(tables.store, c->processes[i].pid, tables.now);
		expect_nothing(c, i);
	} else if (action < 18) {
		churn_fork(c, i, (int)random_below(CHURN_PROCESSES));
	} else if (action < 19) {
		const struct process *p = &c->processes[i];

		tables_ask(p, &p->mappings.data[random_below(p->mappings.len)], 0);
	} else {
		table_store_tick(tables.store, tables.now);
	}
	tables.now += (int64_t)random_below(NSEC_PER_SEC / 4);
}

static void check_churn(struct churn *c)
{
	size_t kept = 0;

	for (int i = 0; i < CHURN_PROCESSES; i++) {
		struct unwind_process run;
		bool known = tables_process(c->processes[i].pid, &run);

		assert_int_equal(known, c->known[i].elements != NULL);
		if (known)
			assert_memory_equal(&run, &c->known[i].run, sizeof(run));
		check_intact(&c->known[i]);
	}
	for (size_t i = 0; i < c->old.len; i++) {
		if (c->old.data[i].until > tables.now) {
			check_intact(&c->old.data[i]);
			c->old.data[kept++] = c->old.data[i];
		} else {
			free(c->old.data[i].elements);
		}
	}
	c->old.len = kept;
}

static void test_churn(void **state)
{
	static struct churn c;

	tables_init(2 << 20, UNWIND_MAX_CHUNKS);
	for (int i = 0; i < CHURN_PROCESSES; i++)
		read_process(start_child(map_often, CHURN_MAPPINGS), &c.processes[i]);
	for (int i = 0; i < CHURN_STEPS; i++) {
		churn_step(&c);
		if (i % 16 == 0)
			check_churn(&c);
	}
	print_message("%lu runs published, %zu mappings of %zu processes\n", stats().published,
		      stats().mappings, stats().processes);
	for (int i = 0; i < CHURN_PROCESSES; i++) {
		table_store_forget(tables.store, c.processes[i].pid, tables.now);
		expect_nothing(&c, i);
	}
	settle();
	check_churn(&c);
	assert_int_equal(stats().mappings + stats().processes + stats().runs, 0);
	assert_int_equal(tables.processes.len, 0);
	for (int i = 0; i < CHURN_PROCESSES; i++) {
		stop_child(c.processes[i].pid);
		process_fini(&c.processes[i]);
	}
	vec_fini(&c.old);
	tables_fini();
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_churn)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
