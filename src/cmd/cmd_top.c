/* glim top: a live table of where the time goes. */
#include "cmd/cmd.h"

#include <event2/event.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/utf8.h"
#include "capture/capture.h"
#include "cmd/cache.h"
#include "cmd/missed.h"
#include "cmd/sampling.h"
#include "cmd/target.h"
#include "cmd/top_command.h"
#include "cmd/top_json.h"
#include "sink/terminal.h"

enum {
	DRAIN_MS = 250,
	FIRST_MS = 300, /* until the first numbers: nobody likes to wait */
	MAX_TABLES = 1000000,
	MAX_ROWS = 100000,
	PLAIN_ROWS = 20,
};

struct top_options {
	struct sampling_options sampling;
	const char *interval, *tables, *rows, *json, *by, *sort, *filter;
};
/* A person at a terminal, or text. */
enum top_mode { MODE_TERMINAL, MODE_PLAIN, MODE_JSON };

struct top {
	struct event_base *loop;
	struct capture *capture;
	struct event *drain, *refresh, *gone, *quit[3];			 /* always */
	struct event *keys, *key_end, *output, *resized, *stop, *resume; /* with a terminal */
	struct terminal terminal;
	struct screen screen;
	struct top_view view;
	struct top_facts facts;
	enum top_mode mode;
	unsigned int tables; /* still to be printed; 0: for ever */
	unsigned int rows;
	double interval;
	int64_t start_ns, last_ns, last_cpu;
	uint64_t last_samples;
	struct capture_config config;
	struct top_command command;
	int pid_fd;
	bool ended; /* the process has */
	char message[64];
	char *target;
	struct err failure;
};

/* ---- what is shown ---- */

static void end_with(struct top *t, int code)
{
	if (code != -EPIPE && code != -EIO)
		err_sys(&t->failure, code, "cannot write to standard output");
	event_base_loopbreak(t->loop);
}

static void wait_for_terminal(struct top *t, int r)
{
	if (r == 1)
		event_add(t->output, NULL);
	else if (r < 0)
		end_with(t, r);
}

static void draw(struct top *t)
{
	screen_resize(&t->screen, t->terminal.columns, t->terminal.rows);
	t->screen.ascii = t->terminal.ascii;
	top_draw(&t->view, &t->facts, &t->screen);
	wait_for_terminal(t, terminal_draw(&t->terminal, &t->screen));
}

static void print_plain(struct top *t, struct buf *out)
{
	top_draw_plain(&t->view, &t->facts, t->rows ? t->rows : PLAIN_ROWS, &t->screen);
	for (unsigned int row = 0; row < t->screen.rows; row++) {
		screen_row_text(&t->screen, row, out);
		buf_putc(out, '\n');
	}
	if (t->tables != 1)
		buf_putc(out, '\n');
}

static void print(struct top *t)
{
	cleanup_buf struct buf out = {};
	int r;

	if (t->mode == MODE_JSON)
		top_json(&t->view, &t->facts, t->rows ? t->rows : MAX_ROWS, &out);
	else
		print_plain(t, &out);
	r = io_write_all(STDOUT_FILENO, out.data, out.len);
	if (r < 0)
		end_with(t, r);
	else if (t->tables && !--t->tables)
		event_base_loopbreak(t->loop);
}

/* CPU time of the process, -1 where it cannot be known. */
static int64_t process_cpu_ns(pid_t pid)
{
	struct timespec cpu;
	clockid_t clock;

	if (!pid || clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &cpu))
		return -1;
	return cpu.tv_sec * NSEC_PER_SEC + cpu.tv_nsec;
}

static void read_facts(struct top *t)
{
	struct capture_stats s;
	int64_t now = clock_mono_ns(), cpu = process_cpu_ns(t->config.pid);
	uint64_t seen = 0;

	capture_stats(t->capture, &s);
	for (unsigned int i = 0; i < OUTCOME_COUNT; i++)
		seen += s.outcomes[i];
	t->facts.seconds = (double)(now - t->start_ns) / NSEC_PER_SEC;
	t->facts.samples_rate = (double)(s.samples - t->last_samples) * NSEC_PER_SEC /
				(double)MAX(now - t->last_ns, 1);
	t->facts.samples = s.samples;
	t->facts.lost = missed_samples(&s);
	t->facts.missed_cpu = t->config.gil ? 0 : missed_cpu(&s, t->facts.seconds);
	t->facts.lost_children = s.lost_children;
	t->facts.stopped = s.stopped;
	t->facts.stopped_ns = s.stopped_median_ns;
	t->facts.complete = seen ? (double)s.outcomes[OUTCOME_COMPLETE] / (double)seen : -1;
	t->facts.cpu = cpu < 0 || t->last_cpu < 0
			       ? -1
			       : (double)(cpu - t->last_cpu) / (double)MAX(now - t->last_ns, 1);
	t->facts.empty = t->config.pid && !t->config.native && !s.python_processes
				 ? "no Python runs yet: --native shows any program"
				 : NULL;
	t->last_samples = s.samples;
	t->last_ns = now;
	t->last_cpu = cpu;
}

static void refresh(struct top *t)
{
	if (top_view_add(&t->view, capture_take(t->capture), &t->failure) < 0) {
		event_base_loopbreak(t->loop);
		return;
	}
	read_facts(t);
	if (t->mode == MODE_TERMINAL)
		draw(t);
	else
		print(t);
}

static void on_drain(evutil_socket_t fd, short what, void *arg)
{
	struct top *t = arg;

	if (capture_drain(t->capture, &t->failure) < 0)
		event_base_loopbreak(t->loop);
}

/* Its last samples are taken; a person may look at them as long as they like. */
static void end_of_target(struct top *t)
{
	t->ended = true;
	event_del(t->refresh);
	if (t->command.argv)
		snprintf(t->message, sizeof(t->message),
			 "The command has ended with status %d. q:quit", t->command.status);
	else
		snprintf(t->message, sizeof(t->message), "The process has ended. q:quit");
	t->facts.message = t->message;
	refresh(t);
	if (t->mode != MODE_TERMINAL)
		event_base_loopbreak(t->loop);
}

/* Those that it started may go on without it. */
static void on_gone(evutil_socket_t fd, short what, void *arg)
{
	struct top *t = arg;

	if (t->command.argv)
		top_command_ended(&t->command);
	if (!t->config.children)
		end_of_target(t);
}

static void on_refresh(evutil_socket_t fd, short what, void *arg)
{
	struct top *t = arg;

	if (t->config.children && capture_ended(t->capture))
		end_of_target(t);
	else
		refresh(t);
}

static void on_quit(evutil_socket_t fd, short what, void *arg)
{
	struct top *t = arg;

	event_base_loopbreak(t->loop);
}

/* ---- the terminal ---- */

static void take_keys(struct top *t, bool ended)
{
	enum top_key all = TOP_KEY_NOTHING;
	uint32_t key;

	while ((key = terminal_key(&t->terminal, ended)) != KEY_NONE) {
		enum top_key one = top_view_key(&t->view, key);

		all = MAX(all, one);
	}
	if (all == TOP_KEY_QUIT) {
		event_base_loopbreak(t->loop);
		return;
	}
	if (all == TOP_KEY_REPAINT)
		terminal_forget(&t->terminal);
	if (all != TOP_KEY_NOTHING)
		draw(t);
	if (terminal_key_waits(&t->terminal))
		event_add(t->key_end, &(struct timeval){.tv_usec = KEY_WAIT_MS * 1000});
}

static void on_keys(evutil_socket_t fd, short what, void *arg)
{
	struct top *t = arg;

	if (terminal_read(&t->terminal) < 0)
		event_base_loopbreak(t->loop);
	else
		take_keys(t, false);
}

static void on_key_end(evutil_socket_t fd, short what, void *arg)
{
	take_keys(arg, true);
}

static void on_output(evutil_socket_t fd, short what, void *arg)
{
	struct top *t = arg;
	int r = terminal_flush(&t->terminal);

	/* What was left out meanwhile. */
	if (!r)
		draw(t);
	else
		wait_for_terminal(t, r);
}

static void on_resized(evutil_socket_t fd, short what, void *arg)
{
	struct top *t = arg;

	if (terminal_measure(&t->terminal))
		draw(t);
}

static void on_stop(evutil_socket_t fd, short what, void *arg)
{
	struct top *t = arg;

	terminal_suspend(&t->terminal);
	draw(t);
}

static void on_resume(evutil_socket_t fd, short what, void *arg)
{
	struct top *t = arg;

	terminal_resume(&t->terminal);
	draw(t);
}

static struct event *on_signal(struct top *t, int number, event_callback_fn call)
{
	struct event *ev = evsignal_new(t->loop, number, call, t);

	CHECK(ev);
	event_add(ev, NULL);
	return ev;
}

static int open_terminal(struct top *t, struct err *e)
{
	int r = terminal_open(&t->terminal, e);

	if (r < 0)
		return r;
	t->keys = event_new(t->loop, t->terminal.in, EV_READ | EV_PERSIST, on_keys, t);
	t->key_end = event_new(t->loop, -1, 0, on_key_end, t);
	t->output = event_new(t->loop, t->terminal.out, EV_WRITE, on_output, t);
	CHECK(t->keys && t->key_end && t->output);
	event_add(t->keys, NULL);
	t->resized = on_signal(t, SIGWINCH, on_resized);
	t->stop = on_signal(t, SIGTSTP, on_stop);
	t->resume = on_signal(t, SIGCONT, on_resume);
	draw(t);
	return 0;
}

/* ---- the run ---- */

/* Signals first: one that comes while the probes are loaded ends it in order. */
static void top_loop(struct top *t)
{
	static const int ends[] = {SIGINT, SIGTERM, SIGHUP};

	signal(SIGPIPE, SIG_IGN);
	t->loop = event_base_new();
	CHECK(t->loop);
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		t->quit[i] = on_signal(t, ends[i], on_quit);
	t->refresh = event_new(t->loop, -1, EV_PERSIST, on_refresh, t);
	CHECK(t->refresh);
}

static void watch_end(struct top *t)
{
	int fd = t->command.argv ? t->command.launch.ended : pidfd_open(t->config.pid, 0);

	/* Linux 5.3 has it; without it the table just stays as it was. */
	if (fd < 0)
		return;
	t->pid_fd = t->command.argv ? -1 : fd;
	t->gone = event_new(t->loop, fd, EV_READ, on_gone, t);
	CHECK(t->gone);
	event_add(t->gone, NULL);
}

static int open_capture(struct top *t, struct err *e)
{
	cleanup_free char *cache = cache_folder("unwind");
	struct capture_config config = t->config;

	config.cache = cache;
	return sampling_open(&config, "top", &t->capture, e);
}

/* Whom it is about; a command has its name before it runs. */
static char *target_text(const struct top *t)
{
	cleanup_buf struct buf name = {};

	if (!t->config.pid)
		return mem_strdup("this machine");
	if (!t->command.argv)
		return target_name(t->config.pid);
	utf8_put_printable(&name, t->command.argv[0], strlen(t->command.argv[0]));
	return mem_asprintf("%s (%d)", buf_cstr(&name), (int)t->config.pid);
}

static int top_open(struct top *t, struct err *e)
{
	int r = 0;

	top_loop(t);
	if (t->command.argv)
		r = top_command_open(&t->command, t->loop, e);
	if (t->command.argv)
		t->config.pid = t->command.launch.pid;
	if (!r)
		r = open_capture(t, e);
	if (!r && t->command.argv)
		r = top_command_go(&t->command, e);
	if (r < 0)
		return r;
	t->drain = event_new(t->loop, capture_fd(t->capture), EV_READ | EV_PERSIST, on_drain, t);
	CHECK(t->drain);
	event_add(t->drain, &(struct timeval){.tv_usec = DRAIN_MS * 1000});
	if (t->config.pid)
		watch_end(t);
	t->start_ns = t->last_ns = clock_mono_ns();
	t->last_cpu = process_cpu_ns(t->config.pid);
	t->facts.target = t->target = target_text(t);
	return t->mode == MODE_TERMINAL ? open_terminal(t, e) : 0;
}

static struct timeval interval_of(const struct top *t)
{
	return (struct timeval){
		.tv_sec = (time_t)t->interval,
		.tv_usec = (suseconds_t)((t->interval - (double)(time_t)t->interval) * 1e6),
	};
}

/* The first table of a terminal comes soon, the others in their time. */
static void on_first(evutil_socket_t fd, short what, void *arg)
{
	struct top *t = arg;
	const struct timeval interval = interval_of(t);

	if (t->ended)
		return;
	on_refresh(fd, what, arg);
	if (!t->ended)
		event_add(t->refresh, &interval);
}

static void top_close(struct top *t)
{
	struct event *const events[] = {t->drain,   t->refresh, t->gone, t->quit[0],
					t->quit[1], t->quit[2], t->keys, t->key_end,
					t->output,  t->resized, t->stop, t->resume};

	terminal_close(&t->terminal);
	for (size_t i = 0; i < ARRAY_SIZE(events); i++)
		if (events[i])
			event_free(events[i]);
	if (t->loop)
		event_base_free(t->loop);
	capture_close(t->capture);
	top_command_close(&t->command);
	if (t->pid_fd >= 0)
		close(t->pid_fd);
	top_view_fini(&t->view);
	screen_fini(&t->screen);
	free(t->target);
}

static int top_run(struct top *t, struct err *e)
{
	struct timeval first = interval_of(t);
	int r = top_open(t, e);

	if (r < 0)
		return r;
	if (t->mode == MODE_TERMINAL && t->interval > FIRST_MS / 1e3)
		first = (struct timeval){.tv_usec = FIRST_MS * 1000};
	event_base_once(t->loop, -1, EV_TIMEOUT, on_first, t, &first);
	event_base_dispatch(t->loop);
	if (t->failure.code)
		*e = t->failure;
	return t->failure.code;
}

/* ---- options ---- */

static int choose(const char *name, const char *text, const char *const *names, size_t n,
		  unsigned int *ret, struct err *e)
{
	cleanup_buf struct buf all = {};

	for (size_t i = 0; i < n; i++) {
		if (!strcmp(text, names[i])) {
			*ret = (unsigned int)i;
			return 0;
		}
		buf_printf(&all, "%s%s", !i ? "" : i + 1 < n ? ", " : " or ", names[i]);
	}
	return err_set(e, -EINVAL, "%s must be %s, not \"%.40s\"", name, buf_cstr(&all), text);
}

static int check_view(const struct top_options *o, struct top_view *v, struct err *e)
{
	static const char *const sorts[TOP_SORTS] = {"self", "total", "time", "name"};
	const char *kinds[LIVE_KINDS];
	unsigned int kind = 0, sort = 0;
	int r;

	for (enum live_kind k = 0; k < LIVE_KINDS; k++)
		kinds[k] = top_kind_name(k);
	r = choose("--by", o->by, kinds, LIVE_KINDS, &kind, e);
	if (!r)
		r = choose("--sort", o->sort, sorts, TOP_SORTS, &sort, e);
	v->kind = kind;
	v->sort = sort;
	snprintf(v->filter, sizeof(v->filter), "%s", o->filter ? o->filter : "");
	return r;
}

static int check_options(const struct top_options *o, struct top *t, struct err *e)
{
	int r = sampling_config(&o->sampling, t->command.argv, "watch", &t->config, e);

	t->facts.clock = sampling_clock_name(t->config.clock);
	t->facts.hz = t->config.hz;
	if (!r)
		r = options_seconds("-i", o->interval, 0.1, 3600, &t->interval, e);
	if (!r && o->tables)
		r = options_number("-n", o->tables, 1, MAX_TABLES, &t->tables, e);
	if (!r && o->rows)
		r = options_number("--rows", o->rows, 1, MAX_ROWS, &t->rows, e);
	if (!r)
		r = check_view(o, &t->view, e);
	return r;
}

static int choose_mode(const struct top_options *o, struct top *t, struct err *e)
{
	int r;

	if (o->json) {
		t->mode = MODE_JSON;
		return 0;
	}
	t->mode = o->tables || !isatty(STDOUT_FILENO) ? MODE_PLAIN : MODE_TERMINAL;
	r = t->mode == MODE_TERMINAL ? terminal_check(e) : 0;
	return r ? target_advise(e, "-n 1 prints a table as text") : 0;
}

/* Why a command failed may stand in what nobody saw. */
static void put_command_end(const struct top_command *c)
{
	cleanup_buf struct buf tail = {};

	top_command_put_tail(c, &tail);
	fprintf(stderr, "glim top: the command ended with status %d%s\n%s", c->status,
		tail.len ? ", its last words:" : "", buf_cstr(&tail));
}

static int top(struct top *t, const struct top_options *o)
{
	struct err e = {};
	int r;

	t->facts.complete = t->facts.cpu = -1;
	r = choose_mode(o, t, &e);
	if (!r && o->sampling.pid)
		r = target_find(o->sampling.pid, &t->config.pid, &e);
	if (!r)
		r = top_run(t, &e);
	top_close(t);
	if (r)
		fprintf(stderr, "glim top: %s\n", e.msg);
	else if (t->command.status)
		put_command_end(&t->command);
	return t->command.status ? t->command.status : r ? 1 : 0;
}

int cmd_top(int argc, char **argv)
{
	struct top_options o = {.interval = "1", .by = "functions", .sort = "self"};
	const struct option_spec specs[] = {
		SAMPLING_SPECS(&o.sampling),
		{"interval", 'i', "SECONDS", "between two tables (1)", &o.interval},
		{"tables", 'n', "N", "print N tables as text and end", &o.tables},
		{"rows", 0, "N", "so many rows of each (20)", &o.rows},
		{"json", 0, NULL, "print tables as JSON, a line each", &o.json},
		{"by", 0, "WHAT", "functions, lines, processes or threads", &o.by},
		{"sort", 0, "WHAT", "self, total, time (since the start) or name", &o.sort},
		{"filter", 0, "TEXT", "only rows with this in them", &o.filter},
	};
	const struct option_table table = {
		.command = "top",
		.usage = "[OPTION...] -p PID | -a | -- COMMAND [ARGUMENT...]",
		.about = "Shows, live, which functions and lines use "
			 "the CPU.\n? explains the keys, q ends it.",
		.examples = "  glim top -p 1234\n"
			    "  glim top -p 1234 --mode wall --by threads\n"
			    "  glim top -- python3 program.py\n"
			    "  glim top -a -n 1 --by processes\n",
		.specs = specs,
		.n = ARRAY_SIZE(specs)};
	struct arena memory = {};
	struct top t = {.pid_fd = -1};
	struct err e = {};
	int status = 2, operand = options_parse(&table, argc, argv, &memory, &status);

	if (operand >= 0) {
		top_view_init(&t.view);
		top_command_init(&t.command, operand < argc ? argv + operand : NULL);
		if (check_options(&o, &t, &e))
			status = cmd_usage_error("top", "%s", e.msg);
		else
			status = top(&t, &o);
	}
	arena_fini(&memory);
	return status;
}
