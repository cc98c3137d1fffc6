/* glim record: profile a Python process, or the whole machine, into a file. */
#include "cmd/cmd.h"

#include <event2/event.h>
#include <signal.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "cmd/fetch.h"
#include "cmd/cache.h"
#include "cmd/launch.h"
#include "cmd/missed.h"
#include "cmd/output.h"
#include "cmd/sampling.h"
#include "cmd/table.h"
#include "cmd/target.h"
#include "sink/file.h"
#include "unwind/unwind.h"

enum {
	DRAIN_MS = 250,
	LAST_DRAINS = 64,
	PROGRESS_MS = 500,
	MAX_SECONDS = 30 * 24 * 3600,
};

struct record_options {
	struct sampling_options sampling;
	const char *seconds, *output, *format, *quiet, *debuginfod;
};
struct record {
	struct event_base *loop;
	struct capture *capture;
	struct debuginfod *debuginfod;
	struct event *drain, *progress, *end, *interrupt, *terminate, *ended;
	char **command;	      /* to be started, NULL: none */
	struct launch launch; /* of that */
	const struct format *format;
	const char *path, *shown; /* the file, and how a person may see it */
	struct capture_config config;
	unsigned int seconds; /* 0: until it is ended */
	bool show;	      /* progress on a terminal */
	bool fetch;	      /* debug files */
	int64_t start_ns;
	uint64_t last_samples;
	int64_t last_ns;
	struct err failure; /* of a drain: the capture is over */
};

/* ---- progress ---- */

/* 1,234,567 */
static void put_number(struct buf *b, uint64_t v)
{
	amount_put(b, (int64_t)v, "count");
}

static void on_progress(evutil_socket_t fd, short what, void *arg)
{
	struct record *r = arg;
	struct capture_stats s;
	cleanup_buf struct buf line = {};
	int64_t now = clock_mono_ns();
	double rate;

	capture_stats(r->capture, &s);
	rate = (double)(s.samples - r->last_samples) * NSEC_PER_SEC / (double)(now - r->last_ns);
	r->last_samples = s.samples;
	r->last_ns = now;
	buf_printf(&line, "\r%.0f s: ", (double)(now - r->start_ns) / NSEC_PER_SEC);
	put_number(&line, s.samples);
	buf_printf(&line, " samples, %.0f/s, ", rate);
	put_number(&line, missed_samples(&s));
	buf_printf(&line, " lost, to %s  (Ctrl-C ends)\033[K", r->shown);
	fputs(buf_cstr(&line), stderr);
	fflush(stderr);
}

/* What a person who looks at these samples should know of them. */
static void put_remarks(const struct capture_stats *s, struct buf *b)
{
	const char *before = "glim record: of these, ";

	for (unsigned int i = 0; i < REMARK_COUNT; i++) {
		if (!s->remarks[i])
			continue;
		buf_printf(b, "%s%s: ", before, remark_text(i));
		put_number(b, s->remarks[i]);
		before = "; ";
	}
	if (*before == ';')
		buf_putc(b, '\n');
}

/* What is in no sample. */
static void put_missed(const struct record *r, const struct capture_stats *s, double seconds,
		       struct buf *b)
{
	double cpu = r->config.gil ? 0 : missed_cpu(s, seconds);

	if (s->unknown_pythons) {
		buf_puts(b, "glim record: left out for the version of their Python: ");
		put_number(b, s->unknown_pythons);
		buf_printf(b, " process%s; Glim knows " PYTHON_VERSIONS "\n",
			   s->unknown_pythons == 1 ? "" : "es");
	}
	if (s->lost_children) {
		buf_puts(b, "glim record: left out because there were too many: ");
		put_number(b, s->lost_children);
		buf_printf(b, " child process%s\n", s->lost_children == 1 ? "" : "es");
	}
	if (cpu > 0)
		buf_printf(b, "glim record: %.2f s of CPU time is in no sample\n", cpu);
}

/* What native functions cost the process, where they were not seen from the kernel. */
static void put_stops(const struct capture_stats *s, struct buf *b)
{
	if (s->stopped) {
		buf_puts(b, "glim record: a thread was stopped for a moment ");
		put_number(b, s->stopped);
		buf_printf(b, " times, %lld us by the median, %lld us at most\n",
			   (long long)(s->stopped_median_ns / 1000),
			   (long long)(s->stopped_max_ns / 1000));
	}
	if (s->not_stopped) {
		buf_puts(b, "glim record: without native functions, as the thread could not be "
			    "stopped: ");
		put_number(b, s->not_stopped);
		buf_puts(b, " samples\n");
	}
}

static void summary(const struct record *r, double seconds)
{
	struct capture_stats s;
	uint64_t seen = 0;
	cleanup_buf struct buf b = {};

	capture_stats(r->capture, &s);
	for (unsigned int i = 0; i < OUTCOME_COUNT; i++)
		seen += s.outcomes[i];
	if (r->show)
		buf_puts(&b, "\r\033[K");
	buf_puts(&b, "glim record: ");
	put_number(&b, s.samples);
	buf_printf(&b, " samples in %.1f s, %.1f %% with a complete stack, ", seconds,
		   seen ? 100.0 * (double)s.outcomes[OUTCOME_COMPLETE] / (double)seen : 0.0);
	put_number(&b, missed_samples(&s));
	buf_printf(&b, " lost, in %s\n", r->shown);
	put_remarks(&s, &b);
	if (s.cpus_unsampled)
		buf_printf(&b, "glim record: %llu CPUs that are online were not sampled\n",
			   (unsigned long long)s.cpus_unsampled);
	put_stops(&s, &b);
	put_missed(r, &s, seconds, &b);
	fputs(buf_cstr(&b), stderr);
}

/* ---- events ---- */

static void on_drain(evutil_socket_t fd, short what, void *arg)
{
	struct record *r = arg;

	if (capture_drain(r->capture, &r->failure) < 0 || capture_ended(r->capture))
		event_base_loopbreak(r->loop);
}

static void on_end(evutil_socket_t fd, short what, void *arg)
{
	struct record *r = arg;

	/* The file is being written from here on; a second signal need not wait for it. */
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	event_base_loopbreak(r->loop);
}

/* Ctrl-C goes to the command, too, which decides what to make of it. */
static void on_interrupt(evutil_socket_t fd, short what, void *arg)
{
	struct record *r = arg;

	if (!r->command)
		on_end(fd, what, arg);
}

/* Signals first: one that comes while the probes are loaded ends the recording in order. */
static void record_loop(struct record *r)
{
	signal(SIGPIPE, SIG_IGN);
	r->loop = event_base_new();
	CHECK(r->loop);
	r->progress = event_new(r->loop, -1, EV_PERSIST, on_progress, r);
	r->end = event_new(r->loop, -1, 0, on_end, r);
	r->interrupt = evsignal_new(r->loop, SIGINT, on_interrupt, r);
	r->terminate = evsignal_new(r->loop, SIGTERM, on_end, r);
	CHECK(r->progress && r->end && r->interrupt && r->terminate);
	event_add(r->interrupt, NULL);
	event_add(r->terminate, NULL);
}

/* Start the command, which waits until all is ready. */
static int open_command(struct record *r, struct err *e)
{
	int code = r->command ? launch_open(r->command, -1, &r->launch, e) : 0;

	if (!code && r->command)
		r->config.pid = r->launch.pid;
	return code;
}

static int record_open(struct record *r, struct err *e)
{
	int code = open_command(r, e);
	cleanup_free char *cache = cache_folder("unwind");
	struct capture_config config = r->config;

	if (code)
		return code;
	record_loop(r);
	config.cache = cache;
	code = sampling_open(&config, "record", &r->capture, e);
	if (!code && r->fetch)
		code = fetch_start(r->capture, &r->debuginfod, e);
	if (code)
		return code;
	r->drain = event_new(r->loop, capture_fd(r->capture), EV_READ | EV_PERSIST, on_drain, r);
	CHECK(r->drain);
	event_add(r->drain, &(struct timeval){.tv_usec = DRAIN_MS * 1000});
	if (r->show)
		event_add(r->progress, &(struct timeval){.tv_usec = PROGRESS_MS * 1000});
	if (r->seconds)
		event_add(r->end, &(struct timeval){.tv_sec = r->seconds});
	return 0;
}

static void record_close(struct record *r)
{
	struct event *const events[] = {r->drain,     r->progress,  r->end,
					r->interrupt, r->terminate, r->ended};

	for (size_t i = 0; i < ARRAY_SIZE(events); i++)
		if (events[i])
			event_free(events[i]);
	if (r->loop)
		event_base_free(r->loop);
	capture_close(r->capture);
	debuginfod_stop(r->debuginfod);
}

/* Let the command run. Its end is the end of the recording. */
static int run_command(struct record *r, struct err *e)
{
	int code = launch_go(&r->launch, e);

	if (code)
		return err_prefix(e, "%s", r->command[0]);
	r->ended = event_new(r->loop, r->launch.ended, EV_READ, on_end, r);
	CHECK(r->ended);
	return event_add(r->ended, NULL);
}

static void started(const struct record *r)
{
	char what[32] = "every process";

	if (r->config.pid)
		snprintf(what, sizeof(what), "process %d", (int)r->config.pid);
	fprintf(stderr, "glim record: %s at %u Hz into %s%s\n", what, r->config.hz, r->shown,
		r->seconds ? "" : "; Ctrl-C ends");
}

static int record_run(struct record *r, struct err *e)
{
	cleanup_profile struct profile *p = NULL;
	double seconds;
	int code = record_open(r, e);

	if (code)
		return code;
	r->start_ns = r->last_ns = clock_mono_ns();
	if (r->command)
		code = run_command(r, e);
	else if (!r->show)
		started(r);
	if (code)
		return code;
	event_base_dispatch(r->loop);
	seconds = (double)(clock_mono_ns() - r->start_ns) / NSEC_PER_SEC;
	/* What waits in the ring; what comes meanwhile could go on for ever. */
	for (int i = 0; i < LAST_DRAINS && !r->failure.code; i++)
		if (capture_drain(r->capture, &r->failure) <= 0)
			break;
	p = capture_take(r->capture);
	code = file_write(r->format, p, r->path, e);
	if (code)
		return code;
	summary(r, seconds);
	if (r->failure.code)
		return err_set(e, r->failure.code, "it ended early: %s", r->failure.msg);
	return 0;
}

/* ---- options ---- */

static int check_options(const struct record_options *o, struct record *r, struct err *e)
{
	int code = sampling_config(&o->sampling, r->command, "record", &r->config, e);

	r->fetch = o->debuginfod;
	if (!code && r->fetch)
		code = fetch_check(e);
	if (!code && o->seconds)
		code = options_number("-d", o->seconds, 1, MAX_SECONDS, &r->seconds, e);
	if (!code && !o->format && (!o->output || !strcmp(o->output, "-")))
		r->format = &format_pprof;
	else if (!code)
		code = output_format(o->format, o->output, &r->format, e);
	return code;
}

/* Wait for the command, which goes on when the recording is over. Returns its exit status. */
static int command_status(struct record *r)
{
	bool ran = r->launch.go < 0 && r->launch.pid > 0;
	int status = ran ? launch_wait(&r->launch) : 0;

	launch_close(&r->launch);
	return status;
}

static int record(struct record *r, const struct record_options *o)
{
	cleanup_free char *path =
		o->output ? mem_strdup(o->output) : mem_asprintf("glim%s", r->format->suffix);
	cleanup_buf struct buf shown = {};
	struct err e = {};
	int code, status;

	if (!strcmp(path, "-"))
		buf_puts(&shown, "standard output");
	else
		utf8_put_printable(&shown, path, strlen(path));
	r->path = path;
	r->shown = buf_cstr(&shown);
	/* The terminal is the command's. */
	r->show = isatty(STDERR_FILENO) && !o->quiet && !r->command;
	code = output_check(r->format, path, &e);
	if (!code && o->sampling.pid)
		code = target_find(o->sampling.pid, &r->config.pid, &e);
	if (!code)
		code = record_run(r, &e);
	record_close(r);
	if (code)
		fprintf(stderr, "glim record: %s\n", e.msg);
	status = command_status(r);
	return status ? status : code ? 1 : 0;
}

int cmd_record(int argc, char **argv)
{
	struct record_options o = {};
	struct arena memory = {};
	const char *format =
		arena_printf(&memory, "%s (what FILE's name says)", output_formats(&memory));
	const struct option_spec specs[] = {
		SAMPLING_SPECS(&o.sampling),
		{"duration", 'd', "SECONDS", "end by itself (until Ctrl-C)", &o.seconds},
		{"output", 'o', "FILE", "where to (glim.pb.gz); - is standard output", &o.output},
		{"format", 'f', "FORMAT", format, &o.format},
		{"debuginfod", 0, NULL, "fetch debug files from DEBUGINFOD_URLS", &o.debuginfod},
		{"quiet", 'q', NULL, "no progress", &o.quiet},
	};
	const struct option_table table = {
		.command = "record",
		.usage = "[OPTION...] -p PID | -a | -- COMMAND [ARGUMENT...]",
		.about = "Profiles a Python process, which is not stopped, or every process of "
			 "this machine into a file. It ends with the process, or by Ctrl-C; the "
			 "file is kept.",
		.examples = "  glim record -p 1234 -d 10 -o cpu.pb.gz\n"
			    "  glim record -p 1234 --mode wall -F 1000 -f folded -o -\n"
			    "  glim record -o cpu.pb.gz -- python3 program.py\n"
			    "  glim record --native -o mixed.html -- python3 program.py\n"
			    "  glim record -a -d 10 -o cpu.pb.gz\n"
			    "  glim record -a -d 5 -f folded -o -\n",
		.specs = specs,
		.n = ARRAY_SIZE(specs)};
	struct record r = {.launch = {.go = -1, .failed = -1, .ended = -1}};
	struct err e = {};
	int status = 2, operand = options_parse(&table, argc, argv, &memory, &status);

	if (operand >= 0) {
		r.command = operand < argc ? argv + operand : NULL;
		if (check_options(&o, &r, &e))
			status = cmd_usage_error("record", "%s", e.msg);
		else
			status = record(&r, &o);
	}
	arena_fini(&memory);
	return status;
}
