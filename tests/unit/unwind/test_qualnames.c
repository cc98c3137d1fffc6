/* Qualified names of the functions of running interpreters. Then memory that lies: whatever
 * byte of what is read is another one, the plain name stays, or some name comes, in bounded time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "process/process.h"
#include "pythons.h"
#include "unwind/python/python_check.h"
#include "unwind/python/qualname.h"

static const char *script;

struct session {
	struct child child;
	struct memory memory;
	struct python python;
	struct python_qualnames *qualnames;
	size_t told;
};

static void attach(struct session *s)
{
	struct runtimes *r = runtimes_new();
	struct process p;

	s->memory = memory_of_process(s->child.pid);
	assert_int_equal(process_read(s->child.pid, &p, NULL), 0);
	assert_int_equal(runtimes_find_python(r, &p, &s->memory, &s->python), 1);
	process_fini(&p);
	runtimes_free(r);
}

static void read_code(const struct session *s, uint64_t address, struct python_code *ret)
{
	const struct python_layout *l = &s->python.process.layout;
	uint32_t words[PYTHON_CODE_WORDS];

	assert_int_equal(memory_read(&s->memory, address + l->code_flags, words, sizeof(words)), 0);
	assert_int_equal(python_code_read(&s->memory, s->python.version, l, address,
					  python_code_check(words, l), ret),
			 0);
}

static void compare(struct session *s, uint64_t address, const char *name)
{
	cleanup(python_code_fini) struct python_code c = {};

	read_code(s, address, &c);
	python_qualname(&s->qualnames, &s->memory, &s->python, address, &c);
	assert_string_equal(c.name, name);
	s->told++;
}

/* ---- memory that lies ---- */

struct liar {
	struct memory memory; /* first: it is found by its address */
	const struct memory *honest;
	uint64_t reads, lies_from, random;
};

static int read_lies(const struct memory *m, uint64_t address, void *buf, size_t n)
{
	struct liar *l = (struct liar *)m->owner;
	int r = memory_read(l->honest, address, buf, n);

	if (r < 0 || !n || ++l->reads < l->lies_from)
		return r;
	l->random = l->random * 6364136223846793005ULL + 1442695040888963407ULL;
	if (l->random >> 62 == 0)
		((uint8_t *)buf)[(l->random >> 32) % n] ^= (uint8_t)(l->random >> 40 | 1);
	return 0;
}

static void lie(struct session *s, uint64_t address)
{
	enum { TRIES = 100, MAX_READS = 2000000 };

	for (uint64_t i = 0; i < TRIES; i++) {
		cleanup(python_code_fini) struct python_code c = {};
		struct liar l = {.honest = &s->memory, .lies_from = i * 7, .random = i};
		struct python_qualnames *q = NULL;

		l.memory = (struct memory){.read = read_lies, .owner = &l};
		read_code(s, address, &c);
		python_qualname(&q, &l.memory, &s->python, address, &c);
		assert_true(l.reads < MAX_READS);
		python_qualnames_free(q);
	}
}

static void one_python(const char *python)
{
	struct session s = {};
	static char text[4096], lines[1 << 16];
	unsigned long address = 0;
	size_t len = 0;

	start(python, script, &s.child);
	while (fgets(text, sizeof(text), s.child.out) && strcmp(text, "ready\n")) {
		assert_true(len + strlen(text) < sizeof(lines));
		len += (size_t)sprintf(lines + len, "%s", text);
	}
	attach(&s);
	for (char *line = strtok(lines, "\n"); line; line = strtok(NULL, "\n")) {
		static char name[2048];

		if (sscanf(line, "code %lu %4095s", &address, text) != 2)
			continue;
		unhex(text, name, sizeof(name));
		compare(&s, address, name);
	}
	printf("%s: version %x, %zu names\n", python, s.python.version, s.told);
	assert_true(s.told > 25);
	if (!python_knows_qualnames(s.python.version))
		lie(&s, address);
	python_qualnames_free(s.qualnames);
	stop(&s.child);
}

static void test_pythons(void **state)
{
	(void)state;
	each_of_pyenv("2.7.*/bin/python2", one_python);
	each_python(one_python);
}

/* From 3.11 on code says its name itself: nothing is looked for. */
static void test_no_need(void **state)
{
	struct python_code c = {.name = (char *)"C.f", .file = (char *)"f.py"};
	const struct python py = {.version = 0x030b00f0};
	const struct memory m = {};
	struct python_qualnames *q = NULL;

	(void)state;
	python_qualname(&q, &m, &py, 4096, &c);
	assert_string_equal(c.name, "C.f");
	python_qualnames_free(q);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pythons),
		cmocka_unit_test(test_no_need),
	};

	script = argc > 1 ? argv[1] : NULL;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
