/* The tasks of asyncio: of running interpreters, in every place where they are kept, as those tell
 * themselves. Then lists that lie: over a memory made of bytes. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "process/process.h"
#include "pythons.h"
#include "unwind/python/asyncio.h"
#include "unwind/python/layout.h"
#include "unwind/unwind.h"

static const char *script;

/* ---- of running interpreters ---- */

enum { OFFSETS_BYTES = 104, OFFSETS_WORDS = OFFSETS_BYTES / 8 };
/* Memory of a process, but for one word of what _asyncio tells of its tasks. */
struct liar {
	struct memory memory;
	struct memory real;
	size_t word;
	uint64_t value;
};

static int lying_read(const struct memory *m, uint64_t address, void *buf, size_t n)
{
	const struct liar *l = (const struct liar *)m;
	int r = memory_read(&l->real, address, buf, n);

	if (!r && n == OFFSETS_BYTES)
		memcpy((uint8_t *)buf + l->word * 8, &l->value, 8);
	return r;
}

/* Tasks that are others, and places that are in no state, are not believed. */
static void check_lies(const struct python_objects *o, const struct python_layout *l,
		       uint64_t interpreter)
{
	static const uint64_t values[] = {4, (1 << 20) + 8, 1ULL << 40, UINT64_MAX - 7};
	struct liar liar = {.memory.read = lying_read, .real = *o->memory};
	struct python_objects lied_to = *o;

	lied_to.memory = &liar.memory;
	for (liar.word = 0; liar.word < OFFSETS_WORDS; liar.word++)
		for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
			struct python_tasks all = {};

			liar.value = values[i];
			assert_int_equal(python_tasks_read(&all, &lied_to, l, interpreter),
					 -ENOTSUP);
			assert_int_equal(all.all.len, 0);
		}
}

/* False where its objects are not known. */
static bool read_tasks(pid_t pid, struct python_tasks *ret)
{
	struct memory memory = memory_of_process(pid);
	struct runtimes *r = runtimes_new();
	struct python_objects o;
	struct process p;
	struct python py;
	uint64_t interpreter;

	assert_int_equal(process_read(pid, &p, NULL), 0);
	assert_int_equal(runtimes_find_python(r, &p, &memory, &py), 1);
	process_fini(&p);
	runtimes_free(r);
	if (py.process.layout.free_threaded)
		return false;
	assert_int_equal(python_objects_init(&o, &memory, py.version), 0);
	assert_int_equal(memory_read(&memory, py.process.interpreters, &interpreter, 8), 0);
	assert_int_equal(python_tasks_read(ret, &o, &py.process.layout, interpreter), 0);
	if (python_minor(py.version) >= 0x030e)
		check_lies(&o, &py.process.layout, interpreter);
	return true;
}

static const struct python_task *find(const struct python_tasks *all, const char *name)
{
	for (size_t i = 0; i < all->all.len; i++)
		if (!strcmp(all->all.data[i].name, name))
			return &all->all.data[i];
	return NULL;
}

static void check_line(const struct python_tasks *all, const char *line)
{
	char name[64], awaiter[64], running[64];
	const struct python_task *t, *other;

	assert_int_equal(sscanf(line, "task %63s %63s %63s", name, awaiter, running), 3);
	t = find(all, name);
	other = find(all, awaiter);
	assert_non_null(t);
	assert_int_equal(t->running, !strcmp(running, "runs"));
	assert_int_equal(t->awaited_by, other ? other->address : 0);
	assert_true(other || !strcmp(awaiter, "-"));
}

static void one_python(const char *python)
{
	static char lines[32][256];
	struct python_tasks all = {};
	struct child c;
	size_t n = 0;
	bool known;

	start(python, script, &c);
	while (n < ARRAY_SIZE(lines) && fgets(lines[n], sizeof(lines[n]), c.out) &&
	       strcmp(lines[n], "ready\n"))
		n++;
	known = n && read_tasks(c.pid, &all);
	for (size_t i = 0; known && i < n; i++)
		check_line(&all, lines[i]);
	/* Each once, and no others. */
	assert_int_equal(all.all.len, known ? n : 0);
	assert_false(all.cut);
	printf("%s: %zu tasks\n", python, all.all.len);
	python_tasks_fini(&all);
	if (n)
		assert_int_equal(write(c.in, "\n", 1), 1);
	stop(&c);
}

static void test_all(void **state)
{
	(void)state;
	each_python(one_python);
}

/* ---- lists that lie ---- */

enum { BASE = 0x10000, SIZE = 0x4000, NODE = 152, MAX = 100 };
struct fake {
	struct memory memory;
	uint8_t bytes[SIZE];
	int reads;
};

static int fake_read(const struct memory *m, uint64_t address, void *buf, size_t n)
{
	struct fake *f = (struct fake *)m;

	f->reads++;
	if (address < BASE || n > SIZE || address - BASE > SIZE - n)
		return -EFAULT;
	memcpy(buf, f->bytes + (address - BASE), n);
	return 0;
}

static void put(struct fake *f, uint64_t address, uint64_t v)
{
	memcpy(f->bytes + (address - BASE), &v, sizeof(v));
}

/* A ring of a head and n nodes. */
static void put_ring(struct fake *f, size_t n)
{
	for (size_t i = 0; i <= n; i++) {
		put(f, BASE + i * 16, BASE + (i + 1) % (n + 1) * 16);
		put(f, BASE + i * 16 + 8, BASE + (i + n) % (n + 1) * 16);
	}
}

static void test_lists(void **state)
{
	static struct fake f = {.memory.read = fake_read};
	struct python_objects o;
	uint64_t tasks[MAX];
	bool cut;

	(void)state;
	assert_int_equal(python_objects_init(&o, &f.memory, 0x030e0000), 0);
	put_ring(&f, 0);
	assert_int_equal(python_task_list(&o, BASE, tasks, MAX, &cut), 0);
	assert_false(cut);
	put_ring(&f, 3);
	assert_int_equal(python_task_list(&o, BASE, tasks, MAX, &cut), 3);
	assert_false(cut);
	assert_int_equal(tasks[2], BASE + 48 - NODE);
	/* As many as there is room for. */
	assert_int_equal(python_task_list(&o, BASE, tasks, 3, &cut), 3);
	assert_false(cut);
	assert_int_equal(python_task_list(&o, BASE, tasks, 2, &cut), 2);
	assert_true(cut);
	assert_int_equal(python_task_list(&o, BASE, tasks, 0, &cut), 0);
	assert_true(cut);
	/* One that does not point back, which is where a list was while it changed. */
	put(&f, BASE + 32 + 8, BASE);
	assert_int_equal(python_task_list(&o, BASE, tasks, MAX, &cut), 1);
	assert_true(cut);
	/* A ring that the head is not in. */
	put_ring(&f, 3);
	put(&f, BASE + 48, BASE + 32);
	put(&f, BASE + 32 + 8, BASE + 48);
	f.reads = 0;
	python_task_list(&o, BASE, tasks, MAX, &cut);
	assert_true(cut && f.reads <= 3 * (MAX + 2));
	assert_int_equal(python_task_list(&o, UINT64_MAX - 7, tasks, MAX, &cut), 0);
	assert_true(cut);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_all),
	};

	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(argc, 2);
	script = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
