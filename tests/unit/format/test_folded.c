/* Folded text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "dump.h"
#include "format/format.h"

static void expect_text(const struct profile *p, const char *want)
{
	cleanup_buf struct buf b = {};

	assert_int_equal(format_folded.write(p, &b, NULL), 0);
	assert_string_equal(buf_cstr(&b), want);
}

static void test_write(void **state)
{
	cleanup_profile struct profile *p = dump_sample_profile("cpu", "nanoseconds", 10);

	expect_text(p, "python3;[cut: too deep];_PyEval_EvalFrameDefault 2\n"
		       "python3;main (app.py:14);h\xc3\xa4ndle (app.py:22) 1235\n"
		       "python3;main (app.py:14);h\xc3\xa4ndle (app.py:22);"
		       "_PyEval_EvalFrameDefault;libc.so.6+0x12af;do_syscall_64_[k] 3\n");
}

/* Names that would break a line, or a terminal. */
static void test_escapes(void **state)
{
	static const struct {
		const char *name, *want;
	} cases[] = {
		{"a;b", "a:b"},
		{"a\nb\r\t", "a\\x0ab\\x0d\\x09"},
		{"\x1b[31m", "\\x1b[31m"},
		{"\xff", "\\xff"},
		{"operator<< <int> 12", "operator<< <int> 12"},
		{"caf\xc3\xa9", "caf\xc3\xa9"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_profile struct profile *p = profile_new("cpu", "count", 1);
		cleanup_free char *want = mem_asprintf("%s;%s 1\n", cases[i].want, cases[i].want);
		uint32_t frame = dump_frame(p, cases[i].name, "", "", 0, 0, 0, FRAME_NATIVE);

		profile_add(p, profile_stack(p, 0, frame), dump_label(p, "process", cases[i].name),
			    1, 1);
		expect_text(p, want);
	}
}

static void test_frames(void **state)
{
	static const struct {
		const char *name, *file, *module;
		uint32_t line;
		uint64_t address;
		uint8_t kind;
		const char *want;
	} cases[] = {
		{"f", "/a/b/c.py", "", 7, 0, FRAME_PYTHON, "f (c.py:7)"},
		{"f", "/a/b/c.py", "", 0, 0, FRAME_PYTHON, "f (c.py)"},
		{"f", "", "", 7, 0, FRAME_PYTHON, "f"},
		{"<module>", "<frozen importlib._bootstrap>", "", 7, 0, FRAME_PYTHON,
		 "<module> (<frozen importlib._bootstrap>:7)"},
		{"f", "a/b/", "", 1, 0, FRAME_PYTHON, "f (a/b/:1)"},
		{"f", "f.c", "prog", 7, 0, FRAME_NATIVE, "f"},
		{"", "", "prog", 0, 0x1f, FRAME_NATIVE, "prog+0x1f"},
		{"", "", "", 0, 0x1f, FRAME_NATIVE, "0x1f"},
		{"", "", "", 0, 0, FRAME_NATIVE, "unknown"},
		{"", "", "vmlinux", 0, 0xffffffff81000000, FRAME_KERNEL,
		 "vmlinux+0xffffffff81000000_[k]"},
		{"read", "", "ext4", 0, 0, FRAME_KERNEL, "read_[k]"},
		{"cut: why", "", "", 0, 0, FRAME_MARK, "[cut: why]"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_profile struct profile *p = profile_new("cpu", "count", 1);
		cleanup_free char *want = mem_asprintf("unknown;%s 1\n", cases[i].want);
		uint32_t frame = dump_frame(p, cases[i].name, cases[i].file, cases[i].module, 0,
					    cases[i].line, cases[i].address, cases[i].kind);

		profile_add(p, profile_stack(p, 0, frame), 0, 1, 1);
		expect_text(p, want);
	}
}

/* Stacks that read the same are one line; samples that count nothing are none. */
static void test_equal_lines_are_merged(void **state)
{
	cleanup_profile struct profile *p = profile_new("cpu", "count", 1);
	uint32_t x = dump_label(p, "process", "x");
	uint32_t a = dump_frame(p, "f", "", "m", 1, 1, 0, FRAME_NATIVE);
	uint32_t b = dump_frame(p, "f", "", "m", 1, 2, 0, FRAME_NATIVE);

	profile_add(p, profile_stack(p, 0, a), x, 2, 2);
	profile_add(p, profile_stack(p, 0, b), x, 3, 3);
	profile_add(p, profile_stack(p, 0, b), 0, 9, 0);
	profile_add(p, profile_stack(p, 0, a), dump_label(p, "process", ""), 1, INT64_MAX);
	profile_add(p, profile_stack(p, 0, b), 0, 1, 1);
	expect_text(p, "unknown;f 9223372036854775807\nx;f 5\n");
}

/* Of values that are no whole periods: they are what counts. */
static void test_values_are_what_counts(void **state)
{
	cleanup_profile struct profile *p = profile_new("cpu", "nanoseconds", 10);
	cleanup_profile struct profile *unknown = profile_new("cpu", "nanoseconds", 0);
	uint32_t a = dump_frame(p, "a", "", "", 0, 0, 0, FRAME_NATIVE);
	uint32_t b = dump_frame(p, "b", "", "", 0, 0, 0, FRAME_NATIVE);
	uint32_t c = dump_frame(unknown, "c", "", "", 0, 0, 0, FRAME_NATIVE);

	profile_add(p, profile_stack(p, 0, a), 0, 9, 14);
	profile_add(p, profile_stack(p, 0, b), 0, 1, 94);
	expect_text(p, "unknown;a 1\nunknown;b 10\n");
	profile_add(unknown, profile_stack(unknown, 0, c), 0, 3, 12345);
	expect_text(unknown, "unknown;c 3\n");
}

static void test_write_nothing(void **state)
{
	cleanup_profile struct profile *p = profile_new("cpu", "count", 1);

	expect_text(p, "");
}

static void test_round_trip(void **state)
{
	static const char text[] = "[odd;a 1\n"
				   "a b c;name with 12 spaces 3;x 9 7\n"
				   "python3;[cut: too deep];f (app.py:3);read_[k] 4\n"
				   "python3;f (app.py);g (<string>:1);libz.so.1+0xabc;0x1 5\n"
				   "unknown 6\n"
				   "unknown;unknown 2\n";
	cleanup(profile_vec_fini) profile_vec v = {};

	assert_int_equal(format_folded.read(text, strlen(text), &v, NULL), 0);
	assert_int_equal(v.len, 1);
	expect_text(v.data[0], text);
	assert_int_equal(profile_total_count(v.data[0]), 25);
}

static void test_read_kinds(void **state)
{
	static const char text[] = "p;[cut: x];m (a.py:3);lib.so+0x1f;k_[k];v_[k] 1\r\n\n";
	cleanup(profile_vec_fini) profile_vec v = {};

	assert_int_equal(format_folded.read(text, strlen(text), &v, NULL), 0);
	cleanup_free char *got = dump_profile(v.data[0]);

	assert_string_equal(got, "cpu count period 1 time 0 + 0 id \n"
				 "process=p ; 4 cut: x [ @0 in ] line 0 at 0x0"
				 "; 3 m [a.py @0 in ] line 3 at 0x0"
				 "; 1  [ @0 in lib.so] line 0 at 0x1f"
				 "; 2 k [ @0 in ] line 0 at 0x0"
				 "; 2 v [ @0 in ] line 0 at 0x0 | 1 1\n");
}

static void test_read_refuses(void **state)
{
	static const struct {
		const char *text;
		size_t len;
		const char *reason;
	} cases[] = {
		{"a;b 1\na;b\n", 10, "line 2"},
		{"a;b x\n", 6, "line 1"},
		{" 5\n", 3, "line 1"},
		{"a;b -1\n", 7, "line 1"},
		{"a;b 1.5\n", 8, "line 1"},
		{"a\0b 1\n", 6, "not text"},
		{"a 1234567890123456789\n", 22, "line 1"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup(profile_vec_fini) profile_vec v = {};
		struct err e = {};

		assert_int_equal(format_folded.read(cases[i].text, cases[i].len, &v, &e), -EBADMSG);
		assert_non_null(strstr(e.msg, cases[i].reason));
		assert_int_equal(v.len, 0);
	}
}

static void test_read_deep(void **state)
{
	cleanup_buf struct buf b = {};
	cleanup(profile_vec_fini) profile_vec v = {};
	uint32_t frames[2];

	buf_puts(&b, "p");
	for (int i = 1; i <= 5000; i++)
		buf_printf(&b, ";f%d", i);
	buf_puts(&b, " 1\n");
	assert_int_equal(format_folded.read(b.data, b.len, &v, NULL), 0);
	const struct profile *p = v.data[0];

	assert_int_equal(profile_unroll(p, p->samples.data[0].stack, frames, 2), FORMAT_MAX_DEPTH);
	assert_string_equal(
		profile_text(p, p->functions.data[p->frames.data[frames[0]].function].name),
		"f5000");
	b.len = 0;
	assert_int_equal(format_folded.write(p, &b, NULL), 0);
	assert_memory_equal(b.data, "p;[cut: too deep];f3978;f3979;", 30);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_write),
		cmocka_unit_test(test_escapes),
		cmocka_unit_test(test_frames),
		cmocka_unit_test(test_equal_lines_are_merged),
		cmocka_unit_test(test_values_are_what_counts),
		cmocka_unit_test(test_write_nothing),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_read_kinds),
		cmocka_unit_test(test_read_refuses),
		cmocka_unit_test(test_read_deep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
