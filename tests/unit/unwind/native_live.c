/* Stops running programs at random instructions, and then at every instruction for a while, walks
 * their stacks by tables and compares with the list that the program keeps of its functions. The
 * programs are compiled here, in the ways that programs are shipped: native_target.c and .cc. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "native_tables.h"
#include "unwind/native/eh_frame.h"

static pid_t target;
#define TABLE_READ(dst, size, address) (process_read_memory(target, (address), (dst), (size)) < 0)
#include "unwind/native/table_walk.h"

#include "table_begin.h"

struct tables tables;

enum { MAX_FRAMES = 8192 };

static const char *source_c, *source_cc, *folder;

struct session {
	pid_t pid, tid;
	int in;
	FILE *out;
	const char *build, *mode;
	struct process process;
	bool loose; /* exceptions leave functions that are noted no more, or still: */
	/* who called whom is compared, of all lists and all walks */
	struct map64 noted_calls, walked_calls;
	uint64_t noted, noted_len;
	/* Code of functions that note themselves, and their starts, in the process. */
	uint64_t text, text_end;
	VEC(uint64_t) starts;
	/* The last walk, leaf first. */
	uint64_t pcs[MAX_FRAMES];
	bool exact[MAX_FRAMES];
	size_t frames;
	uint8_t end;
	size_t walks, total_frames;
};

static int compare_addresses(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static int take_symbol(const struct elf_symbol *s, void *arg)
{
	struct session *session = arg;

	if (s->type == STT_FUNC && s->address >= session->text && s->address < session->text_end)
		vec_push(&session->starts, s->address);
	return 0;
}

/* Where the functions are that note themselves: a section of their own. */
static void find_functions(struct session *s, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	const Elf64_Shdr *h;
	struct elf_file *f;
	struct unwind_code code;
	uint64_t bias = 0;

	assert_int_equal(elf_file_open(fd, &f, NULL), 0);
	h = elf_file_section(f, "noted_text");
	assert_non_null(h);
	unwind_code_read(f, &code);
	s->text = h->sh_addr;
	s->text_end = h->sh_addr + h->sh_size;
	assert_int_equal(elf_file_each_symbol(f, take_symbol, s, NULL), 0);
	assert_true(s->starts.len > 0);
	for (size_t i = 0; i < s->process.mappings.len; i++) {
		const struct mapping *m = &s->process.mappings.data[i];

		if (strcmp(m->path, path) == 0)
			assert_int_equal(
				unwind_code_origin(&code, m->start, m->end, m->offset, &bias), 0);
	}
	bias -= code.base;
	s->text += bias;
	s->text_end += bias;
	for (size_t i = 0; i < s->starts.len; i++)
		s->starts.data[i] += bias;
	qsort(s->starts.data, s->starts.len, sizeof(uint64_t), compare_addresses);
	elf_file_close(f);
}

static void start(struct session *s, const char *path, const char *build, const char *mode)
{
	int in[2], out[2], tid;
	bool thread = !strcmp(mode, "thread");

	*s = (struct session){.build = build, .mode = mode};
	s->loose = !strcmp(mode, "exceptions");
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	s->pid = fork();
	assert_true(s->pid >= 0);
	if (!s->pid) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		execl(path, path, thread ? "calls" : mode, thread ? "thread" : NULL, (char *)NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	s->in = in[1];
	s->out = fdopen(out[0], "r");
	assert_non_null(s->out);
	assert_int_equal(fscanf(s->out, "%lx %lx %d", &s->noted, &s->noted_len, &tid), 3);
	s->tid = target = tid;
	tables_init(256 << 20, UNWIND_MAX_CHUNKS);
	assert_int_equal(process_read(s->pid, &s->process, NULL), 0);
	tables_add_process(&s->process);
	find_functions(s, path);
}

static void stop(struct session *s)
{
	kill(s->pid, SIGKILL);
	/* The main thread is a zombie until all others were waited for. */
	if (s->tid != s->pid)
		assert_int_equal(waitpid(s->tid, NULL, __WALL), s->tid);
	assert_int_equal(waitpid(s->pid, NULL, __WALL), s->pid);
	fclose(s->out);
	close(s->in);
	vec_fini(&s->starts);
	process_fini(&s->process);
	tables_fini();
	print_message("%s %s: %zu walks, %zu frames\n", s->build, s->mode, s->walks,
		      s->total_frames);
}

static void walk(struct session *s)
{
	struct user_regs_struct r;
	struct table_walk w;

	assert_int_equal(ptrace(PTRACE_GETREGS, s->tid, NULL, &r), 0);
	table_begin(s->pid, &r, &w);
	s->frames = 0;
	while (!w.end && s->frames < MAX_FRAMES) {
		s->exact[s->frames] = w.exact;
		s->pcs[s->frames++] = w.pc;
		table_step(&w);
	}
	s->end = w.end;
	s->walks++;
	s->total_frames += s->frames;
}

/* The start of the function that notes itself, 0 for others. */
static uint64_t function_of(const struct session *s, size_t frame)
{
	uint64_t pc = s->pcs[frame] - !s->exact[frame];
	size_t low = 0, high = s->starts.len;

	if (pc < s->text || pc >= s->text_end)
		return 0;
	while (high - low > 1) {
		size_t middle = (low + high) / 2;

		if (s->starts.data[middle] <= pc)
			low = middle;
		else
			high = middle;
	}
	return s->starts.data[low];
}

static void show(const struct session *s, const uint64_t *noted, uint64_t len, const char *what)
{
	print_error("%s %s: %s; end %d, %zu frames\n", s->build, s->mode, what, s->end, s->frames);
	for (size_t i = 0; i < MIN(s->frames, (size_t)40); i++) {
		const struct mapping *m = process_find_mapping(&s->process, s->pcs[i]);

		print_error("\t%#lx%s %s+%#lx function %#lx\n", s->pcs[i],
			    s->exact[i] ? "" : " (return)", m ? m->path : "?",
			    m ? s->pcs[i] - m->start + m->offset : 0, function_of(s, i));
	}
	for (uint64_t i = 0; i < MIN(len, 40u); i++)
		print_error("\tnoted %#lx\n", noted[len - 1 - i]);
	kill(s->pid, SIGKILL);
	fail();
}

static void note_call(struct map64 *calls, uint64_t caller, uint64_t callee)
{
	if (caller && callee)
		map64_set(calls, hash_mix(caller, callee), caller);
}

static void note_calls(struct session *s, const uint64_t *noted, uint64_t len)
{
	uint64_t caller = 0;

	for (uint64_t i = 1; i < len; i++)
		note_call(&s->noted_calls, noted[i - 1], noted[i]);
	for (size_t i = s->frames; i-- > 0;) {
		uint64_t function = function_of(s, i);

		note_call(&s->walked_calls, caller, function);
		caller = function ? function : caller;
	}
}

/* No call was seen that the program does not make. */
static void check_calls(struct session *s)
{
	const struct map64_slot *call;

	for (size_t i = 0; (call = map64_each(&s->walked_calls, &i));)
		if (!map64_get(&s->noted_calls, call->key))
			fail_msg("%s %s: function %#lx makes another call than it does", s->build,
				 s->mode, call->value);
	map64_fini(&s->noted_calls);
	map64_fini(&s->walked_calls);
}

/* Only an interrupted function may be missing on the list: it is at its start or end. */
static void check(struct session *s)
{
	static uint64_t noted[MAX_FRAMES];
	uint64_t len, at = 0;

	assert_int_equal(process_read_memory(s->pid, s->noted_len, &len, sizeof(len)), 0);
	assert_true(len <= MAX_FRAMES);
	assert_int_equal(process_read_memory(s->pid, s->noted, noted, len * sizeof(noted[0])), 0);
	if (s->end != UNWIND_NATIVE_COMPLETE)
		show(s, noted, len, "not complete");
	if (s->loose)
		note_calls(s, noted, len);
	for (size_t i = s->frames; i-- > 0;) {
		uint64_t function = function_of(s, i);

		if (!function)
			continue;
		if (at < len && noted[at] == function)
			at++;
		else if (!s->exact[i] && !s->loose)
			show(s, noted, len, "a function that does not run");
	}
	if (at != len && !s->loose)
		show(s, noted, len, "a function is missing");
}

/* Run on until the next stop. Signals reach the program. */
static void wait_stop(struct session *s, int request)
{
	int status, signal = 0;

	do {
		assert_int_equal(ptrace(request, s->tid, NULL, signal), 0);
		assert_int_equal(waitpid(s->tid, &status, __WALL), s->tid);
		assert_true(WIFSTOPPED(status));
		signal = WSTOPSIG(status);
	} while (signal != SIGTRAP);
}

static void interrupt(struct session *s, long ns)
{
	struct timespec t = {.tv_nsec = ns};
	int status, signal = 0;

	/* Any moment is as good: this only makes the moments differ. */
	assert_int_equal(ptrace(PTRACE_CONT, s->tid, NULL, 0), 0);
	nanosleep(&t, NULL);
	assert_int_equal(ptrace(PTRACE_INTERRUPT, s->tid, NULL, 0), 0);
	for (;;) {
		assert_int_equal(waitpid(s->tid, &status, __WALL), s->tid);
		assert_true(WIFSTOPPED(status));
		if (status >> 16 == PTRACE_EVENT_STOP)
			return;
		signal = WSTOPSIG(status);
		assert_int_equal(ptrace(PTRACE_CONT, s->tid, NULL, signal), 0);
	}
}

static void run(const char *path, const char *build, const char *mode, int stops, int steps)
{
	static struct session s;
	int status;

	start(&s, path, build, mode);
	assert_int_equal(ptrace(PTRACE_SEIZE, s.tid, NULL, 0), 0);
	assert_int_equal(ptrace(PTRACE_INTERRUPT, s.tid, NULL, 0), 0);
	assert_int_equal(waitpid(s.tid, &status, __WALL), s.tid);
	walk(&s);
	check(&s);
	assert_int_equal(write(s.in, "", 1), 1);
	for (int i = 0; i < stops; i++) {
		/* The first time the dynamic linker is at work. */
		for (int k = 0; k < steps * (i ? 1 : 10); k++) {
			wait_stop(&s, PTRACE_SINGLESTEP);
			walk(&s);
			check(&s);
		}
		interrupt(&s, (long)(hash_mix((uint64_t)i, 7) % 400000));
		walk(&s);
		check(&s);
	}
	check_calls(&s);
	stop(&s);
}

/* False where there is no such compiler. */
static bool compile(const char *command, const char *source, const char *path)
{
	cleanup_free char *line = mem_asprintf("%s -o '%s' '%s' 2>&1", command, path, source);

	return system(line) == 0;
}

/* A mode has that many stops, and single steps after each. */
static void run_modes(const char *command, bool with_libraries)
{
	static const char *const modes[] = {"calls", "signals", "faults", "clocks", "thread"};
	cleanup_free char *path = mem_asprintf("%s/target", folder);

	assert_true(compile(command, source_c, path));
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
		run(path, command, modes[i], 20, 100);
	if (with_libraries)
		run(path, command, "libraries", 20, 100);
	run(path, command, "deep", 20, 2);
	unlink(path);
}

static void run_c(const char *command)
{
	run_modes(command, true);
}

static void test_gcc(void **state)
{
	run_c("gcc -O2 -pthread");
}

static void test_gcc_lazy(void **state)
{
	run_c("gcc -O3 -flto -pthread -Wl,-z,lazy -no-pie");
}

static void test_static(void **state)
{
	run_c("gcc -O2 -pthread -static");
}

static void test_static_pie(void **state)
{
	run_c("gcc -O2 -pthread -static-pie -fpie");
}

static void test_clang(void **state)
{
	run_c("clang -O2 -pthread");
}

/* musl has no call frame information: its frames are known by its instructions. Not those of
 * printf, whose cases of a switch nothing leads to. */
static void test_musl(void **state)
{
	run_modes("musl-gcc -O2 -pthread", false);
}

static void test_cplusplus(void **state)
{
	cleanup_free char *path = mem_asprintf("%s/target", folder);

	assert_true(compile("g++ -O2", source_cc, path));
	run(path, "g++ -O2", "containers", 20, 200);
	unlink(path);
}

/* Every instruction from a throw to its handler, several times. */
static void test_exceptions(void **state)
{
	static const char *const builds[] = {"g++ -O2", "g++ -O2 -static"};
	cleanup_free char *path = mem_asprintf("%s/target", folder);

	for (size_t i = 0; i < ARRAY_SIZE(builds); i++) {
		assert_true(compile(builds[i], source_cc, path));
		run(path, builds[i], "exceptions", 2, 6000);
		unlink(path);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gcc),	  cmocka_unit_test(test_gcc_lazy),
		cmocka_unit_test(test_static),	  cmocka_unit_test(test_static_pie),
		cmocka_unit_test(test_clang),	  cmocka_unit_test(test_musl),
		cmocka_unit_test(test_cplusplus), cmocka_unit_test(test_exceptions),
	};
	char temporary[] = "/tmp/native_live_XXXXXX";

	CHECK(argc == 3);
	source_c = argv[1];
	source_cc = argv[2];
	folder = mkdtemp(temporary);
	CHECK(folder);
	int r = cmocka_run_group_tests(tests, NULL, NULL);

	rmdir(folder);
	return r;
}
