/* Tables of functions, lines, callers and callees, by hand and against a slow way to count. */
#include "profile/top.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "stacks.h"

typedef int table_fn(const struct functions *f, const bool *chosen, const bool *keep,
		     top_rows *ret_rows, struct err *e);

static int functions_table(const struct functions *f, const bool *chosen, const bool *keep,
			   top_rows *ret_rows, struct err *e)
{
	return top_functions(f, keep, ret_rows, e);
}

static int lines_table(const struct functions *f, const bool *chosen, const bool *keep,
		       top_rows *ret_rows, struct err *e)
{
	return top_lines(f, keep, ret_rows, e);
}

/* The table as text, largest total first: "name:line self/total", comma between them. `of` is the
 * name of the functions whose callers or callees are asked for. */
static void expect(const struct profile *p, table_fn *table, const char *of, const bool *keep,
		   enum top_order order, const char *want)
{
	cleanup(functions_fini) struct functions f = {};
	cleanup_free bool *chosen = mem_calloc(p->functions.len + p->frames.len, sizeof(bool));
	cleanup_buf struct buf b = {};
	top_rows rows = {};

	functions_init(&f, p);
	for (uint32_t i = 0; i < f.list.len; i++)
		chosen[i] = of && !strcmp(functions_name(&f, i), of);
	assert_int_equal(table(&f, chosen, keep, &rows, NULL), 0);
	top_sort(&f, order, &rows);
	for (size_t i = 0; i < rows.len; i++) {
		const struct top_row *r = &rows.data[i];

		buf_printf(&b, "%s%s", i ? ", " : "",
			   r->function == TOP_OUTERMOST ? "-" : functions_name(&f, r->function));
		if (r->line)
			buf_printf(&b, ":%u", r->line);
		buf_printf(&b, " %lld/%lld", (long long)r->self, (long long)r->total);
	}
	vec_fini(&rows);
	assert_string_equal(buf_cstr(&b), want);
}

static struct profile *shop(void)
{
	struct profile *p = profile_new("cpu", "nanoseconds", 1);

	stacks_add(p, "web", "main:1;serve:10;query:20", 8);
	stacks_add(p, "web", "main:1;serve:11;query:21", 4);
	stacks_add(p, "web", "main:1;serve:10;render:30", 5);
	stacks_add(p, "db", "main:2;query:20", 16);
	stacks_add(p, "db", "main:2", 1);
	stacks_add(p, "db", "", 100); /* a sample without a stack is in no row */
	return p;
}

static void test_functions(void **state)
{
	cleanup_profile struct profile *p = shop();

	expect(p, functions_table, NULL, NULL, TOP_BY_TOTAL,
	       "main 1/34, query 28/28, serve 0/17, render 5/5");
	expect(p, functions_table, NULL, NULL, TOP_BY_SELF,
	       "query 28/28, render 5/5, main 1/34, serve 0/17");
}

static void test_lines(void **state)
{
	cleanup_profile struct profile *p = shop();

	expect(p, lines_table, NULL, NULL, TOP_BY_SELF,
	       "query:20 24/24, render:30 5/5, query:21 4/4, main:2 1/17, main:1 0/17, "
	       "serve:10 0/13, serve:11 0/4");
}

static void test_calls(void **state)
{
	cleanup_profile struct profile *p = shop();

	expect(p, top_callers, "query", NULL, TOP_BY_TOTAL, "main 16/16, serve 12/12");
	expect(p, top_callers, "main", NULL, TOP_BY_TOTAL, "- 1/34");
	expect(p, top_callees, "main", NULL, TOP_BY_TOTAL, "serve 0/17, query 16/16");
	expect(p, top_callees, "query", NULL, TOP_BY_TOTAL, "");
	expect(p, top_callers, "nobody", NULL, TOP_BY_TOTAL, "");
}

/* However often a function calls itself, a stack counts once. */
static void test_recursion(void **state)
{
	cleanup_profile struct profile *p = profile_new("cpu", "nanoseconds", 1);

	stacks_add(p, "x", "a:1;f:1;f:2;f:1;g:9", 4);
	stacks_add(p, "x", "a:1;f:1;g:9;f:1;g:9", 2);
	stacks_add(p, "x", "a:1;f:1", 1);
	expect(p, functions_table, NULL, NULL, TOP_BY_TOTAL, "f 1/7, a 0/7, g 6/6");
	expect(p, lines_table, NULL, NULL, TOP_BY_TOTAL, "f:1 1/7, a:1 0/7, g:9 6/6, f:2 0/4");
	expect(p, top_callers, "f", NULL, TOP_BY_TOTAL, "a 1/7, f 0/4, g 0/2");
	expect(p, top_callees, "f", NULL, TOP_BY_TOTAL, "g 6/6, f 0/4");
}

static void test_keep(void **state)
{
	cleanup_profile struct profile *p = shop();
	const bool keep[] = {true, false, true, false, false, false};

	assert_int_equal(p->samples.len, ARRAY_SIZE(keep));
	expect(p, functions_table, NULL, keep, TOP_BY_TOTAL,
	       "main 0/13, serve 0/13, query 8/8, render 5/5");
	expect(p, top_callers, "query", keep, TOP_BY_TOTAL, "serve 8/8");
}

/* Functions without a name are one an address. */
static void test_without_names(void **state)
{
	cleanup_profile struct profile *p = profile_new("cpu", "nanoseconds", 1);
	struct profile_function f = {.module = profile_string(p, "libz.so"), .kind = FRAME_NATIVE};
	uint32_t function = profile_function(p, &f);

	for (uint64_t address = 0x10; address < 0x13; address++) {
		struct profile_frame fr = {.function = function, .address = address};

		profile_add(p, profile_stack(p, 0, profile_frame(p, &fr)), 0, 1, 3);
		fr.line = 1; /* the same place with a line is the same function */
		profile_add(p, profile_stack(p, 0, profile_frame(p, &fr)), 0, 1, 1);
	}
	expect(p, functions_table, NULL, NULL, TOP_BY_SELF,
	       "libz.so+0x10 4/4, libz.so+0x11 4/4, libz.so+0x12 4/4");
}

static void test_empty_and_refused(void **state)
{
	cleanup_profile struct profile *p = profile_new("inuse", "bytes", 0);
	cleanup(functions_fini) struct functions f = {};
	top_rows rows = {};
	struct err e = {};

	expect(p, functions_table, NULL, NULL, TOP_BY_SELF, "");
	stacks_add(p, "x", "a", -1);
	functions_init(&f, p);
	assert_int_equal(top_functions(&f, NULL, &rows, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "negative"));
	assert_int_equal(rows.len, 0);
}

#define ANY (TOP_OUTERMOST - 1)

/* The value of all samples with a frame (or call) like this, asked stack by stack. */
static int64_t count_slowly(const struct functions *f, uint32_t caller, uint32_t callee)
{
	const struct profile *p = f->profile;
	int64_t sum = 0;

	for (size_t i = 0; i < p->samples.len; i++) {
		bool found = false;

		for (uint32_t s = p->samples.data[i].stack; s; s = p->stacks.data[s].parent) {
			uint32_t up = p->stacks.data[s].parent;
			uint32_t by = up ? f->of_frame[p->stacks.data[up].frame] : TOP_OUTERMOST;

			found |= f->of_frame[p->stacks.data[s].frame] == callee &&
				 (caller == ANY || caller == by);
		}
		if (found)
			sum += p->samples.data[i].value;
	}
	return sum;
}

static void test_random(void **state)
{
	for (unsigned int seed = 0; seed < 50; seed++) {
		cleanup_profile struct profile *p = profile_new("cpu", "nanoseconds", 1);
		cleanup(functions_fini) struct functions f = {};
		top_rows all = {}, callers = {};

		srand(seed);
		for (int i = 0; i < 60; i++) {
			uint32_t stack = 0;

			for (int depth = rand() % 12; depth > 0; depth--)
				stack = profile_stack(
					p, stack,
					stacks_frame(p, (char[]){(char)('a' + rand() % 5), 0},
						     (uint32_t)(rand() % 3), FRAME_NATIVE));
			profile_add(p, stack, 0, 1, rand() % 100);
		}
		functions_init(&f, p);
		assert_int_equal(top_functions(&f, NULL, &all, NULL), 0);
		for (size_t i = 0; i < all.len; i++)
			assert_int_equal(all.data[i].total,
					 count_slowly(&f, ANY, all.data[i].function));
		cleanup_free bool *chosen = mem_calloc(f.list.len, sizeof(bool));

		chosen[0] = true;
		assert_int_equal(top_callers(&f, chosen, NULL, &callers, NULL), 0);
		assert_true(callers.len > 0);
		for (size_t i = 0; i < callers.len; i++)
			assert_int_equal(callers.data[i].total,
					 count_slowly(&f, callers.data[i].function, 0));
		vec_fini(&all);
		vec_fini(&callers);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_functions),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_calls),
		cmocka_unit_test(test_recursion),
		cmocka_unit_test(test_keep),
		cmocka_unit_test(test_without_names),
		cmocka_unit_test(test_empty_and_refused),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
