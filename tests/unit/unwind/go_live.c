/* Stops threads of running Go programs at any instruction, and then at every instruction for a
 * while, and walks their stacks by tables. Every walk must end where nobody called, and every step
 * must be a call: a return address lies behind a call instruction, which leads to the function that
 * it returned from. Then the same stack is walked again over what the kernel's half would have
 * copied, as for the first samples of a program. The programs are built here: targets/go. */
#include <ctype.h>
#include <dirent.h>
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
#include "symbol/pclntab.h"
#include "unwind/native/eh_frame.h"
#include "unwind/replay.h"

static pid_t target;
#define TABLE_READ(dst, size, address) (process_read_memory(target, (address), (dst), (size)) < 0)
#include "unwind/native/table_walk.h"

#include "table_begin.h"
#define GO_READ(dst, size, address) TABLE_READ(dst, size, address)
#include "unwind/native/go_stacks_walk.h"

struct tables tables;

enum { MAX_FRAMES = 16384, MAX_THREADS = 64 };
static int visits = 40, steps = 120;

static const char *source;
static char folder[] = "/tmp/go_live_XXXXXX";

struct function {
	uint64_t start, end; /* in the process */
	char *name;
	bool jumps; /* may end with a jump into another */
};
struct session {
	pid_t pid;
	FILE *out;
	const char *build;
	struct process process;
	VEC(struct function) functions;
	pid_t threads[MAX_THREADS];
	size_t threads_len;
	/* The last walk, leaf first. */
	uint64_t pcs[MAX_FRAMES];
	bool exact[MAX_FRAMES];
	size_t frames;
	uint8_t end;
	/* Figures. */
	size_t walks, total_frames, deepest, system, into_c, into_go, more, signals;
	size_t replays, too_long, stacks_copied;
};

/* --- what the program is -----------------------------------------------------------------------*/

static void read_function(struct session *s, const struct elf_file *f, const struct pclntab *t,
			  uint32_t i, uint64_t bias)
{
	struct pclntab_function function;
	uint32_t entry[3];
	uint8_t record[256];
	char *name;

	assert_int_equal(elf_file_read(f, t->table.offset + i * 8, entry, sizeof(entry)), 0);
	assert_int_equal(elf_file_read(f, t->table.offset + entry[1], record, sizeof(record)), 0);
	assert_int_equal(pclntab_function(t, record, sizeof(record), &function), 0);
	assert_int_equal(pclntab_text(&t->names, f->fd, function.name, &name), 0);
	vec_push(&s->functions,
		 (struct function){t->text + entry[0] + bias, t->text + entry[2] + bias, name,
				   function.id || (function.flags & PCLNTAB_ASSEMBLY)});
}

static void read_functions(struct session *s, const char *path)
{
	struct unwind_code code;
	struct elf_file *f;
	struct pclntab t;
	uint64_t bias = 0;

	assert_int_equal(elf_file_open(open(path, O_RDONLY | O_CLOEXEC), &f, NULL), 0);
	assert_int_equal(pclntab_open(f, &t), 0);
	unwind_code_read(f, &code);
	for (size_t i = 0; i < s->process.mappings.len; i++) {
		const struct mapping *m = &s->process.mappings.data[i];

		if (!strcmp(m->path, path) &&
		    !unwind_code_origin(&code, m->start, m->end, m->offset, &bias))
			break;
	}
	for (uint32_t i = 0; i < t.functions; i++)
		read_function(s, f, &t, i, bias - code.base);
	pclntab_fini(&t);
	elf_file_close(f);
}

static const struct function *function_of(const struct session *s, uint64_t pc)
{
	size_t low = 0, high = s->functions.len;

	while (high - low > 1) {
		size_t middle = (low + high) / 2;

		if (s->functions.data[middle].start <= pc)
			low = middle;
		else
			high = middle;
	}
	const struct function *f = &s->functions.data[low];

	return pc >= f->start && pc < f->end ? f : NULL;
}

static const char *name_of(const struct session *s, size_t frame)
{
	const struct function *f = function_of(s, s->pcs[frame] - !s->exact[frame]);

	return f ? f->name : "";
}

/* --- the walk ----------------------------------------------------------------------------------*/

static void walk(struct session *s, pid_t tid, const struct user_regs_struct *r)
{
	static struct table_walk w;

	target = tid;
	table_begin(s->pid, r, &w);
	s->frames = 0;
	while (!w.end && s->frames < MAX_FRAMES) {
		s->exact[s->frames] = w.exact;
		s->pcs[s->frames++] = w.pc;
		table_step(&w);
	}
	s->end = w.end;
	s->walks++;
	s->total_frames += s->frames;
	s->deepest = MAX(s->deepest, s->frames);
}

static void show(const struct session *s, size_t at, const char *what)
{
	size_t first = at > 12 ? at - 12 : 0;

	print_error("%s: %s; end %d, frame %zu of %zu\n", s->build, what, s->end, at, s->frames);
	for (size_t i = first; i < MIN(s->frames, first + 24); i++) {
		const struct mapping *m = process_find_mapping(&s->process, s->pcs[i]);

		print_error("\t%#lx%s %s+%#lx %s\n", s->pcs[i], s->exact[i] ? "" : " (return)",
			    m ? m->path : "?", m ? s->pcs[i] - m->start + m->offset : 0,
			    name_of(s, i));
	}
	kill(s->pid, SIGKILL);
	fail();
}

/* --- the walk over what was copied -------------------------------------------------------------*/

enum { COPY_PAGE = 4096, COPY_STACK = 32 << 10 };

/* Up to the first page that is not there. */
static uint8_t *copy_region(struct unwind_region *r, uint8_t *to)
{
	uint32_t done = 0;

	while (done < r->bytes) {
		uint64_t from = r->address + done;
		uint32_t n = MIN(COPY_PAGE - (uint32_t)(from % COPY_PAGE), r->bytes - done);

		if (process_read_memory(target, from, to + done, n))
			break;
		done += n;
	}
	r->bytes = done;
	return to + done;
}

/* As the probe does it. Returns whether a stack may be longer than what was copied. */
static bool copy_moment(struct session *s, struct replay *p, const struct user_regs_struct *r)
{
	static struct unwind_region regions[1 + GO_REGIONS];
	static uint8_t bytes[COPY_STACK + GO_STACKS_BYTES + COPY_PAGE];
	static struct go_stacks go;
	uint64_t end = 0;
	uint8_t *to = bytes;

	memset(regions, 0, sizeof(regions));
	regions[0] = (struct unwind_region){.address = r->rsp, .bytes = COPY_STACK};
	if (go_stacks_find(&go, r->fs_base, r->rsp, regions + 1, &end) && end > r->rsp)
		regions[0].bytes = (uint32_t)MIN(end - r->rsp, (uint64_t)COPY_STACK);
	bool full = regions[0].bytes == COPY_STACK;

	for (size_t i = 1; i <= GO_REGIONS; i++)
		full |= regions[i].bytes >= GO_STACKS_BYTES / 2;
	s->stacks_copied += !!regions[1 + GO_REGION_GOROUTINE].bytes;
	for (size_t i = 0; i <= GO_REGIONS; i++)
		to = copy_region(&regions[i], to);
	p->regions = regions;
	p->nregions = ARRAY_SIZE(regions);
	p->bytes = bytes;
	return full;
}

/* It must say the same as the walk before, as far as it comes. */
static void check_replay(struct session *s, pid_t tid, const struct user_regs_struct *r)
{
	static struct replay p;
	uint64_t registers[UNWIND_REGISTERS];

	dwarf_registers(r, registers);
	p = (struct replay){.space = &tables.space,
			    .pc = r->rip,
			    .thread_base = r->fs_base,
			    .registers = registers,
			    .pid = tid};
	assert_true(tables_process(s->pid, &p.run));
	bool too_long = copy_moment(s, &p, r);

	replay_walk(&p);
	s->replays++;
	for (size_t i = 0; i < MIN((size_t)p.count, s->frames); i++)
		if (p.entries[i].address != s->pcs[i])
			show(s, i, "another frame when walked again");
	if (p.end == UNWIND_NATIVE_UNREAD && too_long)
		s->too_long++;
	else if (p.end != UNWIND_NATIVE_COMPLETE)
		show(s, p.count, "cut when walked again");
}

/* Ends of stacks that are none of C's. */
static bool is_root(const char *name)
{
	static const char *const roots[] = {"runtime.goexit", "runtime.mstart",
					    "runtime.rt0_go", "runtime.mcall",
					    "runtime.gogo",   "gogo",
					    "runtime.clone",  "runtime.morestack",
					    "_rt0_amd64",     "_rt0_amd64_linux"};

	for (size_t i = 0; i < ARRAY_SIZE(roots); i++)
		if (!strcmp(name, roots[i]))
			return true;
	return false;
}

/* The call before a return address may lead to the frame that it returned from. */
static bool is_call(const struct session *s, size_t frame)
{
	uint64_t pc = s->pcs[frame];
	uint8_t code[8];
	int32_t to;

	if (process_read_memory(s->pid, pc - sizeof(code), code, sizeof(code)) < 0)
		return false;
	memcpy(&to, code + 4, sizeof(to));
	const struct function *called = function_of(s, pc + (uint64_t)(int64_t)to);
	const struct function *is = function_of(s, s->pcs[frame - 1] - !s->exact[frame - 1]);

	if (code[3] == 0xe8) /* call rel32; others reach C through jumps */
		return !called || called == is || called->jumps;
	/* call r/m64, with 0, 1 or 4 bytes of an address; one of r8 to r15 has a prefix. */
	return (code[6] == 0xff && (code[7] & 0x38) == 0x10) ||
	       (code[5] == 0xff && (code[6] & 0x38) == 0x10) ||
	       (code[2] == 0xff && (code[3] & 0x38) == 0x10) ||
	       (code[4] == 0xff && (code[5] & 0x38) == 0x10) || code[1] == 0xff;
}

static void check(struct session *s)
{
	for (size_t i = 1; i < s->frames; i++) {
		const char *name = name_of(s, i), *callee = name_of(s, i - 1);
		bool returns = strstr(callee, "runtime.sigreturn") || strstr(name, "sigreturn");

		/* The kernel calls handlers, as if sigreturn had; goroutines begin as if goexit had
		 * called them. */
		if (!s->exact[i] && !returns && *name && strcmp(name, "runtime.goexit") != 0 &&
		    strcmp(callee, "runtime.sigtramp") != 0 &&
		    strcmp(callee, "runtime.cgoSigtramp") != 0 && !is_call(s, i))
			show(s, i, "no call");
		s->signals += s->exact[i];
		s->system += !strcmp(name, "runtime.systemstack");
		s->more += !strcmp(name, "runtime.morestack") && i + 1 < s->frames;
		s->into_c += !strcmp(name, "runtime.asmcgocall") && !*callee;
		s->into_go += !strcmp(name, "crosscall2");
	}
	if (s->end != UNWIND_NATIVE_COMPLETE)
		show(s, s->frames, "not complete");
	if (*name_of(s, s->frames - 1) && !is_root(name_of(s, s->frames - 1)))
		show(s, s->frames, "no root");
}

/* --- a program ---------------------------------------------------------------------------------*/

static bool is_running(pid_t pid, const char *tid)
{
	cleanup_free char *path = mem_asprintf("/proc/%d/task/%s/stat", pid, tid);
	cleanup_fclose FILE *f = fopen(path, "re");
	char state = 0;

	return f && fscanf(f, "%*d (%*[^)]) %c", &state) == 1 && state == 'R';
}

/* Those that run, and one more. */
static void find_threads(struct session *s)
{
	cleanup_free char *path = mem_asprintf("/proc/%d/task", s->pid);
	DIR *d = opendir(path);
	const struct dirent *e;

	assert_non_null(d);
	s->threads_len = 0;
	while ((e = readdir(d)) && s->threads_len < MAX_THREADS)
		if (isdigit(e->d_name[0]) && (!s->threads_len || is_running(s->pid, e->d_name)))
			s->threads[s->threads_len++] = (pid_t)strtol(e->d_name, NULL, 10);
	closedir(d);
}

static void start(struct session *s, const char *path, const char *build)
{
	char line[16] = "";
	int out[2];

	*s = (struct session){.build = build};
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	s->pid = fork();
	assert_true(s->pid >= 0);
	if (!s->pid) {
		dup2(out[1], 1);
		execl(path, path, (char *)NULL);
		_exit(127);
	}
	close(out[1]);
	s->out = fdopen(out[0], "r");
	assert_non_null(s->out);
	assert_non_null(fgets(line, sizeof(line), s->out));
	assert_string_equal(line, "ready\n");
	tables_init(64 << 20, UNWIND_MAX_CHUNKS);
	assert_int_equal(process_read(s->pid, &s->process, NULL), 0);
	tables_add_process(&s->process);
	read_functions(s, path);
}

static void stop(struct session *s)
{
	kill(s->pid, SIGKILL);
	while (waitpid(s->pid, NULL, __WALL) != s->pid)
		assert_int_not_equal(errno, ECHILD);
	fclose(s->out);
	for (size_t i = 0; i < s->functions.len; i++)
		free(s->functions.data[i].name);
	vec_fini(&s->functions);
	process_fini(&s->process);
	tables_fini();
	print_message(
		"%s: %zu walks, %zu frames, %zu the deepest; frames of systemstack %zu, "
		"morestack %zu, asmcgocall %zu, crosscall2 %zu, interrupted %zu; walked again, "
		"a second stack copied %zu, stacks too long %zu\n",
		s->build, s->walks, s->total_frames, s->deepest, s->system, s->more, s->into_c,
		s->into_go, s->signals, s->stacks_copied, s->too_long);
}

/* Wait for a thread to stop; false when it ended. */
static bool wait_stop(pid_t tid, int *ret_signal)
{
	int status;

	if (waitpid(tid, &status, __WALL) != tid || !WIFSTOPPED(status))
		return false;
	*ret_signal = status >> 16 || WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status);
	return true;
}

/* A system call may sleep for long. */
static bool is_system_call(const struct session *s)
{
	uint8_t code[2];

	return process_read_memory(s->pid, s->pcs[0], code, 2) == 0 && code[0] == 0x0f &&
	       code[1] == 0x05;
}

static void look(struct session *s, pid_t tid)
{
	struct user_regs_struct r;

	assert_int_equal(ptrace(PTRACE_GETREGS, tid, NULL, &r), 0);
	walk(s, tid, &r);
	check(s);
	check_replay(s, tid, &r);
}

static void visit(struct session *s, pid_t tid, int n)
{
	int signal;

	if (ptrace(PTRACE_SEIZE, tid, NULL, 0) || ptrace(PTRACE_INTERRUPT, tid, NULL, 0) ||
	    !wait_stop(tid, &signal))
		return;
	look(s, tid);
	for (int i = 0; i < n && !is_system_call(s); i++) {
		if (ptrace(PTRACE_SINGLESTEP, tid, NULL, signal) || !wait_stop(tid, &signal))
			return;
		look(s, tid);
	}
	ptrace(PTRACE_DETACH, tid, NULL, signal);
}

/* Were there stacks of every kind? */
static bool has_seen(const struct session *s, bool c)
{
	return s->system && s->more && s->signals && s->deepest > 50 &&
	       (!c || (s->into_c && s->into_go));
}

static void run(const char *build, const char *environment, const char *flags)
{
	cleanup_free char *path = mem_asprintf("%s/target", folder);
	cleanup_free char *line =
		mem_asprintf("cd '%s' && GO111MODULE=off %s go build %s -o '%s' .", source,
			     environment, flags, path);
	static struct session s;

	assert_int_equal(system(line), 0);
	start(&s, path, build);
	bool c = !!strstr(environment, "CGO_ENABLED=1");

	for (int i = 0; i < visits || (!has_seen(&s, c) && i < 20 * visits); i++) {
		/* Any moment is as good: this only makes the moments differ. */
		struct timespec t = {.tv_nsec = (long)(hash_mix((uint64_t)i, 7) % 3000000)};

		nanosleep(&t, NULL);
		find_threads(&s);
		visit(&s, s.threads[hash_mix((uint64_t)i, 3) % s.threads_len], i % 5 ? 5 : steps);
	}
	stop(&s);
	assert_true(s.stacks_copied && s.too_long * 2 <= s.replays);
	assert_true(has_seen(&s, c));
	unlink(path);
}

static void test_plain(void **state)
{
	run("plain", "CGO_ENABLED=0", "");
}

static void test_stripped_pie(void **state)
{
	run("stripped, pie", "CGO_ENABLED=0", "-buildmode=pie -ldflags='-s -w'");
}

static void test_cgo(void **state)
{
	run("cgo", "CGO_ENABLED=1", "");
}

static void test_cgo_static(void **state)
{
	run("cgo, static", "CGO_ENABLED=1",
	    "-ldflags='-linkmode=external -extldflags=-static -s -w'");
}

static void test_cgo_pie(void **state)
{
	run("cgo, pie", "CGO_ENABLED=1", "-buildmode=pie -ldflags='-linkmode=external -s -w'");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),	cmocka_unit_test(test_stripped_pie),
		cmocka_unit_test(test_cgo),	cmocka_unit_test(test_cgo_static),
		cmocka_unit_test(test_cgo_pie),
	};

	CHECK(argc >= 2);
	source = argv[1];
	if (argc == 4) { /* by hand */
		visits = (int)strtol(argv[2], NULL, 10);
		steps = (int)strtol(argv[3], NULL, 10);
	}
	CHECK(mkdtemp(folder));
	int r = cmocka_run_group_tests(tests, NULL, NULL);

	rmdir(folder);
	return r;
}
