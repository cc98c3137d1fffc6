/* Tables, JSON and pictures of runs that are written by hand. */
#include "memory/report/report.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/io.h"

#define MIB		 (1 << 20)
#define LINES(name, ...) static struct memory_line name[] = {__VA_ARGS__}

static const struct memory_report usual = {.precision = 3};
static char path[] = "/tmp/glim-report-XXXXXX";

/* A source file that is there until the next. */
static const char *source(const char *text)
{
	static int fd = -1;

	if (fd < 0)
		fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(pwrite(fd, text, strlen(text), 0), (ssize_t)strlen(text));
	return path;
}

static struct memory_process *process(struct memory_run *run)
{
	run->start_ns = (uint64_t)clock_real_ns();
	vec_push(&run->processes, (struct memory_process){.pid = 7,
							  .parent = 6,
							  .command = "python3 app.py",
							  .python = 0x030b,
							  .end_ns = 3000000000,
							  .peak_resident = -1});
	return &run->processes.data[run->processes.len - 1];
}

static void run_fini(struct memory_run *run)
{
	for (size_t i = 0; i < run->processes.len; i++)
		vec_fini(&run->processes.data[i].timeline);
	vec_fini(&run->processes);
}

static void expect_text(const struct memory_run *run, const struct memory_report *how,
			const char *want)
{
	cleanup_buf struct buf out = {};

	memory_report_text(run, how, &out);
	assert_string_equal(buf_cstr(&out), want);
}

#define HEADER                                                                                     \
	"Line #    Mem usage    Increment  Occurrences   Line Contents\n"                          \
	"=============================================================\n"

LINES(work_lines, {3, 1, 29 * MIB, 7 * MIB, 7 * MIB, 7 * MIB},
      {4, 1, 182 * MIB, 153 * MIB, 153 * MIB, 153 * MIB}, {5, 2, 29 * MIB, -153 * MIB, 0, 0});

static void the_known_table(void **state)
{
	cleanup(run_fini) struct memory_run run = {};
	struct memory_process *p = process(&run);
	struct memory_function f = {.file = "app.py",
				    .path = source("@profile\ndef work():\n\ta = [1] * 1000\n"
						   "    b = [2]\n    del b\n\n    return a\n"),
				    .name = "work",
				    .first_line = 1,
				    .last_line = 7,
				    .decorated = true,
				    .calls = 1,
				    .entered = 22 * MIB,
				    .lines = work_lines,
				    .nlines = 3};

	p->functions = &f;
	p->nfunctions = 1;
	expect_text(&run, &usual,
		    "Filename: app.py\n\n" HEADER
		    "     1   22.000 MiB    0.000 MiB            1   @profile\n"
		    "     2                                          def work():\n"
		    "     3   29.000 MiB    7.000 MiB            1   \ta = [1] * 1000\n"
		    "     4  182.000 MiB  153.000 MiB            1       b = [2]\n"
		    "     5   29.000 MiB -153.000 MiB            2       del b\n"
		    "     6\n"
		    "     7                                              return a\n\n\n");
	expect_text(
		&run, &(struct memory_report){.precision = 0, .own = true, .peak = true},
		"Filename: app.py\n\n"
		"Line #    Mem usage    Increment          Own Peak in line  Occurrences   Line "
		"Contents\n"
		"=========================================================================="
		"=============\n"
		"     1       22 MiB        0 MiB        0 MiB        0 MiB            1   "
		"@profile\n"
		"     2                                                                    def "
		"work():\n"
		"     3       29 MiB        7 MiB        7 MiB        7 MiB            1   \ta = "
		"[1] * 1000\n"
		"     4      182 MiB      153 MiB      153 MiB      153 MiB            1       b "
		"= [2]\n"
		"     5       29 MiB     -153 MiB        0 MiB        0 MiB            2       "
		"del b\n"
		"     6\n"
		"     7                                                                        "
		"return a\n\n\n");
}

LINES(module_lines, {1, 1, MIB, 0, 0, 0}, {4, 1, 2 * MIB, MIB, 0, MIB});
LINES(inner_lines, {2, 1, 2 * MIB, MIB, MIB, MIB});

/* What a function has a table of is not repeated in the one around; the line of its def ran there.
 */
static void functions_within(void **state)
{
	cleanup(run_fini) struct memory_run run = {};
	struct memory_process *p = process(&run);
	struct memory_function f[] = {
		{.file = "app.py",
		 .path = source("def f():\n  return g()\n\nf()\n"),
		 .name = "<module>",
		 .first_line = 1,
		 .last_line = UINT32_MAX,
		 .calls = 1,
		 .lines = module_lines,
		 .nlines = 2},
		{.file = "app.py",
		 .path = path,
		 .name = "f",
		 .first_line = 1,
		 .last_line = 2,
		 .calls = 1,
		 .entered = MIB,
		 .lines = inner_lines,
		 .nlines = 1},
	};

	f[1].first_line = 2; /* as if nothing but its body were its own */
	p->functions = f;
	p->nfunctions = 2;
	expect_text(&run, &usual,
		    "Filename: app.py\n\n" HEADER
		    "     1    1.000 MiB    0.000 MiB            1   def f():\n"
		    "     3\n"
		    "     4    2.000 MiB    1.000 MiB            1   f()\n\n\n"
		    "Filename: app.py\n\n" HEADER
		    "     2    2.000 MiB    1.000 MiB            1     return g()\n\n\n");
	f[1].decorated = true;
	expect_text(&run, &usual,
		    "Filename: app.py\n\n" HEADER
		    "     2    2.000 MiB    1.000 MiB            1     return g()\n\n\n");
}

LINES(far_lines, {2, 1, 0, 0, 0, 0}, {4000000000, 12345678901234, 20000LL << 30, 0, 0, 0});

static void strangers(void **state)
{
	cleanup(run_fini) struct memory_run run = {};
	struct memory_process *p = process(&run);
	struct memory_function f = {.file = "a\033[31m.py",
				    .path = source("x\na = '\033]0;owned\007\xff'\r\n"),
				    .name = "f\n",
				    .first_line = 2,
				    .last_line = 4000000000,
				    .lines = far_lines,
				    .nlines = 2};

	p->functions = &f;
	p->nfunctions = 1;
	expect_text(&run, &usual,
		    "Filename: a\\x1b[31m.py\n\n"
		    "    Line #        Mem usage    Increment     Occurrences   Line Contents\n"
		    "========================================================================\n"
		    "         2        0.000 MiB    0.000 MiB               1   a = "
		    "'\\x1b]0;owned\\x07\\xff'\n"
		    "4000000000 20480000.000 MiB    0.000 MiB  12345678901234\n\n\n");
	f.path = "/nowhere";
	f.lines = inner_lines;
	f.nlines = 1;
	expect_text(
		&run, &usual,
		"Filename: a\\x1b[31m.py\n(its source cannot be read; function f\\x0a)\n\n" HEADER
		"     2    2.000 MiB    1.000 MiB            1\n\n\n");
	f.file = f.path = "<string>";
	expect_text(&run, &usual,
		    "Filename: <string>\n(code without a source file; function f\\x0a)\n\n" HEADER
		    "     2    2.000 MiB    1.000 MiB            1\n\n\n");
	f.file = "fifo.py";
	f.path = path;
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	cleanup_buf struct buf out = {};
	memory_report_text(&run, &usual, &out);
	assert_non_null(strstr(buf_cstr(&out), "its source cannot be read"));
	unlink(path);
	int fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, "a\nb\n", 4), 4);
	close(fd);
	run.start_ns -= 60 * NSEC_PER_SEC;
	expect_text(&run, &usual,
		    "Filename: fifo.py\n(the file has changed since: these may be other "
		    "lines)\n\n" HEADER "     2    2.000 MiB    1.000 MiB            1   b\n\n\n");
}

static void several_processes(void **state)
{
	cleanup(run_fini) struct memory_run run = {};
	struct memory_function f = {.file = "<x>",
				    .name = "f",
				    .first_line = 2,
				    .last_line = 2,
				    .lines = inner_lines,
				    .nlines = 1};
	cleanup_buf struct buf out = {};

	for (int i = 0; i < 3; i++) {
		struct memory_process *p = process(&run);

		p->pid += i;
		p->functions = &f;
		p->nfunctions = i != 1; /* nothing ran in the second: it has no heading */
		p->peak = (struct memory_peak){(i + 1) * MIB, 1500000000, &f, 2};
	}
	memory_report_text(&run, &usual, &out);
	assert_non_null(strstr(buf_cstr(&out), "Process 7 (python3 app.py), started by 6\n\nFile"));
	assert_null(strstr(buf_cstr(&out), "Process 8"));
	assert_non_null(strstr(buf_cstr(&out), "Process 9 ("));
	run.processes.data[1].lost_frames = 3;
	run.processes.data[2].end_ns = 0;
	out.len = 0;
	memory_report_summary(&run, &usual, &out);
	assert_string_equal(
		buf_cstr(&out),
		"process 9: peak 3.000 MiB resident after 1.50 s, at <x>:2 (f)\n"
		"process 8: 3 calls were too deep to be followed\n"
		"process 9: it ended without a word (killed, or became another program): what was "
		"measured until then is shown\n");
}

/* Every number that a text has after key, as they follow each other. */
static size_t count(const char *text, const char *what)
{
	size_t n = 0;

	for (const char *at = text; (at = strstr(at, what)); at++)
		n++;
	return n;
}

static void timelines(void **state)
{
	cleanup(run_fini) struct memory_run run = {};
	struct memory_process *p = process(&run);
	struct memory_function f = {
		.file = "<a&b>", .name = "f", .lines = inner_lines, .nlines = 1};
	cleanup_buf struct buf plot = {}, json = {}, page = {};

	memory_report_plot(&run, &plot); /* nothing was seen */
	assert_non_null(strstr(buf_cstr(&plot), "No process lived long enough"));
	p->command = "python3 \"<x>&\"\001";
	/* One point in 50,000 is the peak: no drawing leaves it out. */
	for (uint64_t i = 0; i < 50000; i++)
		vec_push(&p->timeline,
			 (struct memory_point){i * 20000, i == 31234 ? 1 << 30 : MIB, -1});
	p->peak = (struct memory_peak){1 << 30, 31234 * 20000ULL, &f, 2};
	plot.len = 0;
	memory_report_plot(&run, &plot);
	assert_non_null(strstr(buf_cstr(&plot), ">1024.0 MiB, &#60;a&#38;b&#62;:2</text>"));
	assert_non_null(strstr(buf_cstr(&plot), "python3 &#34;&#60;x&#62;&#38;&#34;\\x01"));
	assert_int_equal(count(buf_cstr(&plot), "class=\"line"), 1);
	assert_true(plot.len < 64 << 10);
	memory_report_json(&run, 1, &json);
	assert_int_equal(count(buf_cstr(&json), "1073741824"), 2); /* the peak and its point */
	assert_int_equal(count(buf_cstr(&json), "\"allocated\":[null,null,"), 1);
	memory_report_html(&run, &page);
	assert_int_equal(count(buf_cstr(&page), "1073741824"), 2);
	assert_null(strstr(buf_cstr(&page), "<a&b>"));
}

static uint32_t frame(struct profile *p, const char *name, uint32_t line)
{
	struct profile_function f = {.name = profile_string(p, name),
				     .file = profile_string(p, "/srv/app.py"),
				     .kind = FRAME_PYTHON};

	return profile_frame(p, &(struct profile_frame){.function = profile_function(p, &f),
							.line = line});
}

static void holders(void **state)
{
	struct profile *p = profile_new("inuse", "bytes", 1);
	uint32_t main = profile_stack(p, 0, frame(p, "main", 30));
	uint32_t other = profile_stack(p, 0, frame(p, "other", 40));
	uint32_t make = frame(p, "make", 12);
	cleanup_buf struct buf out = {};

	profile_add(p, profile_stack(p, main, make), 0, 2, 6 * MIB);
	profile_add(p, profile_stack(p, other, make), 0, 1, MIB);
	profile_add(p, other, 0, 5, 2 * MIB);
	profile_add(p, 0, 0, 1, MIB);
	memory_report_holders(p, "at the peak", 2, &out);
	assert_string_equal(
		buf_cstr(&out),
		"10.000 MiB in 9 blocks at the peak\n\n"
		"            Size      %      Blocks   Line, its callers\n"
		"       7.000 MiB   70.0           3   make  app.py:12\n"
		"                                        main  app.py:30\n"
		"                                        and 1 other way to this line\n"
		"       2.000 MiB   20.0           5   other  app.py:40\n"
		"       1.000 MiB   10.0           1   ... and 1 more: -n 0 shows all\n");
	profile_free(p);
}

/* What is left out of JSON is summed up there; the page has what stacks share once. */
static void holders_as_json(void **state)
{
	cleanup(run_fini) struct memory_run run = {};
	struct memory_process *of = process(&run);
	struct profile *p = of->at_peak = profile_new("inuse", "bytes", 1);
	uint32_t main = profile_stack(p, 0, frame(p, "main", 30));
	cleanup_buf struct buf json = {}, page = {};

	profile_add(p, profile_stack(p, main, frame(p, "make", 12)), 0, 2, 60);
	profile_add(p, profile_stack(p, main, frame(p, "make", 13)), 0, 3, 30);
	profile_add(p, 0, 0, 5, 10);
	memory_report_json(&run, 1, &json);
	assert_non_null(
		strstr(buf_cstr(&json),
		       "\"at_peak\":{\"bytes\":100,\"blocks\":10,\"stacks_left_out\":2,"
		       "\"bytes_left_out\":40,\"blocks_left_out\":8,\"stacks\":[{\"bytes\":60,"
		       "\"blocks\":2,\"stack\":[{\"function\":\"make\","));
	memory_report_html(&run, &page);
	assert_non_null(
		strstr(buf_cstr(&page),
		       "\"callers\":[-1,0,0],\"nodes\":[0,1,2],\"frames\":[[0,30],[1,12],[1,13]]"));
	assert_non_null(
		strstr(buf_cstr(&page),
		       "\"stacks\":[{\"bytes\":60,\"blocks\":2,\"stack\":1},{\"bytes\":30,"
		       "\"blocks\":3,\"stack\":2},{\"bytes\":10,\"blocks\":5,\"stack\":-1}]"));
	assert_int_equal(count(buf_cstr(&page), "[\"main\",\"/srv/app.py\"]"), 1);
	profile_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_known_table), cmocka_unit_test(functions_within),
		cmocka_unit_test(strangers),	   cmocka_unit_test(several_processes),
		cmocka_unit_test(timelines),	   cmocka_unit_test(holders),
		cmocka_unit_test(holders_as_json),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	unlink(path);
	return failed;
}
