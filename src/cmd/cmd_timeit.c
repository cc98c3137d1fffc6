/* glim timeit: how long a Python statement takes. */
#include "cmd/cmd.h"

#include <signal.h>
#include <unistd.h>

#include "cmd/interpreter.h"
#include "cmd/options.h"
#include "cmd/timeit.h"
#include "sink/file.h"

enum { MAX_LOOPS = 1000000000, MAX_REPEATS = 1000000, MAX_CASES = 64 };

struct timeit_options {
	const char *loops, *repeats, *process, *unit, *verbose, *json, *no_memory, *quiet;
	option_values setups, others, pythons;
};

static volatile sig_atomic_t stop;

static void on_interrupt(int number)
{
	stop = 1;
}

/* Ctrl-C ends the measurement, and is waited for nowhere but where an interpreter is. Where it was
 * ignored before, it stays so. */
static void take_interrupts(sigset_t *ret_before)
{
	struct sigaction old, action = {.sa_handler = on_interrupt};
	sigset_t interrupt;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&interrupt);
	sigaddset(&interrupt, SIGINT);
	sigprocmask(SIG_BLOCK, &interrupt, ret_before);
	if (!sigaction(SIGINT, NULL, &old) && old.sa_handler != SIG_IGN)
		sigaction(SIGINT, &action, NULL);
}

static void on_progress(void *arg, double share)
{
	/* What else is written there begins at the beginning of the line. */
	fprintf(stderr, "measuring: %.0f %%  (Ctrl-C ends)\033[K\r", 100 * share);
	fflush(stderr);
}

/* ---- what is measured ---- */

/* Lines of one text, as the timeit module takes its arguments. */
static const char *joined(char *const *lines, size_t n, struct arena *a)
{
	cleanup_buf struct buf b = {};

	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_putc(&b, '\n');
		buf_puts(&b, lines[i]);
	}
	return arena_strdup(a, buf_cstr(&b));
}

/* Every statement in every interpreter. A statement is compared with the first one in the same
 * interpreter, the first one with itself in the first interpreter. */
static int add_cases(struct timeit *t, const struct timeit_options *o, const char *statement,
		     struct arena *a, struct err *e)
{
	size_t pythons = MAX(o->pythons.len, 1), statements = o->others.len + 1;

	if (pythons > MAX_CASES || statements > MAX_CASES || pythons * statements > MAX_CASES)
		return err_set(e, -EINVAL, "at most %d statements, each interpreter counted",
			       MAX_CASES);
	for (size_t k = 0; k < pythons; k++) {
		const char *path;
		int code =
			interpreter_find(o->pythons.len ? o->pythons.data[k] : NULL, a, &path, e);

		if (code)
			return code;
		for (size_t i = 0; i < statements; i++) {
			struct timeit_case c = {.python = path, .against = i ? k * statements : 0};

			c.statement = i ? o->others.data[i - 1] : statement;
			vec_push(&t->cases, c);
		}
	}
	return 0;
}

static int check_options(const struct timeit_options *o, struct timeit *t, struct err *e)
{
	unsigned int loops;
	int code = options_number("-n", o->loops, 0, MAX_LOOPS, &loops, e);

	if (!code)
		code = options_number("-r", o->repeats, 0, MAX_REPEATS, &t->repeats, e);
	if (!code && o->unit && !timeit_unit(o->unit))
		code = err_set(e, -EINVAL, "-u takes nsec, usec, msec or sec, not \"%.40s\"",
			       o->unit);
	if (code)
		return code;
	t->loops = loops;
	t->repeats = MAX(t->repeats, 1);
	t->clock = o->process ? TIMEIT_CPU : TIMEIT_WALL;
	t->memory = !o->no_memory;
	t->config.quiet = o->json;
	if (isatty(STDERR_FILENO) && !o->quiet)
		t->progress = on_progress;
	return 0;
}

/* ---- running ---- */

static bool measured(const struct timeit *t)
{
	for (size_t i = 0; i < t->cases.len; i++)
		if (t->cases.data[i].laps.len)
			return true;
	return false;
}

static int run(struct timeit *t, const struct timeit_options *o)
{
	const struct timeit_view view = {
		.unit = o->unit, .verbose = o->verbose, .look = table_look(STDOUT_FILENO)};
	struct err e = {}, of_writing = {};
	cleanup_buf struct buf out = {};
	sigset_t before;
	int status;

	take_interrupts(&before);
	t->config.signals = &before;
	t->config.stop = &stop;
	status = timeit_measure(t, &e) < 0;
	if (t->progress)
		fputs("\033[K", stderr);
	if (status)
		fprintf(stderr, "glim timeit: %s\n", e.msg);
	if (!measured(t))
		return 1;
	if (t->interrupted)
		status = 0;
	if (o->json)
		timeit_put_json(t, status ? e.msg : NULL, &out);
	else
		timeit_put_text(t, &view, &out);
	if (file_write_bytes(out.data, out.len, "-", &of_writing) < 0) {
		fprintf(stderr, "glim timeit: %s\n", of_writing.msg);
		status = 1;
	}
	return status;
}

int cmd_timeit(int argc, char **argv)
{
	struct timeit_options o = {.loops = "0", .repeats = "5"};
	const struct option_spec specs[] = {
		{"number", 'n', "N", "loops in a repeat (as many as take 0.2 s)", &o.loops},
		{"repeat", 'r', "N", "how often the setup and the loops are run (5)", &o.repeats},
		{"setup", 's', "STATEMENT", "run before the loops, not timed; again: the next line",
		 .all = &o.setups},
		{"process", 'p', NULL, "go by the CPU clock, not by the wall clock", &o.process},
		{"unit", 'u', "UNIT", "nsec, usec, msec or sec", &o.unit},
		{"verbose", 'v', NULL, "the time of each repeat, too", &o.verbose},
		{"python", 0, "EXE", "an interpreter: path, name or version; again: side by side",
		 .all = &o.pythons},
		{"vs", 0, "STATEMENT", "compare with this one; may be given again",
		 .all = &o.others},
		{"no-memory", 0, NULL, "do not run the statement once more for its memory",
		 &o.no_memory},
		{"json", 0, NULL, "for programs; what the statement prints goes to standard error",
		 &o.json},
		{"quiet", 'q', NULL, "no progress", &o.quiet},
	};
	const struct option_table table = {
		.command = "timeit",
		.usage = "[OPTION...] [STATEMENT...]",
		.about = "Says how long a Python statement takes, and what memory it takes. It is "
			 "run in loops in an interpreter of your choice, CPython 2.7 and 3.6 or "
			 "newer; options are those of python -m timeit, and several STATEMENTs are "
			 "lines of one.",
		.examples = "  glim timeit -s 'd = dict.fromkeys(range(100))' '50 in d'\n"
			    "  glim timeit \"','.join(map(str, range(100)))\" --vs "
			    "\"','.join([str(i) for i in range(100)])\"\n"
			    "  glim timeit --python 3.11 --python 3.13 'sorted(range(1000))'\n"
			    "  glim timeit --json -p 'sum(range(100))'\n",
		.specs = specs,
		.n = ARRAY_SIZE(specs),
		.mixed = true};
	struct timeit t = {};
	struct arena memory = {};
	struct err e = {};
	int status = 2, operand = options_parse(&table, argc, argv, &memory, &status);

	if (operand >= 0 && check_options(&o, &t, &e)) {
		status = cmd_usage_error("timeit", "%s", e.msg);
	} else if (operand >= 0) {
		size_t lines = (size_t)(argc - operand);

		t.setup = joined((char *const *)o.setups.data, o.setups.len, &memory);
		if (add_cases(&t, &o, lines ? joined(argv + operand, lines, &memory) : "pass",
			      &memory, &e)) {
			fprintf(stderr, "glim timeit: %s\n", e.msg);
			status = 1;
		} else {
			status = run(&t, &o);
		}
	}
	timeit_fini(&t);
	vec_fini(&o.setups);
	vec_fini(&o.others);
	vec_fini(&o.pythons);
	arena_fini(&memory);
	return status;
}
