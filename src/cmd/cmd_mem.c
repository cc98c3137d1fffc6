/* glim mem: the memory of each line of a Python program. */
#include "cmd/cmd.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "cmd/interpreter.h"
#include "cmd/launch.h"
#include "cmd/mem_attach.h"
#include "cmd/mem_show.h"
#include "cmd/options.h"
#include "cmd/target.h"
#include "memory/memory_folder.h"
#include "memory/memory_watch.h"

enum { MAX_SECONDS = 30 * 24 * 3600, MAX_HZ = 1000 };

struct mem_options {
	const char *module, *python, *pid, *seconds, *frequency, *allocated;
	option_values only;
};
struct mem {
	const struct mem_options *o;
	char **command;
	struct memory_folder folder;
	struct memory_watch watch;
	struct launch launch;
	struct memory_run run;
	struct mem_show show;
};

/* ---- the program ---- */

/* Signals that would end us come out of the descriptor, -1: they do what they do. */
static int catch_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGQUIT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Wait for its end and look at it meanwhile. Ctrl-C goes to the program too, which decides what to
 * make of it; who ends us means the program. */
static void watch(struct mem *m)
{
	cleanup_close int signals = catch_signals();
	struct pollfd fds[] = {{.fd = m->launch.ended, .events = POLLIN},
			       {.fd = signals, .events = POLLIN}};

	while (!(fds[0].revents & POLLIN)) {
		struct signalfd_siginfo s;

		if (poll(fds, 2, m->watch.interval_ms) < 0 && errno != EINTR)
			break;
		while (signals >= 0 && read(signals, &s, sizeof(s)) == sizeof(s))
			if (s.ssi_signo == SIGTERM || s.ssi_signo == SIGHUP)
				kill(m->launch.pid, (int)s.ssi_signo);
		memory_watch_look(&m->watch);
	}
}

static int run(struct mem *m, int *ret_status, struct err *e)
{
	int code;

	memory_folder_enter(&m->folder);
	code = launch_open(m->command, -1, &m->launch, e);
	memory_folder_leave();
	if (!code)
		code = launch_go(&m->launch, e);
	if (code) {
		if (m->launch.pid > 0)
			*ret_status = launch_wait(&m->launch);
		return err_prefix(e, "%s", m->command[0]);
	}
	watch(m);
	*ret_status = launch_wait(&m->launch);
	return 0;
}

/* ---- what is shown ---- */

static int show(struct mem *m, struct err *e)
{
	int code = memory_run_read(m->folder.path, &m->run, e);

	/* There was no Python: the program ran all the same, and its status says how. */
	if (code == -ENOENT) {
		fprintf(stderr, "glim mem: %s\n", e->msg);
		return 0;
	}
	if (code)
		return code;
	memory_watch_give(&m->watch, &m->run);
	return mem_show(&m->show, &m->run, e);
}

static unsigned int flags(const struct mem *m)
{
	return m->show.peak || m->show.leaks ? MEMORY_BLOCKS
	       : m->o->allocated	     ? MEMORY_ALLOCATED
	       : m->show.peak_in_line	     ? MEMORY_PEAKS
					     : 0;
}

static int mem(struct mem *m)
{
	struct err e = {};
	int status = 0;
	int code = memory_folder_open(flags(m), m->o->only.data, m->o->only.len, &m->folder, &e);

	if (!code) {
		memory_watch_init(&m->watch, m->folder.path,
				  flags(m) & (MEMORY_ALLOCATED | MEMORY_BLOCKS));
		code = run(m, &status, &e);
	}
	if (!code)
		code = show(m, &e);
	if (code)
		fprintf(stderr, "glim mem: %s\n", e.msg);
	launch_close(&m->launch);
	memory_run_fini(&m->run);
	memory_watch_fini(&m->watch);
	memory_folder_close(&m->folder);
	return status ? status : code ? 1 : 0;
}

static int read_attach_options(const struct mem *m, struct mem_attach *ret, struct err *e)
{
	const struct mem_options *o = m->o;
	int code = 0;

	*ret = (struct mem_attach){.hz = 100, .allocated = o->allocated, .only = &o->only};
	if (o->seconds)
		code = options_seconds("-d", o->seconds, 0.01, MAX_SECONDS, &ret->seconds, e);
	if (!code && o->frequency)
		code = options_number("-F", o->frequency, 1, MAX_HZ, &ret->hz, e);
	if (!code && (m->show.peak || m->show.leaks || m->show.own || m->show.peak_in_line))
		code = err_set(e, -EINVAL,
			       "of a process that runs already only what grows is to be seen: "
			       "start it with glim mem");
	return code;
}

static int attach(struct mem *m)
{
	struct mem_attach how;
	struct err e = {};
	int code = read_attach_options(m, &how, &e);

	if (code)
		return cmd_usage_error("mem", "%s", e.msg);
	code = target_find(m->o->pid, &how.pid, &e);
	if (!code) {
		how.signals = catch_signals();
		code = mem_attach_run(&how, &m->run, &e);
		if (how.signals >= 0)
			close(how.signals);
	}
	if (!code)
		code = mem_show(&m->show, &m->run, &e);
	if (code)
		fprintf(stderr, "glim mem: %s\n", e.msg);
	memory_run_fini(&m->run);
	return code ? 1 : 0;
}

/* ---- options ---- */

/* In what the script or module runs: what was asked for, else what the script's first line says,
 * else the python3 that is on PATH. */
static int find_interpreter(const struct mem_options *o, const char *script, struct arena *a,
			    const char *ret[INTERPRETER_WORDS], struct err *e)
{
	int n = 0;

	if (!o->python && !o->module)
		n = interpreter_of_script(script, a, ret, e);
	if (n)
		return n;
	n = interpreter_find(o->python, a, &ret[0], e);
	return n ? n : 1;
}

/* The command: as it stands behind "--", or Python with a script or a module. */
static int make_command(const struct mem_options *o, int argc, char **argv, int operand,
			struct arena *a, char ***ret, struct err *e)
{
	bool whole = operand > 1 && !strcmp(argv[operand - 1], "--") && !o->module;
	const char *words[INTERPRETER_WORDS];
	int nwords = whole ? 0 : find_interpreter(o, argv[operand], a, words, e);
	char **command;
	size_t n = 0;

	if (nwords < 0)
		return nwords;
	command = arena_array(a, char *, (size_t)(argc - operand) + INTERPRETER_WORDS + 3);
	for (int i = 0; i < nwords; i++)
		command[n++] = arena_strdup(a, words[i]);
	if (o->module) {
		command[n++] = arena_strdup(a, "-m");
		command[n++] = arena_strdup(a, o->module);
	}
	for (int i = operand; i < argc; i++)
		command[n++] = argv[i];
	*ret = command;
	return 0;
}

int cmd_mem(int argc, char **argv)
{
	struct mem_options o = {};
	struct mem m = {.o = &o, .launch = {.go = -1, .failed = -1, .ended = -1}};
	struct err e = {};
	struct arena memory = {};
	const struct option_spec specs[] = {
		{"module", 'm', "MODULE", "run a module as a script, as python -m does", &o.module,
		 .last = true},
		{"python", 0, "EXE",
		 "the interpreter: path, name or version (the script's own, python3)", &o.python},
		{"pid", 'p', "PID",
		 "watch a process that runs already: what grows under which line", &o.pid},
		{"frequency", 'F', "HZ", "with --pid: looks a second (100)", &o.frequency},
		{"duration", 'd', "SECONDS", "with --pid: end by itself (until Ctrl-C)",
		 &o.seconds},
		{"only", 0, "PATTERN",
		 "files or functions to measure; again: those, too (your own code)",
		 .all = &o.only},
		{"allocated", 0, NULL, "count allocated bytes, not resident memory", &o.allocated},
		{"own", 0, NULL, "a column of growth without the functions called", &m.show.own},
		{"peak-in-line", 0, NULL, "a column of the most that a line had while it ran",
		 &m.show.peak_in_line},
		{"precision", 0, "N", "decimals of a MiB (3)", &m.show.precision},
		{"json", 0, NULL, "for programs, in bytes", &m.show.json},
		{"html", 0, "FILE", "write a page: sources with heat, memory over time",
		 &m.show.html},
		{"plot", 0, "FILE", "write memory over time as SVG", &m.show.plot},
		{"peak", 0, NULL, "show who held what at the peak instead", &m.show.peak},
		{"leaks", 0, NULL, "show what was never freed instead", &m.show.leaks},
		{"number", 'n', "N", "lines that --peak, --leaks and --pid show (20); 0: all",
		 &m.show.rows},
		{"output", 'o', "FILE",
		 "where to (standard output); with --peak or --leaks a profile", &m.show.output},
	};
	const struct option_table table = {
		.command = "mem",
		.usage = "[OPTION...] SCRIPT [ARG...] | -m MODULE [ARG...] | -- COMMAND [ARG...] | "
			 "-p PID",
		.about = "Runs a Python program and shows the memory of each line of each function "
			 "of yours. The program needs no change; its exit status is passed on.",
		.examples = "  glim mem script.py\n"
			    "  glim mem --only 'app/*' --html memory.html -m app\n"
			    "  glim mem --allocated --own --peak-in-line script.py\n"
			    "  glim mem -p 1234 -d 60 --html memory.html\n"
			    "  glim mem --leaks -o leaks.html -- gunicorn app:main\n",
		.specs = specs,
		.n = ARRAY_SIZE(specs)};
	int status = 2, operand = options_parse(&table, argc, argv, &memory, &status);

	if (operand >= 0 && (o.seconds || o.frequency) && !o.pid) {
		status =
			cmd_usage_error("mem", "%s is for -p: a program that is started %s",
					o.seconds ? "-d" : "-F",
					o.seconds ? "runs to its end" : "is measured line by line");
	} else if (operand >= 0 && operand == argc && !o.module && !o.pid) {
		status = cmd_usage_error("mem", "say what to run: a script, -m MODULE, or -- "
						"COMMAND");
	} else if (operand >= 0 && o.only.len && (m.show.peak || m.show.leaks)) {
		status = cmd_usage_error("mem", "--only is for lines: --peak and --leaks are of "
						"all functions");
	} else if (operand >= 0 && mem_show_check(&m.show, &e)) {
		status = cmd_usage_error("mem", "%s", e.msg);
	} else if (operand >= 0 && o.pid && (operand < argc || o.module)) {
		status = cmd_usage_error("mem", "a process that runs already, or one to start: not "
						"both");
	} else if (operand >= 0 && o.pid) {
		status = attach(&m);
	} else if (operand >= 0 && make_command(&o, argc, argv, operand, &memory, &m.command, &e)) {
		status = cmd_usage_error("mem", "%s", e.msg);
	} else if (operand >= 0) {
		status = mem(&m);
	}
	vec_fini(&o.only);
	arena_fini(&memory);
	return status;
}
