/* Arenas, vectors, buffers, errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/vec.h"

static void test_arena_zeroed_and_aligned(void **state)
{
	struct arena a = {};

	for (size_t i = 1; i < 400; i++) {
		uint8_t *p = arena_alloc(&a, i, 7);

		assert_int_equal((uintptr_t)p % 16, 0);
		for (size_t k = 0; k < i * 7; k++)
			assert_int_equal(p[k], 0);
		memset(p, 0xff, i * 7);
	}
	assert_true(a.total >= 7 * 399 * 400 / 2);
	arena_fini(&a);
	assert_null(a.blocks);
	assert_int_equal(a.total, 0);
	arena_fini(&a);
}

/* One that is larger than any block, and what stood before it stays. */
static void test_arena_large(void **state)
{
	struct arena a = {};
	char *small = arena_strdup(&a, "small");
	char *large = arena_alloc(&a, 1 << 20, 1);
	char *after = arena_strdup(&a, "after");

	memset(large, 'x', 1 << 20);
	assert_string_equal(small, "small");
	assert_string_equal(after, "after");
	assert_non_null(arena_alloc(&a, 0, 0));
	arena_fini(&a);
}

static void test_arena_text(void **state)
{
	struct arena a = {};

	assert_string_equal(arena_strndup(&a, "abcdef", 3), "abc");
	assert_string_equal(arena_strndup(&a, "", 0), "");
	char *p = arena_printf(&a, "%s-%0*d", "x", 5000, 7);

	assert_int_equal(strlen(p), 5002);
	assert_string_equal(p + 4990, "000000000007");
	assert_string_equal(arena_printf(&a, "%s", ""), "");
	arena_fini(&a);
}

static void test_arena_many_small_ones_are_small(void **state)
{
	struct arena a[64] = {};

	for (size_t i = 0; i < ARRAY_SIZE(a); i++)
		arena_strdup(&a[i], "x");
	for (size_t i = 0; i < ARRAY_SIZE(a); i++) {
		assert_true(a[i].total <= 64);
		arena_fini(&a[i]);
	}
}

static void test_vec(void **state)
{
	VEC(uint64_t) v = {};

	for (uint64_t i = 0; i < 10000; i++)
		vec_push(&v, i * i);
	assert_int_equal(v.len, 10000);
	for (uint64_t i = 0; i < v.len; i++)
		assert_int_equal(v.data[i], i * i);
	uint64_t *same = v.data;
	size_t room = v.cap - v.len;

	vec_reserve(&v, room);
	assert_ptr_equal(v.data, same);
	vec_reserve(&v, room + 1);
	assert_true(v.cap >= v.len + room + 1);
	assert_int_equal(v.data[9999], 9999 * 9999);
	vec_clear(&v);
	assert_int_equal(v.len, 0);
	vec_fini(&v);
	assert_null(v.data);
	vec_fini(&v);
}

static void test_vec_of_structs(void **state)
{
	struct pair {
		int a, b;
	};
	VEC(struct pair) v = {};

	vec_push(&v, (struct pair){1, 2});
	vec_push(&v, (struct pair){.b = 3});
	assert_int_equal(v.data[0].b, 2);
	assert_int_equal(v.data[1].a, 0);
	vec_fini(&v);
}

static void test_buf(void **state)
{
	cleanup_buf struct buf b = {};

	assert_string_equal(buf_cstr(&b), "");
	buf_append(&b, NULL, 0);
	buf_putc(&b, 'a');
	buf_puts(&b, "bc");
	buf_printf(&b, "%d%s", 12, "");
	assert_int_equal(b.len, 5);
	assert_string_equal(buf_cstr(&b), "abc12");
	buf_putc(&b, '!'); /* the end of buf_cstr is no part of the content */
	assert_string_equal(buf_cstr(&b), "abc12!");
	for (int i = 0; i < 1000; i++)
		buf_printf(&b, "%*d", 100, i);
	assert_int_equal(b.len, 6 + 1000 * 100);
	buf_fini(&b);
	assert_int_equal(b.cap, 0);
}

static void test_err(void **state)
{
	struct err e = {};
	char text[2000];

	memset(text, 'y', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(err_set(&e, -EINVAL, "no %s", "luck"), -EINVAL);
	assert_int_equal(e.code, -EINVAL);
	assert_string_equal(e.msg, "no luck");
	assert_int_equal(err_prefix(&e, "file %d", 7), -EINVAL);
	assert_string_equal(e.msg, "file 7: no luck");
	assert_int_equal(err_sys(&e, -ENOENT, "open %s", "x"), -ENOENT);
	assert_string_equal(e.msg, "open x: No such file or directory");
	/* Whatever the length, it ends inside. */
	err_sys(&e, -ENOENT, "%s", text);
	assert_int_equal(strlen(e.msg), sizeof(e.msg) - 1);
	err_prefix(&e, "%s", text);
	assert_int_equal(strlen(e.msg), sizeof(e.msg) - 1);
	assert_int_equal(err_set(NULL, -EIO, "nobody asks"), -EIO);
	assert_int_equal(err_sys(NULL, -EIO, "nobody asks"), -EIO);
	assert_int_equal(err_prefix(NULL, "nobody asks"), -EINVAL);
}

static void test_take(void **state)
{
	char *p = mem_strdup("x");
	int fd = 5;

	{
		cleanup_free char *a = p;
		cleanup_free char *b = take_ptr(a);

		assert_null(a);
		assert_ptr_equal(b, p);
	}
	assert_int_equal(take_fd(&fd), 5);
	assert_int_equal(fd, -1);
	cleanup_free char *s = mem_asprintf("%s-%d", "a", 1);

	assert_string_equal(s, "a-1");
}

/* Does fn end the program? (An address sanitizer ends it in its own way.) Without its message on
 * our standard error. */
static bool dies(void (*fn)(void))
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		close(STDERR_FILENO);
		signal(SIGABRT, SIG_DFL);
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status != 0;
}

static void overflow_arena(void)
{
	struct arena a = {};

	arena_alloc(&a, SIZE_MAX / 2, 4);
}

static void overflow_array(void)
{
	free(mem_reallocarray(NULL, SIZE_MAX / 2, 4));
}

static void broken_check(void)
{
	CHECK(1 == 2);
}

static void nothing(void)
{
}

static void test_sizes_that_overflow_end_the_program(void **state)
{
	assert_true(dies(overflow_arena));
	assert_true(dies(overflow_array));
	assert_true(dies(broken_check));
	assert_false(dies(nothing));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arena_zeroed_and_aligned),
		cmocka_unit_test(test_arena_large),
		cmocka_unit_test(test_arena_text),
		cmocka_unit_test(test_arena_many_small_ones_are_small),
		cmocka_unit_test(test_vec),
		cmocka_unit_test(test_vec_of_structs),
		cmocka_unit_test(test_buf),
		cmocka_unit_test(test_err),
		cmocka_unit_test(test_take),
		cmocka_unit_test(test_sizes_that_overflow_end_the_program),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
