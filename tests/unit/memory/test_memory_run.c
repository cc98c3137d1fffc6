/* Files as the library writes them, made here by hand; and files that nobody should write. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <fcntl.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/io.h"
#include "memory/memory_run.h"
#include "memory/target/memory_abi.h"

enum { KIB = 1024 };

static struct memory_header_abi *header_of(struct buf *b)
{
	return (struct memory_header_abi *)b->data;
}

static void begin(struct buf *b, unsigned int flags)
{
	struct memory_header_abi h = {.magic = MEMORY_MAGIC,
				      .version = MEMORY_VERSION,
				      .pid = 7,
				      .parent = 3,
				      .python = 0x030b,
				      .flags = flags,
				      .state = MEMORY_TRACING,
				      .start_ns = 1000,
				      .end_ns = 5000,
				      .command = "python3\0x.py",
				      .folder = "/home/me"};

	buf_append(b, &h, sizeof(h));
	header_of(b)->used = b->len;
}

/* Returns where its lines are. */
static size_t put_function(struct buf *b, const char *file, const char *name, uint32_t first,
			   uint32_t nlines)
{
	struct memory_function_abi f = {
		.record = {MEMORY_FUNCTION,
			   (uint32_t)((sizeof(f) + nlines * sizeof(struct memory_line_abi) +
				       strlen(file) + strlen(name) + 2 + 7) /
				      8 * 8)},
		.first_line = first,
		.last_line = first + nlines - 1,
		.nlines = nlines,
		.file_bytes = (uint32_t)strlen(file) + 1,
		.name_bytes = (uint32_t)strlen(name) + 1,
		.calls = 1,
		.entered = 10 * KIB};
	size_t lines = b->len + sizeof(f);
	struct memory_line_abi none = {};

	buf_append(b, &f, sizeof(f));
	for (uint32_t i = 0; i < nlines; i++)
		buf_append(b, &none, sizeof(none));
	buf_append(b, file, f.file_bytes);
	buf_append(b, name, f.name_bytes);
	while (b->len % 8)
		buf_putc(b, 0);
	header_of(b)->used = b->len;
	return lines;
}

static struct memory_line_abi *line_at(struct buf *b, size_t lines, uint32_t i)
{
	return (struct memory_line_abi *)(b->data + lines) + i;
}

static const struct memory_process *read_back(struct memory_run *run, const struct buf *b)
{
	struct err e = {};

	assert_int_equal(memory_run_add(run, b->data, b->len, &e), 0);
	return &run->processes.data[run->processes.len - 1];
}

static void lines_are_read(void **state)
{
	cleanup_buf struct buf b = {};
	struct memory_run run = {};
	const struct memory_process *p;
	const struct memory_function *f;
	size_t lines;

	begin(&b, 0);
	put_function(&b, "x.py", "<module>", 1, 20);
	lines = put_function(&b, "x.py", "main", 4, 3);
	*line_at(&b, lines, 1) = (struct memory_line_abi){
		.occurrences = 2, .usage = 50 * KIB, .increment = 9 * KIB, .own = KIB, .peak = 4};
	p = read_back(&run, &b);
	assert_int_equal(p->pid, 7);
	assert_int_equal(p->python, 0x030b);
	assert_string_equal(p->command, "python3 x.py");
	assert_null(p->problem);
	assert_null(p->at_peak);
	assert_int_equal(p->nfunctions, 2);
	f = &p->functions[1];
	assert_string_equal(f->name, "main");
	assert_string_equal(f->file, "x.py");
	assert_string_equal(f->path, "/home/me/x.py");
	assert_int_equal(f->entered, 10 * KIB);
	assert_int_equal(f->nlines, 1);
	assert_int_equal(f->lines[0].line, 5);
	assert_int_equal(f->lines[0].occurrences, 2);
	assert_int_equal(f->lines[0].usage, 50 * KIB);
	assert_int_equal(f->lines[0].increment, 9 * KIB);
	assert_int_equal(f->lines[0].own, KIB);
	assert_int_equal(f->lines[0].peak, 4);
	memory_run_fini(&run);
}

static void processes_have_short_names(void **state)
{
	static const struct {
		const char *arguments, *name;
		size_t n;
	} cases[] = {
#define CASE(arguments, name) {arguments, name, sizeof(arguments)}
		CASE("python3\0/srv/app/run.py\0-x", "run.py"),
		CASE("/usr/bin/python3.11\0-X\0dev\0-u\0-m\0pytest\0tests", "pytest"),
		CASE("python\0-c\0import x\0y", "python"),
		CASE("python\0-m", "python"),
		CASE("python\0-W", "python"),
		CASE("/opt/bin/uwsgi\0--ini", "uwsgi"),
		CASE("python3", "python3"),
		CASE("", ""),
#undef CASE
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct memory_run run = {};

		memory_run_watched(&run, 7, cases[i].arguments, cases[i].n, 1);
		assert_string_equal(run.processes.data[0].name, cases[i].name);
		memory_run_fini(&run);
		/* The end of the last may be missing. */
		run = (struct memory_run){};
		memory_run_watched(&run, 7, cases[i].arguments, cases[i].n - 1, 1);
		assert_string_equal(run.processes.data[0].name, cases[i].name);
		memory_run_fini(&run);
	}
}

/* A module that is loaded again has other code objects for the same lines. */
static void code_of_one_place_is_one_function(void **state)
{
	cleanup_buf struct buf b = {};
	struct memory_run run = {};
	const struct memory_process *p;
	size_t first, second;

	begin(&b, 0);
	first = put_function(&b, "/x.py", "f", 4, 2);
	put_function(&b, "/x.py", "g", 2, 1);
	second = put_function(&b, "/x.py", "f", 4, 3);
	*line_at(&b, first, 1) = (struct memory_line_abi){
		.occurrences = 1, .usage = -5, .increment = 2 * KIB, .own = 2 * KIB, .peak = 9};
	*line_at(&b, second, 1) = (struct memory_line_abi){
		.occurrences = 3, .usage = -9, .increment = -KIB, .own = -KIB, .peak = 7};
	*line_at(&b, second, 2) = (struct memory_line_abi){.occurrences = 1};
	header_of(&b)->peak_function = 2;
	header_of(&b)->peak_line = 6;
	p = read_back(&run, &b);
	assert_int_equal(p->nfunctions, 2);
	assert_string_equal(p->functions[0].name, "g");
	assert_ptr_equal(p->peak.function, &p->functions[1]);
	assert_int_equal(p->functions[1].calls, 2);
	assert_int_equal(p->functions[1].last_line, 6);
	assert_int_equal(p->functions[1].nlines, 2);
	assert_int_equal(p->functions[1].lines[0].occurrences, 4);
	assert_int_equal(p->functions[1].lines[0].usage, -5);
	assert_int_equal(p->functions[1].lines[0].increment, KIB);
	assert_int_equal(p->functions[1].lines[0].peak, 9);
	memory_run_fini(&run);
}

/* From outside the library's own memory is seen, too: that does not take a peak from its line. */
static void a_peak_keeps_its_line(void **state)
{
	enum { MIB = 1 << 20 };
	cleanup_buf struct buf b = {};
	struct memory_run run = {};
	const struct memory_process *p;

	begin(&b, 0);
	put_function(&b, "/x.py", "f", 4, 2);
	header_of(&b)->peak = 50 * MIB;
	header_of(&b)->peak_function = 0;
	header_of(&b)->peak_line = 5;
	p = read_back(&run, &b);
	assert_ptr_equal(p->peak.function, &p->functions[0]);
	memory_run_point(&run, p->pid, 0, 50 * MIB + 400 * KIB, -1);
	assert_ptr_equal(p->peak.function, &p->functions[0]);
	assert_int_equal(p->peak.bytes, 50 * MIB);
	memory_run_point(&run, p->pid, 0, 51 * MIB, -1);
	assert_null(p->peak.function);
	assert_int_equal(p->peak.bytes, 51 * MIB);
	assert_int_equal(p->peak_resident, 51 * MIB);
	memory_run_fini(&run);
}

/* A process that is killed in the middle of a line keeps what that added. */
static void a_line_that_never_ended_counts(void **state)
{
	cleanup_buf struct buf b = {};
	struct memory_run run = {};
	const struct memory_process *p;
	size_t lines;

	begin(&b, 0);
	header_of(&b)->usage = 30 * KIB;
	lines = put_function(&b, "x.py", "f", 1, 2);
	*line_at(&b, lines, 1) = (struct memory_line_abi){.open = 1, .start = 20 * KIB};
	p = read_back(&run, &b);
	assert_int_equal(p->functions[0].nlines, 1);
	assert_int_equal(p->functions[0].lines[0].occurrences, 1);
	assert_int_equal(p->functions[0].lines[0].increment, 10 * KIB);
	assert_int_equal(p->functions[0].lines[0].usage, 30 * KIB);
	memory_run_fini(&run);
}

static int64_t value_of(const struct profile *p, const char *leaf)
{
	int64_t sum = 0;

	for (size_t i = 0; i < p->samples.len; i++) {
		uint32_t frame = p->stacks.data[p->samples.data[i].stack].frame;
		uint32_t function = p->frames.data[frame].function;

		if (!strcmp(profile_text(p, p->functions.data[function].name), leaf))
			sum += p->samples.data[i].value;
	}
	return sum;
}

static void put_stacks(struct buf *b, const struct memory_stack_abi *stacks, size_t n)
{
	struct memory_stacks_abi r = {.record = {MEMORY_STACKS, sizeof(r)}};

	memcpy(r.stacks, stacks, n * sizeof(*stacks));
	buf_append(b, &r, sizeof(r));
	header_of(b)->stacks = (uint32_t)n;
	header_of(b)->used = b->len;
}

/* What did not change since the peak holds now what it held then. */
static void holders_at_the_peak_and_now(void **state)
{
	static const struct memory_stack_abi stacks[] = {
		{.epoch = 1, .bytes = 5, .blocks = 1},
		{.parent = 0, .function = 0, .line = 3, .epoch = 4, .bytes = 100, .blocks = 2},
		{.parent = 1,
		 .function = 1,
		 .line = 9,
		 .epoch = 6,
		 .bytes = 10,
		 .blocks = 1,
		 .peak_bytes = 7000,
		 .peak_blocks = 7},
		{.parent = 1, .function = 1, .line = 8, .epoch = 6, .bytes = 40, .blocks = 4},
	};
	cleanup_buf struct buf b = {};
	struct memory_run run = {};
	const struct memory_process *p;

	begin(&b, MEMORY_BLOCKS);
	put_function(&b, "x.py", "main", 1, 0);
	header_of(&b)->epoch = 6;
	((struct memory_function_abi *)(b.data + sizeof(struct memory_header_abi)))->last_line = 1;
	put_function(&b, "x.py", "leaf", 7, 1);
	put_stacks(&b, stacks, ARRAY_SIZE(stacks));
	p = read_back(&run, &b);
	assert_string_equal(p->at_peak->type, "inuse");
	assert_string_equal(
		profile_label_value(p->leaks, p->leaks->samples.data[0].labels, "process"), "x.py");
	assert_string_equal(
		profile_label_value(p->at_peak, p->at_peak->samples.data[0].labels, "pid"), "7");
	assert_int_equal(value_of(p->at_peak, "main"), 100);
	assert_int_equal(value_of(p->at_peak, "leaf"), 7000);
	assert_int_equal(value_of(p->at_peak, "outside of Python"), 5);
	assert_int_equal(value_of(p->leaks, "leaf"), 50);
	assert_int_equal(profile_total_count(p->leaks), 8);
	assert_int_equal(profile_total_count(p->at_peak), 10);
	memory_run_fini(&run);
}

static void refuse(const struct buf *b)
{
	struct memory_run run = {};
	struct err e = {};

	assert_int_equal(memory_run_add(&run, b->data, b->len, &e), -EBADMSG);
	assert_int_equal(run.processes.len, 0);
	memory_run_fini(&run);
}

static void damaged_files_are_refused(void **state)
{
	static const struct memory_stack_abi loop[] = {{}, {.parent = 1}},
					     nobody[] = {{}, {.function = 77}};
	cleanup_buf struct buf b = {}, cut = {};
	struct memory_function_abi *f;
	struct memory_run run = {};

	begin(&b, MEMORY_BLOCKS);
	put_function(&b, "x.py", "f", 1, 2);
	put_stacks(&b, (struct memory_stack_abi[]){{}, {.function = 0}}, 2);
	read_back(&run, &b);
	memory_run_fini(&run);
	/* Cut anywhere: also right behind a record, as the header tells. */
	for (size_t n = 0; n < b.len; n += 8) {
		cut.len = 0;
		buf_append(&cut, b.data, n);
		refuse(&cut);
	}
	f = (struct memory_function_abi *)(b.data + sizeof(struct memory_header_abi));
#define REFUSE(what, value)                                                                        \
	do {                                                                                       \
		__typeof__(what) before = (what);                                                  \
		(what) = (value);                                                                  \
		refuse(&b);                                                                        \
		(what) = before;                                                                   \
	} while (0)
	REFUSE(f->record.bytes, 0);
	REFUSE(f->record.bytes, 8);
	REFUSE(f->record.bytes, UINT32_MAX - 7);
	REFUSE(f->nlines, 3);
	REFUSE(f->nlines, UINT32_MAX);
	REFUSE(f->first_line, 0);
	REFUSE(f->first_line, 9);
	REFUSE(f->file_bytes, 0);
	REFUSE(f->file_bytes, UINT32_MAX);
	REFUSE(f->name_bytes, 1);
	REFUSE(header_of(&b)->used, 0);
	REFUSE(header_of(&b)->used, UINT64_MAX);
	REFUSE(header_of(&b)->version, 99);
	REFUSE(header_of(&b)->magic, 0);
#undef REFUSE
	b.len = 0;
	begin(&b, MEMORY_BLOCKS);
	put_function(&b, "x.py", "f", 1, 2);
	put_stacks(&b, loop, 2);
	refuse(&b);
	b.len = 0;
	begin(&b, MEMORY_BLOCKS);
	put_function(&b, "x.py", "f", 1, 2);
	put_stacks(&b, nobody, 2);
	refuse(&b);
}

static void write_file(const char *folder, const char *name, const struct buf *b)
{
	cleanup_free char *path = mem_asprintf("%s/%s", folder, name);

	assert_int_equal(io_write_file(path, b->data, b->len, 0600, NULL), 0);
}

static void a_folder_of_processes(void **state)
{
	char folder[] = "/tmp/glim-test-memory-XXXXXX";
	cleanup_buf struct buf b = {}, damaged = {};
	struct memory_run run = {};
	struct err e = {};

	assert_non_null(mkdtemp(folder));
	assert_int_equal(memory_run_read(folder, &run, &e), -ENOENT);
	begin(&b, 0);
	put_function(&b, "x.py", "f", 1, 2);
	header_of(&b)->start_ns = 9000;
	write_file(folder, "7.0.mem", &b);
	header_of(&b)->pid = 8;
	header_of(&b)->start_ns = 4000;
	header_of(&b)->end_ns = 0;
	write_file(folder, "8.0.mem", &b);
	write_file(folder, "9.0.mem", &damaged);
	write_file(folder, "config", &damaged);
	assert_int_equal(memory_run_read(folder, &run, &e), 0);
	assert_int_equal(run.damaged, 1);
	assert_int_equal(run.start_ns, 4000);
	assert_int_equal(run.processes.len, 2);
	assert_int_equal(run.processes.data[0].pid, 8);
	assert_int_equal(run.processes.data[0].end_ns, 0);
	assert_int_equal(run.processes.data[1].start_ns, 5000);
	memory_run_point(&run, 8, 4500, 70 * KIB, -1);
	memory_run_point(&run, 77, 4500, 70 * KIB, -1);
	assert_int_equal(run.processes.data[0].timeline.len, 1);
	assert_int_equal(run.processes.data[0].timeline.data[0].time_ns, 500);
	assert_int_equal(run.processes.data[0].peak_resident, 70 * KIB);
	assert_int_equal(run.processes.data[0].peak.bytes, 70 * KIB);
	memory_run_fini(&run);
	for (size_t i = 0; i < 4; i++) {
		static const char *const names[] = {"7.0.mem", "8.0.mem", "9.0.mem", "config"};
		cleanup_free char *path = mem_asprintf("%s/%s", folder, names[i]);

		unlink(path);
	}
	rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_read),
		cmocka_unit_test(processes_have_short_names),
		cmocka_unit_test(code_of_one_place_is_one_function),
		cmocka_unit_test(a_peak_keeps_its_line),
		cmocka_unit_test(a_line_that_never_ended_counts),
		cmocka_unit_test(holders_at_the_peak_and_now),
		cmocka_unit_test(damaged_files_are_refused),
		cmocka_unit_test(a_folder_of_processes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
