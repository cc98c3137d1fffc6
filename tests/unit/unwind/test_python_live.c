/* Reads running interpreters and compares with what they say of themselves: names, files, the line
 * of every instruction, and the whole stack. Takes every interpreter that is on this machine. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/user.h>

#include <cmocka.h>

#include "native_tables.h"
#include "pythons.h"
#include "unwind/join.h"
#include "unwind/python/layout.h"
#include "unwind/python/python_reader.h"

static pid_t target;
static struct memory memory; /* of it */
#define WALK_READ(dst, size, address) (process_read_memory(target, (address), (dst), (size)) < 0)
#include "unwind/walk.h"

struct tables tables;

static const char *folder;  /* where live.py and its like are */
enum { CALLS_OF_LIVE = 3 }; /* of the loop, where one runs more than a frame */

/* The check that a sample would carry. */
static uint32_t check_of(const struct python_layout *l, uint64_t code)
{
	uint32_t words[PYTHON_CODE_WORDS];

	assert_true(process_read_memory(target, code + l->code_flags, words, sizeof(words)) >= 0);
	return python_code_check(words, l);
}

struct expected_frame {
	uint64_t code;
	uint32_t line;
	char name[256];
};
struct session {
	struct child child;
	struct process process;
	struct python python;
	bool found;
	VEC(struct expected_frame) frames;
	struct python_code code; /* being compared */
	size_t codes, lines, ranges;
};

/* Thread keys of 2.7 are its own, and 3.15 has a variable of each thread instead. */
static bool has_key(uint32_t version)
{
	return python_minor(version) != 0x0207 && python_minor(version) < 0x030f;
}

static void find(struct session *s)
{
	struct runtimes *r = runtimes_new();

	assert_int_equal(process_read(s->child.pid, &s->process, NULL), 0);
	memory = memory_of_process(s->child.pid);
	assert_int_equal(runtimes_find_python(r, &s->process, &memory, &s->python), 1);
	assert_int_not_equal(s->python.process.layout.style, PYTHON_UNSUPPORTED);
	assert_int_equal(s->python.process.search_threads, !has_key(s->python.version));
	assert_true(s->python.eval_start[0] && s->python.eval_end[0] > s->python.eval_start[0]);
	runtimes_free(r);
	target = s->child.pid;
	s->found = true;
}

static void compare_code(struct session *s, uint64_t address, uint32_t first_line,
			 const char *name_hex, const char *file_hex)
{
	uint32_t check = check_of(&s->python.process.layout, address);
	char name[256], file[4096];

	python_code_fini(&s->code);
	unhex(name_hex, name, sizeof(name));
	unhex(file_hex, file, sizeof(file));
	assert_int_equal(python_code_read(&memory, s->python.version, &s->python.process.layout,
					  address, check ^ 1, &s->code),
			 -ESTALE);
	assert_int_equal(python_code_read(&memory, s->python.version, &s->python.process.layout,
					  address, check, &s->code),
			 0);
	assert_string_equal(s->code.name, name);
	assert_string_equal(s->code.file, file);
	assert_int_equal(s->code.first_line, first_line);
	assert_int_equal(python_code_line(&s->code, UINT32_MAX), first_line);
	s->codes++;
}

static bool take_line(struct session *s, const char *text)
{
	static char a[8192], b[8192];
	unsigned long address;
	unsigned int line, lasti;
	struct expected_frame frame = {};
	struct python_range range = {}, want = {};

	if (!s->found)
		find(s);
	if (sscanf(text, "code %lu %u %8191s %8191s", &address, &line, a, b) == 4) {
		compare_code(s, address, line, a, b);
	} else if (sscanf(text, "line %u %u", &lasti, &line) == 2) {
		/* A module's first instruction has line 0; a line 0 is of no use to anybody. */
		assert_int_equal(python_code_line(&s->code, lasti),
				 line ? line : s->code.first_line);
		s->lines++;
	} else if (sscanf(text, "range %u %u %u %u %u", &lasti, &want.line, &want.end_line,
			  &want.column, &want.end_column) == 5) {
		assert_int_equal(python_code_range(&s->code, lasti, &range), want.line > 0);
		if (want.line)
			assert_memory_equal(&range, &want, sizeof(want));
		s->ranges++;
	} else if (sscanf(text, "frame %lu %u %8191s", &address, &line, a) == 3) {
		frame.code = address;
		frame.line = line;
		unhex(a, frame.name, sizeof(frame.name));
		vec_push(&s->frames, frame);
	}
	return strcmp(text, "ready\n") != 0;
}

/* Walk the stopped thread as the kernel's program would. */
static void walk_stopped(struct session *s, struct walk *w, struct unwind_entry *entries)
{
	struct user_regs_struct regs;
	int status;

	assert_int_equal(ptrace(PTRACE_ATTACH, target, NULL, NULL), 0);
	assert_int_equal(waitpid(target, &status, 0), target);
	assert_int_equal(ptrace(PTRACE_GETREGS, target, NULL, &regs), 0);
	*w = (struct walk){
		.native.pc = regs.rip,
		.native.sp = regs.rsp,
		.native.rbp = regs.rbp,
		.native.rbx = regs.rbx,
		.thread_base = regs.fs_base,
	};
	assert_true(tables_process(target, &w->native.process));
	walk_start(w, &s->python.process);
	while (w->phase != WALK_DONE)
		walk_step(w, &s->python.process, entries);
	assert_int_equal(ptrace(PTRACE_DETACH, target, NULL, NULL), 0);
}

/* Where the loop is known by its code, too, the result is the same. */
static void check_by_code(struct join_input in, const struct join_stack *joined)
{
	static struct unwind_entry unplaced[UNWIND_MAX_ENTRIES];
	static struct join_stack by_code;

	for (uint32_t i = 0; i < in.python_count; i++) {
		unplaced[i] = in.python_entries[i];
		if ((unplaced[i].tag & 0xff) == UNWIND_PYTHON_BOUNDARY)
			unplaced[i].address = 0;
	}
	in.python_entries = unplaced;
	join(&in, &by_code);
	/* The standalone 3.14 has it inlined into its callers. */
	if (by_code.gap && python_minor(in.python->version) == 0x030e)
		return;
	assert_int_equal(by_code.count, joined->count);
	for (uint32_t i = 0; i < joined->count; i++) {
		assert_int_equal(by_code.frames[i].kind, joined->frames[i].kind);
		assert_int_equal(by_code.frames[i].address, joined->frames[i].address);
	}
}

/* Every call of the loop has its native frames: those of C stand between those of Python, and all
 * Python frames are among them. */
static void check_joined(const struct session *s, const struct walk *w,
			 const struct unwind_entry *entries)
{
	static struct join_stack joined;
	const struct join_input in = {
		.native = entries,
		.native_count = w->native_count,
		.native_end = w->native_end,
		.python_entries = entries + w->native_count,
		.python_count = w->count - w->native_count,
		.python = &s->python,
	};
	uint32_t last = 0, n = 0, groups = 0;

	assert_int_equal(w->native_end, UNWIND_NATIVE_COMPLETE);
	join(&in, &joined);
	assert_false(joined.gap);
	for (uint32_t i = 0; i < joined.count; i++)
		if (joined.frames[i].kind == UNWIND_PYTHON) {
			groups += !i || joined.frames[i - 1].kind != UNWIND_PYTHON;
			last = i;
			n++;
		}
	assert_int_equal(n, s->frames.len);
	/* What called the interpreter's loop first is below all of them. */
	assert_true(last + 3 < joined.count);
	/* From 3.11 on, there is a call for what sorted() calls, one for the generator and one for
	 * the module; before, for each frame. */
	assert_int_equal(groups,
			 s->python.process.layout.style == PYTHON_EACH_FRAME ? n : CALLS_OF_LIVE);
	check_by_code(in, &joined);
}

/* Entries of Python, leaf first, are the frames that the program told of. */
static void compare_frames(const struct session *s, const struct unwind_entry *entries,
			   uint32_t count)
{
	const struct memory m = memory_of_process(target);
	size_t n = 0;

	for (uint32_t i = 0; i < count; i++) {
		struct python_code code;

		if ((entries[i].tag & 0xff) == UNWIND_NATIVE ||
		    (entries[i].tag & 0xff) == UNWIND_PYTHON_BOUNDARY)
			continue;
		assert_true(n < s->frames.len);
		assert_int_equal(entries[i].address, s->frames.data[n].code);
		assert_int_equal(python_code_read(&m, s->python.version, &s->python.process.layout,
						  entries[i].address, entries[i].tag >> 8, &code),
				 0);
		assert_string_equal(code.name, s->frames.data[n].name);
		assert_int_equal(python_code_line(&code, entries[i].lasti), s->frames.data[n].line);
		python_code_fini(&code);
		n++;
	}
	assert_int_equal(n, s->frames.len);
	assert_true(n > 400);
}

/* The same stack, read from outside. */
static void read_stack(const struct session *s)
{
	const struct memory m = memory_of_process(target);
	const struct python_thread *t;
	struct python_reader *r;
	struct python_reader_stats stats;

	assert_int_equal(python_reader_new(&m, &s->python, &r, NULL), 0);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(python_reader_take(r), 1);
		t = python_reader_thread(r, 0);
		assert_int_equal(t->tid, target);
		assert_int_equal(t->end, UNWIND_PYTHON_COMPLETE);
		compare_frames(s, t->entries, t->count);
	}
	python_reader_stats(r, &stats);
	assert_int_equal(stats.stacks, 5);
	assert_int_equal(stats.torn, 0);
	/* For what was not copied yet; and for copies that were interrupted. */
	assert_true(stats.again >= 1);
	python_reader_free(r);
}

/* Each way to a thread's state by itself. */
enum way { BY_KEY, BY_SEARCH, BY_GIL };

static void compare_stack(struct session *s, enum way way)
{
	static struct unwind_entry entries[UNWIND_MAX_ENTRIES];
	const struct python_process all = s->python.process;
	struct walk w;

	s->python.process.search_threads = way != BY_KEY;
	if (way != BY_SEARCH)
		s->python.process.interpreters = 0;
	if (way != BY_GIL)
		s->python.process.current = 0;
	walk_stopped(s, &w, entries);
	s->python.process = all;
	assert_int_equal(w.python_end, UNWIND_PYTHON_COMPLETE);
	compare_frames(s, entries, w.count);
	check_joined(s, &w, entries);
}

/* Until the program is in read() of its standard input. */
static void await_read(void)
{
	cleanup_free char *path = mem_asprintf("/proc/%d/syscall", target);
	static const char in_read[] = "0 0x0 ";
	char text[256] = "";

	while (strncmp(text, in_read, strlen(in_read)) != 0) {
		FILE *f = fopen(path, "re");

		assert_non_null(f);
		assert_non_null(fgets(text, sizeof(text), f));
		fclose(f);
	}
}

/* Whether a way is there depends on the version: 3.12 brought a GIL for each interpreter. */
static void compare_ways(struct session *s)
{
	const struct python_process *p = &s->python.process;
	uint32_t minor = python_minor(s->python.version);
	char text[64];

	await_read();
	compare_stack(s, BY_SEARCH);
	if (has_key(s->python.version))
		compare_stack(s, BY_KEY);
	read_stack(s);
	/* On to where it waits with the GIL. */
	assert_int_equal(write(s->child.in, "x", 1), 1);
	assert_string_equal(fgets(text, sizeof(text), s->child.out), "ready\n");
	assert_int_equal(!p->current, minor >= 0x030c);
	await_read();
	if (p->current)
		compare_stack(s, BY_GIL);
}

static void compare(const char *python, const char *name)
{
	cleanup_free char *script = mem_asprintf("%s/%s", folder, name);
	struct session s = {};
	char text[20000];

	start(python, script, &s.child);
	/* The first lines come before we look: the runtime is up by then. */
	while (fgets(text, sizeof(text), s.child.out) && take_line(&s, text))
		;
	assert_true(s.found);
	tables_init(256 << 20, UNWIND_MAX_CHUNKS);
	process_refresh(&s.process, NULL);
	tables_add_process(&s.process);
	compare_ways(&s);
	printf("%s: version %x, %zu code objects, %zu lines, %zu frames\n", python,
	       s.python.version, s.codes, s.lines, s.frames.len);
	assert_true(s.codes >= 10 && s.lines > 100);
	assert_true(s.python.version < 0x030b0000 || s.ranges > 100);
	python_code_fini(&s.code);
	vec_fini(&s.frames);
	process_fini(&s.process);
	tables_fini();
	stop(&s.child);
}

static void one_python(const char *python)
{
	compare(python, "live.py");
}

static void one_python_27(const char *python)
{
	compare(python, "live_27.py");
}

/* A program that runs until its input ends; what is found in it? */
static int found_in(const char *program, uint8_t *ret_style)
{
	struct runtimes *r = runtimes_new();
	struct python py = {};
	struct memory other;
	struct process p;
	struct child c;
	char byte = 'x';
	int found;

	start(program, NULL, &c);
	/* It is loaded when it answers. */
	assert_int_equal(write(c.in, &byte, 1), 1);
	assert_int_equal(fgetc(c.out), 'x');
	assert_int_equal(process_read(c.pid, &p, NULL), 0);
	other = memory_of_process(p.pid);
	found = runtimes_find_python(r, &p, &other, &py);
	assert_false(runtimes_expect_python(r, &p) && !found);
	*ret_style = py.process.layout.style;
	process_fini(&p);
	runtimes_free(r);
	kill(c.pid, SIGKILL);
	fclose(c.out);
	close(c.in);
	waitpid(c.pid, NULL, 0);
	return found;
}

static void test_none(void **state)
{
	uint8_t style;

	assert_int_equal(found_in("/bin/cat", &style), 0);
}

static void test_all(void **state)
{
	each_python(one_python);
	each_of_pyenv("2.7.*/bin/python2", one_python_27);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all),
		cmocka_unit_test(test_none),
	};

	folder = argc > 1 ? argv[1] : ".";
	return cmocka_run_group_tests(tests, NULL, NULL);
}
