/* Options, settings and the key. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "cmd/cmd.h"
#include "cmd/key.h"
#include "cmd/options.h"

static char complaint[512];

/* In the program main.c has it; here it is remembered. */
int cmd_usage_error(const char *command, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(complaint, sizeof(complaint), fmt, ap);
	va_end(ap);
	return 2;
}

struct values {
	const char *all, *hz, *server, *key_file, *config;
};

/* Parse words separated by spaces; returns what options_parse does, with the status behind it. */
static int parse(struct values *v, const char *words, int *ret_status)
{
	const struct option_spec specs[] = {
		{"all", 'a', NULL, "", &v->all},       {"frequency", 'F', "HZ", "", &v->hz},
		{"server", 0, "URL", "", &v->server},  {"key-file", 0, "F", "", &v->key_file},
		{"config", 0, "FILE", "", &v->config},
	};
	const struct option_table t = {
		.command = "x", .specs = specs, .n = ARRAY_SIZE(specs), .settings = true};
	static struct arena a; /* lives as long as the values are looked at */
	char *argv[16] = {(char *)"x"}, *copy = arena_strdup(&a, words), *word;
	int argc = 1;

	while ((word = strsep(&copy, " ")) && argc < 16)
		if (*word)
			argv[argc++] = word;
	complaint[0] = 0;
	*ret_status = -1;
	return options_parse(&t, argc, argv, &a, ret_status);
}

static void takes_every_way_of_writing(void **state)
{
	static const char *const ways[] = {
		"-F 5 -a --server u",  "-F5 --all --server=u",
		"-aF5 --server u",     "--frequency=5 -a --server u",
		"-aF 5 --server u --", "--frequency 5 --server u -a -- -b"};
	int status;

	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		struct values v = {};

		assert_true(parse(&v, ways[i], &status) > 0);
		assert_string_equal(v.hz, "5");
		assert_string_equal(v.all, "yes");
		assert_string_equal(v.server, "u");
	}
}

static void an_option_may_stand_there_again(void **state)
{
	const char *last = NULL;
	option_values all = {};
	const struct option_spec specs[] = {{"setup", 's', "S", "", .all = &all},
					    {"last", 'l', "L", "", &last}};
	const struct option_table t = {.command = "x", .specs = specs, .n = ARRAY_SIZE(specs)};
	const char *argv[] = {"x", "-s", "a", "-l1", "--setup=b", "-l2", "-sc", "d"};
	int status;

	assert_int_equal(options_parse(&t, ARRAY_SIZE(argv), (char **)argv, NULL, &status), 7);
	assert_int_equal(all.len, 3);
	assert_string_equal(all.data[0], "a");
	assert_string_equal(all.data[1], "b");
	assert_string_equal(all.data[2], "c");
	assert_string_equal(last, "2");
	vec_fini(&all);
}

static void finds_the_operands(void **state)
{
	struct values v = {};
	int status;

	assert_int_equal(parse(&v, "", &status), 1);
	assert_int_equal(parse(&v, "-a -", &status), 2);
	assert_int_equal(parse(&v, "-a ls -F", &status), 2);
	assert_int_equal(parse(&v, "-a -- -F", &status), 3);
	assert_null(v.hz);
}

static void explains_what_is_wrong(void **state)
{
	static const struct {
		const char *words, *complaint;
	} cases[] = {
		{"--serve u", "there is no option --serve"},
		{"-x", "there is no option -x"},
		{"-aF", "--frequency needs a value: HZ"},
		{"--server", "--server needs a value: URL"},
		{"--all=yes", "--all takes no value"},
		{"--config /nonexistent", "cannot read /nonexistent: No such file or directory"},
	};
	struct values v = {};
	int status;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(parse(&v, cases[i].words, &status), -1);
		assert_int_equal(status, 2);
		assert_string_equal(complaint, cases[i].complaint);
		v = (struct values){};
	}
}

static void write_text(const char *path, const char *text)
{
	assert_int_equal(io_write_file(path, text, strlen(text), 0600, NULL), 0);
}

static void the_line_beats_the_environment_beats_the_file(void **state)
{
	char path[] = "/tmp/glim-test-options-XXXXXX";
	cleanup_close int fd = mkstemp(path);
	cleanup_free char *words = mem_asprintf("-F 1 --config %s", path);
	struct values v = {.hz = "default", .server = "default", .key_file = "default"};
	int status;

	assert_true(fd >= 0);
	write_text(path, "# comment\n\n frequency = 3\nserver =  from file \nkey-file=f\n");
	setenv("GLIM_SERVER", "from environment", 1);
	setenv("GLIM_KEY_FILE", "", 1); /* empty: as if it were not there */
	assert_true(parse(&v, words, &status) > 0);
	assert_string_equal(v.hz, "1");
	assert_string_equal(v.server, "from environment");
	assert_string_equal(v.key_file, "f");
	unsetenv("GLIM_SERVER");
	unsetenv("GLIM_KEY_FILE");
	assert_true(parse(&v, words, &status) > 0);
	assert_string_equal(v.server, "from file");
	unlink(path);
}

static void a_bad_file_is_named_with_its_line(void **state)
{
	static const struct {
		const char *text, *complaint;
	} cases[] = {{"all = yes\nkey = secret\n", "line 2: there is no setting \"key\""},
		     {"\n\nserver\n", "line 3: expected \"name = value\""},
		     {"config = x\n", "line 1: there is no setting \"config\""}};
	char path[] = "/tmp/glim-test-options-XXXXXX";
	cleanup_close int fd = mkstemp(path);
	cleanup_free char *words = mem_asprintf("--config %s", path);
	int status;

	assert_true(fd >= 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct values v = {};

		write_text(path, cases[i].text);
		assert_int_equal(parse(&v, words, &status), -1);
		assert_int_equal(status, 2);
		assert_non_null(strstr(complaint, cases[i].complaint));
		assert_null(strstr(complaint, "secret"));
	}
	unlink(path);
}

static void numbers_have_limits(void **state)
{
	static const char *const bad[] = {"",	"0",  "11",  "-1",  "+5",
					  " 5", "5 ", "5.0", "0x5", "99999999999999999999999"};
	unsigned int v = 77;

	assert_int_equal(options_number("-F", "10", 1, 10, &v, NULL), 0);
	assert_int_equal(v, 10);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(options_number("-F", bad[i], 1, 10, &v, NULL), -EINVAL);
	assert_int_equal(v, 10);
}

static void bytes_have_units(void **state)
{
	static const char *const bad[] = {
		"", "9", "K", "1T", "1KK", "-1K", "9999999G", "99999999999999999999999", "1 K"};
	size_t v = 0;

	assert_int_equal(options_bytes("-q", "4096", 10, 1UL << 31, &v, NULL), 0);
	assert_int_equal(v, 4096);
	assert_int_equal(options_bytes("-q", "64k", 10, 1UL << 31, &v, NULL), 0);
	assert_int_equal(v, 65536);
	assert_int_equal(options_bytes("-q", "16M", 10, 1UL << 31, &v, NULL), 0);
	assert_int_equal(v, 16777216);
	assert_int_equal(options_bytes("-q", "2G", 10, 1UL << 31, &v, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(options_bytes("-q", bad[i], 10, 1UL << 31, &v, NULL), -EINVAL);
	assert_int_equal(v, 1UL << 31);
}

static void the_key_leaves_the_environment(void **state)
{
	static char variable[] = "GLIM_KEY=glim_secret \n";
	cleanup_key struct buf key = {};

	putenv(variable);
	assert_int_equal(key_load(NULL, &key, NULL), 0);
	assert_string_equal((char *)key.data, "glim_secret");
	assert_null(getenv("GLIM_KEY"));
	for (size_t i = strlen("GLIM_KEY="); i < sizeof(variable); i++)
		assert_int_equal(variable[i], 0);
}

static void the_file_of_the_key_beats_the_environment(void **state)
{
	char path[] = "/tmp/glim-test-key-XXXXXX";
	cleanup_close int fd = mkstemp(path);
	cleanup_key struct buf key = {}, none = {};
	struct err e;

	assert_true(fd >= 0);
	write_text(path, "from-file\n");
	setenv("GLIM_KEY", "from-environment", 1);
	assert_int_equal(key_load(path, &key, NULL), 0);
	assert_string_equal((char *)key.data, "from-file");
	assert_null(getenv("GLIM_KEY"));
	unlink(path);
	setenv("GLIM_KEY", "x", 1);
	assert_int_equal(key_load(path, &none, &e), -ENOENT);
	assert_null(getenv("GLIM_KEY"));
}

/* Options behind operands are options where the command says so; not behind "--". */
static void operands_may_come_first(void **state)
{
	static const struct {
		const char *words, *operands;
	} cases[] = {
		{"a -F 5 b", "a b"},	  {"a b -F5", "a b"}, {"-F 5 a b", "a b"},
		{"a -F 5 -- -b", "a -b"}, {"-F 5", ""},	      {"-F 5 -", "-"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *hz = NULL;
		const struct option_spec specs[] = {{"frequency", 'F', "HZ", "", &hz}};
		const struct option_table t = {
			.command = "x", .specs = specs, .n = 1, .mixed = true};
		cleanup_free char *copy = mem_strdup(cases[i].words);
		cleanup_buf struct buf got = {};
		char *argv[8] = {(char *)"x"}, *rest = copy, *word;
		struct arena a = {};
		int argc = 1, status;

		while ((word = strsep(&rest, " ")))
			argv[argc++] = word;
		for (int k = options_parse(&t, argc, argv, &a, &status); k < argc; k++)
			buf_printf(&got, "%s%s", got.len ? " " : "", argv[k]);
		assert_string_equal(buf_cstr(&got), cases[i].operands);
		assert_string_equal(hz, "5");
		arena_fini(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_every_way_of_writing),
		cmocka_unit_test(operands_may_come_first),
		cmocka_unit_test(an_option_may_stand_there_again),
		cmocka_unit_test(finds_the_operands),
		cmocka_unit_test(explains_what_is_wrong),
		cmocka_unit_test(the_line_beats_the_environment_beats_the_file),
		cmocka_unit_test(a_bad_file_is_named_with_its_line),
		cmocka_unit_test(numbers_have_limits),
		cmocka_unit_test(bytes_have_units),
		cmocka_unit_test(the_key_leaves_the_environment),
		cmocka_unit_test(the_file_of_the_key_beats_the_environment),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
