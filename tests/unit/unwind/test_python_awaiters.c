/* What awaits a task: of running interpreters, which stop within steps and say who does. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/clock.h"
#include "process/process.h"
#include "pythons.h"
#include "unwind/python/awaiters.h"
#include "unwind/python/python_reader.h"

static const char *script;

struct seen {
	struct memory memory;
	struct python python;
	struct python_objects objects;
	struct python_awaiters awaiters;
	struct python_awaiters_thread thread;
	struct python_step step; /* of the last stop */
};

static void open_it(pid_t pid, struct seen *s)
{
	struct runtimes *r = runtimes_new();
	struct process p;

	*s = (struct seen){.memory = memory_of_process(pid)};
	assert_int_equal(process_read(pid, &p, NULL), 0);
	assert_int_equal(runtimes_find_python(r, &p, &s->memory, &s->python), 1);
	process_fini(&p);
	runtimes_free(r);
	if (python_text_objects_init(&s->objects, &s->memory, s->python.version, false))
		s->python.process.layout.thread_context = 0;
}

static void find_thread(struct seen *s)
{
	const struct python_thread *t;
	struct python_reader *r;

	assert_int_equal(python_reader_new(&s->memory, &s->python, &r, NULL), 0);
	assert_int_equal(python_reader_list(r), 1);
	t = python_reader_thread(r, 0);
	s->thread = (struct python_awaiters_thread){t->id, t->state, t->interpreter};
	python_reader_free(r);
}

/* As the walk in the kernel reads it. */
static struct python_step step_now(const struct seen *s)
{
	struct python_step ret = {.thread = s->thread.state};
	uint64_t at = ret.thread + s->python.process.layout.thread_context;

	assert_int_equal(memory_read(&s->memory, at, &ret.contexts, 16), 0);
	return ret;
}

static int ask(struct seen *s, const struct python_step *step)
{
	static struct memory_pages pages;

	return python_awaiters_of_step(&s->awaiters, &s->objects, &s->python.process.layout, step,
				       &pages, clock_mono_ns());
}

/* Their names, without those of futures that are written in Python. */
static void put_names(const struct seen *s, const struct python_awaiters *a, struct buf *out)
{
	for (uint32_t i = 0; i < a->count; i++) {
		cleanup(python_code_fini) struct python_code code = {};
		const struct unwind_entry *e = &a->frames[i].entry;

		assert_int_equal(python_code_read(&s->memory, s->python.version,
						  &s->python.process.layout, e->address,
						  e->tag >> 8, &code),
				 0);
		if (!strstr(code.name, "__await__"))
			buf_printf(out, "%s%s", out->len ? " " : "", code.name);
	}
	buf_puts(out, "\n");
}

static void check_names(const struct seen *s, const struct python_awaiters *a, const char *names)
{
	cleanup_buf struct buf found = {};

	put_names(s, a, &found);
	assert_string_equal(buf_cstr(&found), names);
}

static void compare_now(struct seen *s, const char *names)
{
	const struct python_layout *l = &s->python.process.layout;
	struct python_awaiters a = {};

	python_awaiters_read(&a, &s->objects, l, &s->thread, clock_mono_ns());
	check_names(s, &a, names);
	python_awaiters_fini(&a);
}

static void compare(struct seen *s, const char *names)
{
	struct python_step before = s->step, other;

	find_thread(s);
	s->step = step_now(s);
	assert_int_equal(s->step.number, 1);
	/* One step after the other; two stops are in the same. */
	assert_true(s->step.contexts >= before.contexts);
	assert_true(ask(s, &s->step) >= 0);
	assert_true(s->awaiters.depth >= 5);
	check_names(s, &s->awaiters, names);
	/* Any number of times, but of no other step, nor of another thread in this one's place. */
	assert_int_equal(ask(s, &s->step), s->awaiters.count);
	compare_now(s, names);
	/* Of a chain without an end only so many are taken. */
	assert_int_equal(s->awaiters.cut, !strncmp(names, "deep", 4));
	other = s->step;
	other.contexts -= 2;
	assert_int_equal(ask(s, &other), -ESTALE);
	other = s->step;
	other.number++;
	assert_int_equal(ask(s, &other), -ESTALE);
	if (before.number && before.contexts != s->step.contexts)
		assert_int_equal(ask(s, &before), -ESTALE);
	other = (struct python_step){.thread = 8, .contexts = 1, .number = 1};
	assert_int_equal(ask(s, &other), -ESTALE);
	other.contexts = UINT64_MAX;
	assert_int_equal(ask(s, &other), -ENOTSUP);
}

static void run(const char *python)
{
	char line[1024];
	struct child c;
	struct seen s;
	int stops = 0;

	start(python, script, &c);
	while (fgets(line, sizeof(line), c.out)) {
		if (!stops++)
			open_it(c.pid, &s);
		if (!s.python.process.layout.thread_context)
			assert_int_equal(ask(&s, &s.step), -ENOTSUP);
		else if (!strcmp(line, "over\n"))
			assert_int_equal(ask(&s, &s.step), -ESTALE);
		else
			compare(&s, line);
		assert_int_equal(write(c.in, "\n", 1), 1);
	}
	assert_string_equal(line, "over\n");
	python_awaiters_fini(&s.awaiters);
	stop(&c);
}

static void test_running_ones(void **state)
{
	(void)state;
	each_python(run);
}

/* The end of a call of the interpreter's loop stays at its outermost frame. */
static void test_insert(void **state)
{
	struct unwind_entry entries[8] = {
		{.address = 1, .tag = UNWIND_PYTHON | 5 << 8},
		{.address = 2, .tag = UNWIND_PYTHON_LAST | 6 << 8},
		{.address = 3, .tag = UNWIND_PYTHON_LAST},
		{.address = 4},
	};
	struct python_awaiters a = {.count = 2};

	(void)state;
	a.frames[0].entry = (struct unwind_entry){.address = 7, .tag = UNWIND_PYTHON | 7 << 8};
	a.frames[1].entry = (struct unwind_entry){.address = 8, .tag = UNWIND_PYTHON | 8 << 8};
	python_awaiters_insert(&a, entries + 2, 2 * sizeof(*entries));
	for (uint32_t i = 0; i < 6; i++)
		assert_int_equal(entries[i].address, ((uint64_t[]){1, 2, 7, 8, 3, 4})[i]);
	assert_int_equal(entries[1].tag, UNWIND_PYTHON | 6 << 8);
	assert_int_equal(entries[2].tag, UNWIND_PYTHON | 7 << 8);
	assert_int_equal(entries[3].tag, UNWIND_PYTHON_LAST | 8 << 8);
	assert_int_equal(entries[4].tag, UNWIND_PYTHON_LAST);
	a.count = 0;
	python_awaiters_insert(&a, entries + 2, 4 * sizeof(*entries));
	assert_int_equal(entries[2].address, 7);
	assert_int_equal(entries[1].tag, UNWIND_PYTHON | 6 << 8);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_running_ones),
		cmocka_unit_test(test_insert),
	};

	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(argc, 2);
	script = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
