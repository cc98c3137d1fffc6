/* What glim timeit makes of what was measured. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <ftw.h>
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "cmd/interpreter.h"
#include "cmd/timeit.h"

static void assert_near(double value, double expected, double off)
{
	assert_true(fabs(value - expected) <= off);
}

static struct timeit_lap lap(uint64_t loops, int64_t ns)
{
	return (struct timeit_lap){.loops = loops, .wall = ns, .cpu = ns};
}

/* A repeat of n laps of 100 loops that take this many nanoseconds each, the loop 10 more, and the
 * reading of the clocks 300. */
static void add_repeat(struct timeit_case *c, unsigned int part, const int64_t *loop_ns, size_t n)
{
	struct timeit_repeat r = {c->laps.len, n, part};

	for (size_t i = 0; i < n; i++)
		vec_push(&c->laps, lap(100, 100 * (loop_ns[i] + 10) + 300));
	vec_push(&c->empty, lap(1, 300));
	vec_push(&c->empty, lap(100, 1300));
	vec_push(&c->repeats, r);
	c->loops = 100 * n;
}

static void fini(struct timeit_case *c)
{
	vec_fini(&c->laps);
	vec_fini(&c->empty);
	vec_fini(&c->repeats);
}

static void times_are_written_as_timeit_does(void **state)
{
	static const struct {
		double seconds;
		const char *unit, *text;
	} times[] = {
		{0, NULL, "0 nsec"},	       {4.567e-10, NULL, "0.457 nsec"},
		{2e-8, NULL, "20 nsec"},       {1.2345e-6, NULL, "1.23 usec"},
		{0.0123, NULL, "12.3 msec"},   {1, NULL, "1 sec"},
		{4321, NULL, "4321 sec"},      {0.0123, "usec", "12300 usec"},
		{0.0123, "sec", "0.0123 sec"}, {-3e-9, NULL, "-3 nsec"},
		{-3e-6, NULL, "-3 usec"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
		cleanup_buf struct buf b = {};

		timeit_put_time(&b, times[i].seconds, times[i].unit);
		assert_string_equal(buf_cstr(&b), times[i].text);
	}
	assert_true(timeit_unit("usec"));
	assert_false(timeit_unit("us"));
}

static void the_loop_is_taken_off(void **state)
{
	struct timeit_case c = {};
	struct timeit_figures f;

	add_repeat(&c, 0, (int64_t[]){20, 22, 30}, 3);
	add_repeat(&c, 1, (int64_t[]){22, 24, 20}, 3);
	add_repeat(&c, 2, (int64_t[]){21, 22, 26}, 3);
	timeit_figures_init(&f, &c, TIMEIT_CPU);
	assert_near(f.loop, 10e-9, 1e-15);
	assert_near(f.laps.min, 20e-9, 1e-15);
	assert_near(f.best, 21e-9, 1e-15);
	assert_near(f.laps.median, 22e-9, 1e-15);
	assert_near(f.mean, 23e-9, 1e-15);
	assert_true(f.mean_known && f.interval.low < f.mean && f.mean < f.interval.high);
	/* The best repeat, with everything: 300 loops of 22 and 10. */
	assert_near(f.best_total, 32e-9, 1e-15);
	assert_near(timeit_repeat_seconds(&f, &c, &c.repeats.data[0]), 10.2e-6, 1e-12);
	timeit_figures_fini(&f);
	fini(&c);
}

static void disturbed_laps_are_left_out_while_others_are_left(void **state)
{
	struct timeit_case c = {};
	struct timeit_figures f;

	add_repeat(&c, 0, (int64_t[]){20, 20, 20, 20}, 4);
	c.laps.data[1].switches = 1;
	c.laps.data[1].wall += 5000000;
	c.laps.data[1].waited = 4999000; /* the rest is what it costs to be switched off and on */
	timeit_figures_init(&f, &c, TIMEIT_WALL);
	assert_int_equal(f.left_out, 1);
	assert_near(f.laps.max, 20e-9, 1e-15);
	assert_near(f.waited, 4999000e-9 / 400, 1e-12);
	timeit_figures_fini(&f);

	/* Most were disturbed: all count, without the time in which others had the CPU. */
	c.laps.data[2] = c.laps.data[3] = c.laps.data[1];
	timeit_figures_init(&f, &c, TIMEIT_WALL);
	assert_int_equal(f.left_out, 0);
	assert_near(f.laps.max, 30e-9, 1e-15);
	timeit_figures_fini(&f);

	/* A repeat of which nothing would be left. */
	add_repeat(&c, 1, (int64_t[]){20}, 1);
	add_repeat(&c, 2, (int64_t[]){20, 20, 20, 20, 20, 20}, 6);
	c.laps.data[4].switches = 1;
	timeit_figures_init(&f, &c, TIMEIT_WALL);
	assert_int_equal(f.left_out, 0);
	assert_true(f.mean_known);
	timeit_figures_fini(&f);

	/* It waited before the clock was read: what used the CPU is time of the statement. */
	c.laps.data[1].wall = 3300;
	timeit_figures_init(&f, &c, TIMEIT_WALL);
	assert_near(f.laps.min, 20e-9, 1e-15);
	timeit_figures_fini(&f);
	fini(&c);
}

static void compare(const struct timeit_case *a, const struct timeit_case *b,
		    struct timeit_comparison *ret)
{
	struct timeit_figures of_a, of_b;

	timeit_figures_init(&of_a, a, TIMEIT_CPU);
	timeit_figures_init(&of_b, b, TIMEIT_CPU);
	timeit_compare(&of_a, &of_b, ret);
	timeit_figures_fini(&of_a);
	timeit_figures_fini(&of_b);
}

/* The machine gets slower all the time, for both alike. */
static void comparisons_are_of_what_ran_side_by_side(void **state)
{
	struct timeit_case a = {}, b = {}, none = {};
	struct timeit_comparison c;

	for (unsigned int part = 0; part < 5; part++) {
		int64_t of_a = 1000 + 300 * part, of_b = of_a * 3 / 2 + part % 2;

		add_repeat(&a, part, (int64_t[]){of_a, of_a, of_a}, 3);
		add_repeat(&b, part, (int64_t[]){of_b, of_b, of_b}, 3);
		add_repeat(&none, part, (int64_t[]){0, 0}, 2);
	}
	compare(&a, &b, &c);
	assert_near(c.ratio, 1.5, 0.001);
	assert_true(c.known && c.different && c.p < 1e-6);
	assert_true(c.interval.low > 1.49 && c.interval.high < 1.51);
	compare(&a, &a, &c);
	assert_true(c.known && !c.different && c.ratio == 1);
	compare(&a, &none, &c);
	assert_true(isnan(c.ratio) && !c.known && !c.different);
	fini(&a);
	fini(&b);
	fini(&none);
}

static void one_lap_of_luck_is_not_the_best(void **state)
{
	struct timeit_case c = {};
	struct timeit_figures f;
	int64_t ns[200];

	for (size_t i = 0; i < ARRAY_SIZE(ns); i++)
		ns[i] = i < 40 ? 10 : i < 60 ? 20 : 30;
	add_repeat(&c, 0, ns, ARRAY_SIZE(ns));
	timeit_figures_init(&f, &c, TIMEIT_CPU);
	assert_near(f.best, 20e-9, 1e-15);
	timeit_figures_fini(&f);
	fini(&c);
}

static void few_repeats_are_not_compared(void **state)
{
	struct timeit_case a = {}, b = {};
	struct timeit_comparison c;

	add_repeat(&a, 0, (int64_t[]){10, 10}, 2);
	add_repeat(&b, 0, (int64_t[]){20, 20}, 2);
	compare(&a, &b, &c);
	assert_near(c.ratio, 2, 1e-9);
	assert_true(!c.known && !c.different);
	fini(&a);
	fini(&b);
}

static void make_program(const char *folder, const char *name)
{
	cleanup_free char *path = mem_asprintf("%s/%s", folder, name);
	char *end = strrchr(path, '/');

	for (char *p = path + 1; p < end; p++) {
		if (*p != '/')
			continue;
		*p = 0;
		mkdir(path, 0700);
		*p = '/';
	}
	*end = 0;
	mkdir(path, 0700);
	*end = '/';
	assert_int_equal(io_write_file(path, "#!\n", 3, 0700, NULL), 0);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	return remove(path);
}

static void interpreters_are_found(void **state)
{
	static const struct {
		const char *what, *found;
	} cases[] = {
		{NULL, "bin/python3"},
		{"3.11", "bin/python3.11"},
		{"python3.11", "bin/python3.11"},
		{"3.8", "pyenv/versions/3.8.18/bin/python"},
		{"3.8.2", "pyenv/versions/3.8.2/bin/python"},
		{"3.12", "pyenv/versions/3.12.1/bin/python"}, /* not the shim */
		{"2", "pyenv/versions/2.7.18/bin/python"},
		{"python3.12", "shims/python3.12"},
		{"3.9", NULL},
		{"3.8.3", NULL},
		{"python9", NULL},
		{"3.", NULL},
		{"/nonexistent/python", NULL},
		{"/", NULL},
	};
	static const char *const programs[] = {
		"bin/python3",
		"bin/python3.11",
		"shims/python3.12",
		"pyenv/versions/3.8.2/bin/python",
		"pyenv/versions/3.8.18/bin/python",
		"pyenv/versions/3.12.1/bin/python",
		"pyenv/versions/2.7.18/bin/python",
		"pyenv/versions/3.9-dev/bin/python",
		"pyenv/versions/other/bin/python",
	};
	char folder[] = "/tmp/test_timeit.XXXXXX";
	struct arena a = {};

	assert_non_null(mkdtemp(folder));
	for (size_t i = 0; i < ARRAY_SIZE(programs); i++)
		make_program(folder, programs[i]);
	setenv("PATH", arena_printf(&a, "/nonexistent:%s/shims:%s/bin", folder, folder), 1);
	setenv("PYENV_ROOT", arena_printf(&a, "%s/pyenv", folder), 1);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err e = {};
		const char *found = NULL;
		int code = interpreter_find(cases[i].what, &a, &found, &e);

		assert_int_equal(code == 0, cases[i].found != NULL);
		if (cases[i].found)
			assert_string_equal(found,
					    arena_printf(&a, "%s/%s", folder, cases[i].found));
		else
			assert_true(*e.msg);
	}
	arena_fini(&a);
	setenv("PATH", "/usr/bin:/bin", 1);
	assert_int_equal(nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_are_written_as_timeit_does),
		cmocka_unit_test(the_loop_is_taken_off),
		cmocka_unit_test(disturbed_laps_are_left_out_while_others_are_left),
		cmocka_unit_test(comparisons_are_of_what_ran_side_by_side),
		cmocka_unit_test(one_lap_of_luck_is_not_the_best),
		cmocka_unit_test(few_repeats_are_not_compared),
		cmocka_unit_test(interpreters_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
