/* Bytes of Python's own allocator: of running interpreters, which say themselves how many there
 * are; then bookkeeping that lies, over a memory made of bytes. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "process/process.h"
#include "pythons.h"
#include "unwind/python/pymalloc.h"

static const char *script;

/* ---- running ones ---- */

/* What the program frees and takes to tell us; an arena's worth would be noticed. */
enum { SLACK = 32 << 10 };

static void compare(struct python_pymalloc *a, struct child *c, int64_t *first)
{
	unsigned long long known, more;
	struct python_heap heap;
	char line[128];

	assert_non_null(fgets(line, sizeof(line), c->out));
	assert_int_equal(sscanf(line, "%llu %llu", &known, &more), 2);
	assert_int_equal(python_pymalloc_read(a, &heap), 0);
	assert_int_equal(heap.odd, 0);
	assert_true(heap.arenas && heap.pools && heap.bytes <= heap.arena_bytes);
	if (known)
		assert_in_range(heap.bytes + SLACK - known, 0, 2 * SLACK);
	if (*first < 0)
		*first = (int64_t)heap.bytes;
	assert_in_range((int64_t)heap.bytes + SLACK - *first - (int64_t)more, 0, 2 * SLACK);
	assert_int_equal(write(c->in, "\n", 1), 1);
}

static bool open_it(pid_t pid, struct python_pymalloc *ret, struct err *e)
{
	struct memory m = memory_of_process(pid);
	struct runtimes *r = runtimes_new();
	struct process p;
	struct python py;
	int code;

	assert_int_equal(process_read(pid, &p, NULL), 0);
	assert_int_equal(runtimes_find_python(r, &p, &m, &py), 1);
	code = python_pymalloc_open(&p, &m, &py, ret, e);
	process_fini(&p);
	runtimes_free(r);
	assert_true(!code || (code == -ENOTSUP && *e->msg));
	return !code;
}

/* Let it tell all that it has to tell. */
static void hear(struct child *c)
{
	char line[128];

	assert_int_equal(write(c->in, "\n\n\n", 3), 3);
	while (fgets(line, sizeof(line), c->out))
		;
}

static void run(const char *python)
{
	struct python_pymalloc a;
	struct err e = {};
	struct child c;
	char first;
	int64_t bytes = -1;

	start(python, script, &c);
	first = (char)fgetc(c.out);
	assert_true(first != EOF);
	ungetc(first, c.out);
	if (open_it(c.pid, &a, &e)) {
		for (int i = 0; i < 3; i++)
			compare(&a, &c, &bytes);
		python_pymalloc_close(&a);
	} else {
		/* Only those without a GIL have none. */
		assert_non_null(strstr(e.msg, "without a GIL"));
		hear(&c);
	}
	stop(&c);
}

static void test_live(void **state)
{
	(void)state;
	each_python(run);
	each_of_pyenv("2.7*/bin/python", run);
}

static void test_not_in_use(void **state)
{
	struct python_pymalloc a;
	struct err e = {};
	struct child c;

	(void)state;
	setenv("PYTHONMALLOC", "malloc", 1);
	start("/usr/bin/python3", script, &c);
	unsetenv("PYTHONMALLOC");
	ungetc(fgetc(c.out), c.out);
	assert_false(open_it(c.pid, &a, &e));
	assert_non_null(strstr(e.msg, "PYTHONMALLOC"));
	hear(&c);
	stop(&c);
}

/* ---- one made of bytes ---- */

enum {
	BYTES = 1 << 20,
	BASE = 0x100000,
	HEAD = BASE + 8, /* of the list of interpreters */
	INTERPRETER = BASE + 0x100,
	STATE = BASE + 0x8000, /* of 3.13: where the interpreter points */
	ARENAS = BASE + 0x9000,
	FIRST = BASE + 0x10000, /* arena; its pools are those of 16 KiB */
	POOL = 16384,
	POOLS = 4,
	COUNT = 10,
	CLASS = 6, /* of 112 bytes */
};
static uint8_t bytes[BYTES];
static size_t reads;

static int read_bytes(const struct memory *m, uint64_t address, void *buf, size_t n)
{
	(void)m;
	reads++;
	if (address < BASE || address - BASE > BYTES || n > BYTES - (address - BASE))
		return -EFAULT;
	memcpy(buf, bytes + (address - BASE), n);
	return 0;
}

static void put(uint64_t address, uint64_t value, size_t n)
{
	memcpy(bytes + (address - BASE), &value, n);
}

static void put_pool(uint64_t at, uint32_t arena, uint32_t count)
{
	put(at, count, 4);
	put(at + 32, arena, 4);
	put(at + 36, CLASS, 4);
	put(at + 44, POOL - 16 * (CLASS + 1), 4);
}

static int setup(void **state)
{
	(void)state;
	memset(bytes, 0, sizeof(bytes));
	put(HEAD, INTERPRETER, 8);
	put(INTERPRETER + 10800, STATE, 8);
	for (uint64_t i = 0; i < 64; i++)
		put(STATE + i * 8, STATE + i / 2 * 16 - 16, 8);
	put(STATE + CLASS * 16ULL, FIRST, 8);
	put(STATE + 512, ARENAS, 8);
	put(STATE + 520, 16, 4);
	put(ARENAS + 48, FIRST, 8);
	put(ARENAS + 56, FIRST + POOLS * POOL, 8);
	put(ARENAS + 48 + 20, 64, 4);
	for (uint64_t i = 0; i < POOLS; i++)
		put_pool(FIRST + i * POOL, 1, i ? COUNT : 0);
	return 0;
}

static int open_bytes(struct python_pymalloc *ret)
{
	const struct memory m = {.read = read_bytes};
	struct python py = {.version = 0x030d00f0, .process.interpreters = HEAD};

	py.process.layout.interpreter_next = 7264;
	return python_pymalloc_open(NULL, &m, &py, ret, NULL);
}

static void test_bytes(void **state)
{
	struct python_pymalloc a;
	struct python_heap heap;

	(void)state;
	assert_int_equal(open_bytes(&a), 0);
	assert_int_equal(python_pymalloc_read(&a, &heap), 0);
	assert_int_equal(heap.blocks, (POOLS - 1) * COUNT);
	assert_int_equal(heap.bytes, (POOLS - 1) * COUNT * 112);
	assert_int_equal(heap.arena_bytes, 64 * POOL);
	assert_int_equal(heap.odd, 0);
	/* More in use than it has room for; of another arena. */
	put(FIRST + 2 * POOL, 147, 4);
	put(FIRST + 3 * POOL + 32, 7, 4);
	assert_int_equal(python_pymalloc_read(&a, &heap), 0);
	assert_int_equal(heap.blocks, COUNT);
	assert_int_equal(heap.odd, 2);
	/* An interpreter that follows itself shares one state with itself. */
	put(INTERPRETER + 7264, INTERPRETER, 8);
	reads = 0;
	assert_int_equal(python_pymalloc_read(&a, &heap), 0);
	assert_int_equal(heap.blocks, COUNT);
	assert_true(reads < 2000);
	python_pymalloc_close(&a);
}

static void test_lies(void **state)
{
	struct python_pymalloc a;
	struct python_heap heap;

	(void)state;
	assert_int_equal(open_bytes(&a), 0);
	put(STATE + 520, UINT32_MAX, 4); /* arenas without end */
	reads = 0;
	assert_int_equal(python_pymalloc_read(&a, &heap), -E2BIG);
	assert_true(reads < 10);
	put(STATE + 520, 1 << 20, 4);
	assert_int_equal(python_pymalloc_read(&a, &heap), -EBADMSG);
	put(STATE + 520, 16, 4);
	put(ARENAS + 56, UINT64_MAX, 8); /* an arena without end */
	assert_int_equal(python_pymalloc_read(&a, &heap), -EBADMSG);
	put(ARENAS + 56, FIRST + POOLS * POOL, 8);
	put(STATE, 1, 8); /* no such state */
	assert_int_equal(python_pymalloc_read(&a, &heap), -EBADMSG);
	python_pymalloc_close(&a);
	assert_int_equal(open_bytes(&a), -ENOTSUP);
}

/* Whatever is written over it, a reading ends soon and says no more than there is room for. */
static void test_random(void **state)
{
	enum { ROUNDS = 3000, MAX_READS = 10000 };
	struct python_pymalloc a;
	struct python_heap heap;
	uint64_t random = 1;

	(void)state;
	assert_int_equal(open_bytes(&a), 0);
	for (int i = 0; i < ROUNDS; i++) {
		uint64_t at;

		random = random * 6364136223846793005ULL + 1442695040888963407ULL;
		at = (i % 3 == 0   ? STATE + 512
		      : i % 3 == 1 ? ARENAS
				   : INTERPRETER + 10800 - 96) +
		     (random >> 40) % 96;
		setup(NULL);
		put(at, random >> 20, 1 + random % 8);
		reads = 0;
		if (!python_pymalloc_read(&a, &heap))
			assert_true(heap.bytes <= heap.arena_bytes);
		assert_true(reads < MAX_READS);
	}
	python_pymalloc_close(&a);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_live),
		cmocka_unit_test(test_not_in_use),
		cmocka_unit_test_setup(test_bytes, setup),
		cmocka_unit_test_setup(test_lies, setup),
		cmocka_unit_test_setup(test_random, setup),
	};

	assert_true(argc == 2);
	signal(SIGPIPE, SIG_IGN);
	script = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
