/* glim time: what a command takes, once or again and again, alone or beside others. */
#include "cmd/cmd.h"

#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "cmd/launch.h"
#include "cmd/options.h"
#include "cmd/timing.h"
#include "process/usage.h"
#include "sink/file.h"

enum {
	MAX_RUNS = 100000,
	RUNS_TO_COMPARE = 10, /* of each command, unless -n says it */
	MAX_FREQUENCY_FILE = 32,
};

struct time_options {
	const char *runs, *warmup, *show, *ignore, *json, *output, *alone, *quiet;
};
struct time_job {
	const struct time_options *o;
	struct timing timing;
	int nowhere;   /* where the output of several runs goes; -1: where ours does */
	bool progress; /* on a terminal, of several runs */
	int status;    /* of the first run that failed */
};

/* ---- signals ---- */

/* A signal handler can be told nothing: the command that runs, 0: none. */
static volatile pid_t running;
static volatile sig_atomic_t interrupted;

/* The terminal sends these to the command, too, which decides what to make of it. */
static void on_interrupt(int number)
{
	interrupted = 1;
}

/* Who sends this to us means what we run; the end of a terminal is told to all by the kernel. */
static void on_end(int number, siginfo_t *info, void *context)
{
	interrupted = 1;
	if (running && info->si_code <= 0)
		kill(running, number);
}

static const int signals[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP};

/* Only while a command runs, which was forked before and so has those of our caller. */
static void take_signals(struct sigaction *ret_old)
{
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		struct sigaction a = {.sa_flags = SA_RESTART};

		if (signals[i] == SIGTERM || signals[i] == SIGHUP) {
			a.sa_sigaction = on_end;
			a.sa_flags |= SA_SIGINFO;
		} else {
			a.sa_handler = on_interrupt;
		}
		sigaction(signals[i], NULL, &ret_old[i]);
		if (ret_old[i].sa_handler != SIG_IGN)
			sigaction(signals[i], &a, NULL);
	}
}

static void give_signals_back(const struct sigaction *old)
{
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sigaction(signals[i], &old[i], NULL);
}

/* ---- one run ---- */

/* The command was forked, and waits. */
static int measure(struct time_job *job, struct timed_command *c, struct launch *l, struct run *ret,
		   struct err *e)
{
	struct timing *t = &job->timing;
	struct run_watch watch;
	bool single = t->n == 1 && t->wanted == 1;

	family_close(&c->family); /* of a run to warm up */
	if (single && !job->o->alone)
		t->followed = !family_open(l->pid, &c->family, &t->unfollowed);
	run_begin(&watch, l->pid, l->ended, t->followed ? &c->family : NULL);
	int code = launch_go(l, e);

	if (code < 0) {
		job->status = launch_wait(l);
		return err_prefix(e, "%s", c->argv[0]);
	}
	return run_wait(&watch, ret, e);
}

static int run_once(struct time_job *job, struct timed_command *c, struct run *ret, struct err *e)
{
	struct sigaction old[ARRAY_SIZE(signals)];
	struct launch l;
	int code = launch_open(c->argv, job->nowhere, &l, e);

	if (code < 0)
		return code;
	running = l.pid;
	take_signals(old);
	code = measure(job, c, &l, ret, e);
	running = 0;
	give_signals_back(old);
	launch_close(&l);
	return code;
}

/* ---- the machine meanwhile ---- */

static void look_at_frequency(struct timing *t)
{
	double fastest = 0;

	for (unsigned int cpu = 0; cpu < t->cpus; cpu++) {
		cleanup_buf struct buf b = {};
		char path[96];

		snprintf(path, sizeof(path),
			 "/sys/devices/system/cpu/cpu%u/cpufreq/scaling_cur_freq", cpu);
		if (io_read_file(path, MAX_FREQUENCY_FILE, &b) < 0)
			return;
		fastest = fmax(fastest, 1000 * strtod(buf_cstr(&b), NULL));
	}
	t->fastest_hz = fmax(t->fastest_hz, fastest);
	t->slowest_hz = t->slowest_hz > 0 ? fmin(t->slowest_hz, fastest) : fastest;
}

/* What all CPUs worked in the meantime, without what the runs did. */
static void look_at_load(struct timing *t, int64_t start_ns, uint64_t busy_before, int64_t own_ns)
{
	double seconds = (double)(t->took_ns = clock_mono_ns() - start_ns) / NSEC_PER_SEC;
	uint64_t busy;
	struct err e;

	t->other_cpus = -1;
	/* The kernel counts ticks: of a moment they say nothing. */
	if (!t->cpus || seconds < 0.1 || usage_read_host(&busy, &t->cpus, &e))
		return;
	double all = (double)(busy - busy_before) / (double)sysconf(_SC_CLK_TCK);

	t->other_cpus = fmax(all - (double)own_ns / NSEC_PER_SEC, 0) / seconds;
}

/* ---- all runs ---- */

static void progress(const struct time_job *job, unsigned int round, const struct run *last)
{
	const struct timing *t = &job->timing;
	cleanup_buf struct buf line = {};

	if (!job->progress)
		return;
	if (round <= t->warmup)
		buf_printf(&line, "\rglim time: warming up");
	else
		buf_printf(&line, "\rglim time: run %u of %u", round - t->warmup, t->wanted);
	if (last) {
		buf_puts(&line, ", the last took ");
		amount_put(&line, last->wall_ns, "nanoseconds");
	}
	buf_puts(&line, "\033[K");
	fputs(buf_cstr(&line), stderr);
}

/* One run of each command, so that what changes with time changes all of them. */
static int run_round(struct time_job *job, unsigned int round, int64_t *own_ns, struct err *e)
{
	struct timing *t = &job->timing;

	for (size_t i = 0; i < t->n; i++) {
		struct timed_command *c = &t->commands[i];
		struct run r;

		progress(job, round, c->runs.len ? &c->runs.data[c->runs.len - 1] : NULL);
		int code = run_once(job, c, &r, e);

		if (code < 0)
			return code;
		*own_ns += r.cpu_ns;
		if (round > t->warmup)
			vec_push(&c->runs, r);
		if (t->wanted > 1)
			look_at_frequency(t);
		if (r.status && !job->status)
			job->status = r.status;
		if (interrupted)
			return 1;
		if (!r.status || job->o->ignore || t->wanted == 1)
			continue;
		return err_set(e, -ECANCELED,
			       "run %u ended with status %d: --show tells what it wrote, "
			       "--ignore-failure goes on",
			       round, r.status);
	}
	return 0;
}

static int run_all(struct time_job *job, struct err *e)
{
	struct timing *t = &job->timing;
	uint64_t busy = 0;
	int64_t start = clock_mono_ns(), own = 0;
	int code = 0;

	if (t->wanted > 1 && usage_read_host(&busy, &t->cpus, e))
		t->cpus = 0;
	for (unsigned int i = 1; i <= t->warmup + t->wanted && !code; i++)
		code = run_round(job, i, &own, e);
	if (job->progress)
		fputs("\r\033[K", stderr);
	if (t->wanted > 1)
		look_at_load(t, start, busy, own);
	return MIN(code, 0);
}

/* ---- the report ---- */

/* Text stands on standard error, where it does not mix with what the command writes. */
static int report(const struct time_job *job, struct err *e)
{
	const struct time_options *o = job->o;
	cleanup_buf struct buf out = {};
	struct err failed = {};
	int code = 0;

	if (o->json)
		timing_put_json(&job->timing, &out);
	else
		timing_put_text(&job->timing,
				o->output ? (struct table_look){} : table_look(STDERR_FILENO),
				&out);
	/* No command inherits this any more. */
	signal(SIGPIPE, SIG_IGN);
	if (o->output || o->json)
		code = file_write_bytes(out.data, out.len, o->output ? o->output : "-", &failed);
	if ((!o->output && !o->json) || code < 0) /* what was measured is not lost */
		io_write_all(STDERR_FILENO, out.data, out.len);
	if (code < 0)
		*e = failed;
	return code;
}

static bool measured(const struct timing *t)
{
	for (size_t i = 0; i < t->n; i++)
		if (!t->commands[i].runs.len)
			return false;
	return true;
}

static int run(struct time_job *job)
{
	const char *output = job->o->output;
	struct err e = {}, unwritten = {};
	cleanup_close int nowhere = -1;
	int code = output ? file_check(output, &e) : 0;

	if (code >= 0 && job->timing.n * job->timing.wanted > 1 && !job->o->show) {
		nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
		if (nowhere < 0)
			code = err_sys(&e, -errno, "cannot open /dev/null");
	}
	job->nowhere = nowhere;
	if (code >= 0)
		code = run_all(job, &e);
	if (code < 0)
		fprintf(stderr, "glim time: %s\n", e.msg);
	if (measured(&job->timing) && report(job, &unwritten) < 0) {
		fprintf(stderr, "glim time: %s\n", unwritten.msg);
		code = -EIO;
	}
	return job->status ? job->status : code < 0;
}

/* ---- options ---- */

/* The commands, between --vs and --vs. */
static int split_commands(int argc, char **argv, struct timing *t, struct err *e)
{
	int start = 0;

	t->commands = mem_calloc((size_t)argc + 1, sizeof(*t->commands));
	for (int i = 0; i <= argc; i++) {
		if (i < argc && strcmp(argv[i], "--vs"))
			continue;
		if (i == start)
			return err_set(e, -EINVAL,
				       i < argc || t->n ? "a command is missing at --vs"
							: "which command?");
		t->commands[t->n++] =
			(struct timed_command){.argv = argv + start, .argc = (size_t)(i - start)};
		/* For exec. */
		argv[i] = NULL;
		start = i + 1;
	}
	return 0;
}

static int check_options(struct time_job *job, int argc, char **argv, struct err *e)
{
	const struct time_options *o = job->o;
	struct timing *t = &job->timing;
	int code = split_commands(argc, argv, t, e);

	t->wanted = t->n > 1 ? RUNS_TO_COMPARE : 1;
	if (!code && o->runs)
		code = options_number("-n", o->runs, 1, MAX_RUNS, &t->wanted, e);
	t->warmup = t->wanted > 1;
	if (!code && o->warmup)
		code = options_number("--warmup", o->warmup, 0, MAX_RUNS, &t->warmup, e);
	if (!code && t->n > 1 && t->wanted == 1)
		code = err_set(e, -EINVAL, "one run of each compares nothing: -n 10");
	job->progress = t->wanted > 1 && isatty(STDERR_FILENO) && !o->quiet && !o->show;
	return code;
}

int cmd_time(int argc, char **argv)
{
	struct time_options o = {};
	const struct option_spec specs[] = {
		{"runs", 'n', "N", "run it so often (1; with --vs 10 each)", &o.runs},
		{"warmup", 'w', "N", "runs before that do not count (1; of a single run 0)",
		 &o.warmup},
		{"show", 0, NULL, "let several runs use the terminal, as a single one does",
		 &o.show},
		{"ignore-failure", 'i', NULL, "go on after a run that failed", &o.ignore},
		{"no-tree", 0, NULL, "do not follow the processes of a single run", &o.alone},
		{"json", 0, NULL, "for programs, to standard output", &o.json},
		{"output", 'o', "FILE", "write it there, not to standard error", &o.output},
		{"quiet", 'q', NULL, "no progress", &o.quiet},
	};
	const struct option_table table = {
		.command = "time",
		.usage = "[OPTION...] -- COMMAND [ARGUMENT...] [--vs COMMAND...]...",
		.about =
			"Runs a command and says what it took: wall clock, CPU, what it waited "
			"for, "
			"memory, page faults, bytes, and its processes. Several runs give medians, "
			"and how far these can be trusted; --vs compares commands.",
		.examples = "  glim time -- make -j2\n"
			    "  glim time -n 20 -- python3 program.py\n"
			    "  glim time -n 20 -- sort big.txt --vs sort -S 1G big.txt\n"
			    "  glim time --json -o took.json -- python3 program.py\n",
		.specs = specs,
		.n = ARRAY_SIZE(specs)};
	struct time_job job = {.o = &o};
	struct arena memory = {};
	struct err e = {};
	int status = 2, operand = options_parse(&table, argc, argv, &memory, &status);

	if (operand >= 0) {
		if (check_options(&job, argc - operand, argv + operand, &e))
			status = cmd_usage_error("time", "%s", e.msg);
		else
			status = run(&job);
	}
	timing_fini(&job.timing);
	arena_fini(&memory);
	return status;
}
