/* Growth that is spread over what was seen to run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "memory/memory_growth.h"

static struct memory_growth g;
static struct memory_run run;
static struct memory_process *process;

static int setup(void **state)
{
	(void)state;
	memory_growth_init(&g);
	run = (struct memory_run){};
	memory_run_watched(&run, 7, "x", 2, 1000);
	process = &run.processes.data[0];
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	memory_growth_fini(&g);
	memory_run_fini(&run);
	return 0;
}

static uint32_t frame(const char *file, const char *name, uint32_t line, uint8_t kind)
{
	struct profile_function function = {.start_line = 10, .kind = kind};
	struct profile_frame f = {.line = line};

	function.name = profile_string(g.stacks, name);
	function.file = profile_string(g.stacks, file);
	f.function = profile_function(g.stacks, &function);
	return profile_frame(g.stacks, &f);
}

/* f of app.py at this line, called by main at line 12. */
static uint32_t stack(uint32_t line)
{
	uint32_t main = profile_stack(g.stacks, 0, frame("app.py", "main", 12, FRAME_PYTHON));

	return profile_stack(g.stacks, main, frame("app.py", "f", line, FRAME_PYTHON));
}

static void was_seen(pid_t thread, uint32_t stack, double share, bool runs, bool touched)
{
	memory_growth_add(&g,
			  &(struct memory_growth_part){thread, stack, share, runs, touched, false});
}

static void ran(pid_t thread, uint32_t stack, double share, bool touched)
{
	was_seen(thread, stack, share, true, touched);
}

static void look(uint32_t stack, int64_t bytes)
{
	ran(1, stack, 1, true);
	memory_growth_look(&g, bytes, 1000 + g.looks, false);
}

static bool is_app(void *arg, const char *file, const char *function)
{
	(void)arg;
	(void)function;
	return !strcmp(file, "app.py");
}

static const struct memory_line *line_of(const char *function, uint32_t line)
{
	for (size_t i = 0; i < process->nfunctions; i++)
		for (size_t k = 0; k < process->functions[i].nlines; k++)
			if (!strcmp(process->functions[i].name, function) &&
			    process->functions[i].lines[k].line == line)
				return &process->functions[i].lines[k];
	fail();
	return NULL;
}

static void give(void)
{
	memory_growth_give(&g, "/src", is_app, NULL, &run, process);
}

static void test_halves(void **state)
{
	uint32_t a, b;

	(void)state;
	a = stack(11);
	b = stack(13);
	look(a, 1000);
	look(a, 1400); /* all of it a */
	look(b, 1600); /* half of it a */
	look(b, 1500);
	give();
	assert_int_equal(line_of("f", 11)->own, 500);
	assert_int_equal(line_of("f", 11)->occurrences, 2);
	assert_int_equal(line_of("f", 11)->usage, 1400);
	assert_int_equal(line_of("f", 13)->own, 0);
	assert_int_equal(line_of("main", 12)->increment, 500);
	assert_int_equal(line_of("main", 12)->own, 0);
	assert_int_equal(process->peak.bytes, 1600);
	assert_int_equal(process->peak.time_ns, 2);
	assert_string_equal(process->peak.function->name, "f");
	assert_int_equal(process->peak.line, 13);
	assert_string_equal(process->functions[0].path, "/src/app.py");
	assert_int_equal(process->looks, 4);
	assert_int_equal(profile_total_value(process->growth), 500);
}

static void test_rarely_measured(void **state)
{
	uint32_t a, b;

	(void)state;
	a = stack(11);
	b = stack(13);
	look(a, 0);
	look(b, -1);
	look(b, -1);
	look(b, 4000);
	look(a, 1000);
	give();
	/* 4,000 over a, b, b, b; -3,000 over b, a. */
	assert_int_equal(line_of("f", 11)->own, 1000 - 1500);
	assert_int_equal(line_of("f", 13)->own, 3000 - 1500);
	assert_int_equal(process->shrank, 500);
	assert_int_equal(profile_total_value(process->growth), 1500);
}

/* Who only waits is given nothing where another took memory, and else what there is. */
static void test_threads(void **state)
{
	uint32_t a, b, idle;

	(void)state;
	a = stack(11);
	b = stack(13);
	idle = stack(15);
	ran(3, idle, 1, false);
	memory_growth_look(&g, 0, 0, false);
	ran(1, a, 0.75, true);
	ran(2, b, 0.25, true);
	memory_growth_look(&g, 1000, 0, false);
	ran(2, b, 1, true); /* thread 1 took nothing any more */
	memory_growth_look(&g, 1100, 0, false);
	ran(3, idle, 1, false);
	memory_growth_look(&g, 1300, 0, false);
	give();
	assert_int_equal(line_of("f", 11)->own, 750);
	assert_int_equal(line_of("f", 13)->own, 250 + 100 + 100);
	assert_int_equal(line_of("f", 15)->own, 100);
}

/* Nothing is taken where a thread waits. */
static void test_waiting(void **state)
{
	uint32_t waits, runs;

	(void)state;
	waits = stack(11);
	runs = stack(13);
	was_seen(1, waits, 1, false, true);
	memory_growth_look(&g, 0, 0, false);
	ran(1, runs, 1, true);
	memory_growth_look(&g, 100, 0, false); /* all of it at the line that ran */
	was_seen(1, waits, 1, false, true);
	memory_growth_look(&g, 300, 0, false); /* the same */
	was_seen(1, waits, 1, false, true);
	memory_growth_look(&g, 1000, 0, false); /* at a line that is not known */
	give();
	assert_int_equal(line_of("f", 13)->own, 300);
	assert_int_equal(line_of("f", 11)->own, 0);
	assert_int_equal(line_of("f", 11)->increment, 0);
	assert_int_equal(line_of("main", 12)->increment, 1000);
	assert_int_equal(profile_total_value(process->growth), 1000);
}

/* What was taken just now is of what runs now; what was given back, as ever. */
static void test_just_taken(void **state)
{
	uint32_t a, b;

	(void)state;
	a = stack(11);
	b = stack(13);
	look(a, 0);
	look(a, -1);
	ran(1, b, 1, true);
	memory_growth_look(&g, 1000, 0, true);
	ran(1, a, 1, true);
	memory_growth_look(&g, 600, 0, true);
	give();
	assert_int_equal(line_of("f", 11)->own, -200);
	assert_int_equal(line_of("f", 13)->own, 1000 - 200);
}

/* Recursion counts once; what is not wanted belongs to its caller; what is not known to nobody. */
static void test_who_owns(void **state)
{
	uint32_t deep, library, torn;

	(void)state;
	deep = profile_stack(g.stacks, stack(11), frame("app.py", "f", 11, FRAME_PYTHON));
	library = profile_stack(g.stacks, deep, frame("lib.py", "g", 5, FRAME_PYTHON));
	torn = profile_stack(g.stacks, stack(15), frame("", "cut", 0, FRAME_MARK));
	look(library, 0);
	look(library, 600);
	look(torn, 600);
	look(torn, 900);
	give();
	assert_int_equal(line_of("f", 11)->increment, 600);
	assert_int_equal(line_of("f", 11)->own, 600);
	assert_int_equal(line_of("f", 11)->occurrences, 2);
	for (size_t i = 0; i < process->functions[0].nlines; i++)
		assert_int_not_equal(process->functions[0].lines[i].line, 15);
	assert_int_equal(line_of("main", 12)->increment, 900);
	assert_int_equal(process->nfunctions, 2);
}

static void test_nothing(void **state)
{
	(void)state;
	give();
	assert_int_equal(process->nfunctions, 0);
	assert_int_equal(profile_total_value(process->growth), 0);
	assert_int_equal(process->peak.bytes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_halves, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rarely_measured, setup, teardown),
		cmocka_unit_test_setup_teardown(test_threads, setup, teardown),
		cmocka_unit_test_setup_teardown(test_waiting, setup, teardown),
		cmocka_unit_test_setup_teardown(test_just_taken, setup, teardown),
		cmocka_unit_test_setup_teardown(test_who_owns, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nothing, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
