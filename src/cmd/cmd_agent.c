/* glim agent: profile this host all the time, send a window every ten seconds. */
#include "cmd/cmd.h"

#include <event2/event.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "base/utf8.h"
#include "capture/capture.h"
#include "cmd/agent_points.h"
#include "cmd/agent_state.h"
#include "cmd/cache.h"
#include "cmd/fetch.h"
#include "cmd/key.h"
#include "cmd/options.h"
#include "cmd/privileges.h"
#include "sink/push.h"

enum {
	FIRST_WINDOW_MS = 2000, /* so that a person who waits sees something */
	WINDOW_S = 10,
	MIN_WINDOW_MS = 1000, /* windows end on the clock's tens; a shorter one joins the next */
	DRAIN_MS = 250,
	FLUSH_MS = 5000,
	MAX_HOST = 255,
	MAX_SERVICE = 64,
	MIN_QUEUE = 4096,
};
#define MAX_QUEUE (1ULL << 30)

struct agent_options {
	const char *server, *service, *host, *frequency, *key_file, *ca_file, *queue, *pid_file,
		*state, *debuginfod, *config;
};

struct agent {
	struct event_base *loop;
	struct capture *capture;
	struct push *push;
	struct debuginfod *debuginfod;
	struct agent_points points;
	struct agent_state state;
	char *state_path; /* NULL: nowhere to write it */
	char *base;	  /* of the lock's name */
	int lock;	  /* -1: none */
	struct event *drain, *window, *terminate, *interrupt;
	bool ending;
	int64_t last_complaint_ns;
};

/* ---- windows ---- */

/* One line a minute at most about trouble that comes again and again. */
static void complain(struct agent *a, const struct err *e)
{
	int64_t now = clock_mono_ns();

	if (a->last_complaint_ns && now - a->last_complaint_ns < 60 * NSEC_PER_SEC)
		return;
	a->last_complaint_ns = now;
	log_warning("%s", e->msg);
}

static void drain(struct agent *a)
{
	struct err e = {};

	if (capture_drain(a->capture, &e) < 0)
		complain(a, &e);
}

static void send_profile(struct agent *a)
{
	cleanup_profile struct profile *p = NULL;

	drain(a);
	p = capture_take(a->capture);
	io_random(p->id, sizeof(p->id));
	push_add_profile(a->push, p);
}

static void send_points(struct agent *a)
{
	struct err e = {};

	if (agent_points_collect(&a->points, &a->state.capture, &a->state.push, &e))
		complain(a, &e);
	else if (a->points.points.len)
		push_add_points(a->push, a->points.points.data, a->points.points.len);
}

static void end_window(struct agent *a)
{
	struct err e = {};

	send_profile(a);
	capture_stats(a->capture, &a->state.capture);
	a->state.nrefusals = capture_refusals(a->capture, a->state.refusals, CAPTURE_MAX_REFUSALS);
	push_stats(a->push, &a->state.push);
	send_points(a);
	if (a->state_path && agent_state_write(a->state_path, &a->state, &e))
		complain(a, &e);
}

/* To the next tens of the clock, so that the windows of all hosts meet. */
static void plan_window(struct agent *a)
{
	int64_t now_ms = clock_real_ns() / 1000000, step = WINDOW_S * 1000;
	int64_t ms = step - now_ms % step;

	if (ms < MIN_WINDOW_MS)
		ms += step;
	event_add(a->window, &(struct timeval){.tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000});
}

static void on_window(evutil_socket_t fd, short what, void *arg)
{
	struct agent *a = arg;

	end_window(a);
	plan_window(a);
}

static void on_drain(evutil_socket_t fd, short what, void *arg)
{
	drain(arg);
}

static void on_flushed(void *arg)
{
	struct agent *a = arg;

	event_base_loopbreak(a->loop);
}

static void on_signal(evutil_socket_t fd, short what, void *arg)
{
	struct agent *a = arg;

	if (a->ending) { /* somebody is in a hurry */
		event_base_loopbreak(a->loop);
		return;
	}
	a->ending = true;
	event_del(a->window);
	event_del(a->drain);
	end_window(a);
	push_flush(a->push, FLUSH_MS, on_flushed, a);
}

/* ---- start and end ---- */

static int agent_events(struct agent *a, struct err *e)
{
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	a->loop = event_base_new();
	if (!a->loop)
		return err_set(e, -ENOMEM, "cannot make an event loop");
	a->window = event_new(a->loop, -1, 0, on_window, a);
	a->terminate = evsignal_new(a->loop, SIGTERM, on_signal, a);
	a->interrupt = evsignal_new(a->loop, SIGINT, on_signal, a);
	CHECK(a->window && a->terminate && a->interrupt);
	/* A signal that comes during the start ends the agent in order, too. */
	event_add(a->terminate, NULL);
	event_add(a->interrupt, NULL);
	return 0;
}

static int agent_capture(struct agent *a, struct err *e)
{
	cleanup_free char *cache = cache_folder("unwind");
	const struct capture_config config = {
		.hz = a->state.hz,
		.kernel_stacks = true,
		.cache = cache,
	};
	struct capture_stats stats;
	struct push_stats push;
	int r = capture_open(&config, &a->capture, e);

	if (r)
		return r;
	/* The kernel wakes us when there is much to read; the time limit is for what waits. */
	a->drain = event_new(a->loop, capture_fd(a->capture), EV_READ | EV_PERSIST, on_drain, a);
	CHECK(a->drain);
	event_add(a->drain, &(struct timeval){.tv_usec = DRAIN_MS * 1000});
	event_add(a->window, &(struct timeval){.tv_sec = FIRST_WINDOW_MS / 1000});
	capture_stats(a->capture, &stats);
	push_stats(a->push, &push);
	return agent_points_collect(&a->points, &stats, &push, e);
}

static void say_what_is_left(const struct agent *a)
{
	struct push_stats s;

	push_stats(a->push, &s);
	if (s.queued)
		log_warning("%llu requests could not be sent and are lost: %s",
			    (unsigned long long)s.queued, s.last_error);
	log_info("agent ends: %llu samples, %llu requests sent, %llu dropped",
		 (unsigned long long)a->state.capture.samples, (unsigned long long)s.sent,
		 (unsigned long long)(s.dropped_full + s.dropped_refused + s.queued));
}

static void say_what_was_fetched(const struct agent *a)
{
	struct debuginfod_stats s;

	if (!a->debuginfod)
		return;
	debuginfod_stats(a->debuginfod, &s);
	log_info("debug files: %llu fetched (%llu MiB), %llu unknown to the servers, %llu failed, "
		 "%llu not asked for because too many waited",
		 (unsigned long long)s.fetched, (unsigned long long)(s.bytes >> 20),
		 (unsigned long long)s.unknown, (unsigned long long)s.failed,
		 (unsigned long long)s.dropped);
}

static void event_drop(struct event *ev)
{
	if (ev)
		event_free(ev);
}

static void agent_fini(struct agent *a)
{
	event_drop(a->drain);
	event_drop(a->window);
	event_drop(a->terminate);
	event_drop(a->interrupt);
	push_close(a->push);
	capture_close(a->capture);
	debuginfod_stop(a->debuginfod);
	agent_points_fini(&a->points);
	if (a->loop)
		event_base_free(a->loop);
	agent_state_unlock(a->base, a->lock);
	free(a->base);
	free(a->state_path);
}

/* ---- options ---- */

static int check_service(const char *s, struct err *e)
{
	size_t n =
		s ? strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")
		  : 0;

	if (!s)
		return err_set(e, -EINVAL, "for which service? Name it with --service NAME");
	if (!n || s[n] || n > MAX_SERVICE)
		return err_set(e, -EINVAL,
			       "a service's name has 1 to %d of the characters A-Z a-z 0-9 . _ -",
			       MAX_SERVICE);
	return 0;
}

static int check_host(const char *s, struct err *e)
{
	size_t n = strlen(s);

	for (size_t i = 0; i < n;) {
		size_t len = utf8_len(s + i, n - i);

		if (!len || (unsigned char)s[i] < 0x20 || s[i] == 0x7f)
			return err_set(e, -EINVAL,
				       "the host's name has a character that cannot be "
				       "shown");
		i += len;
	}
	if (!n || n > MAX_HOST)
		return err_set(e, -EINVAL, "a host's name has 1 to %d bytes", MAX_HOST);
	return 0;
}

static int check_options(const struct agent_options *o, unsigned int *ret_hz, size_t *ret_queue,
			 struct err *e)
{
	int r;

	if (!o->server)
		return err_set(e, -EINVAL, "to which server? Name it with --server URL");
	r = check_service(o->service, e);
	if (!r)
		r = check_host(o->host, e);
	if (!r)
		r = options_number("--frequency", o->frequency, 1, 1000, ret_hz, e);
	if (!r && o->debuginfod)
		r = fetch_check(e);
	if (!r)
		r = options_bytes("--queue", o->queue, MIN_QUEUE, MAX_QUEUE, ret_queue, e);
	return r;
}

/* systemd's name of this host that survives renaming, "" where there is none. */
static void read_machine_id(struct buf *out)
{
	if (io_read_file("/etc/machine-id", 64, out))
		out->len = 0;
	while (out->len && out->data[out->len - 1] == '\n')
		out->len--;
}

static int agent_connect(struct agent *a, const struct agent_options *o, size_t queue,
			 struct err *e)
{
	cleanup_key struct buf key = {};
	cleanup_buf struct buf id = {};
	struct push_config config = {.url = o->server, .ca_file = o->ca_file, .max_bytes = queue};
	int r = key_load(o->key_file, &key, e);

	if (r)
		return r;
	if (!key.len)
		log_warning("no key: give one in GLIM_KEY or with --key-file FILE; a server that "
			    "asks for one will refuse the data");
	read_machine_id(&id);
	config.key = buf_cstr(&key);
	config.resource = (struct otlp_resource){.service = o->service,
						 .host = o->host,
						 .host_id = id.len ? buf_cstr(&id) : NULL,
						 .scope_version = GLIM_VERSION};
	return push_open(a->loop, &config, &a->push, e);
}

static void write_pid_file(const char *path)
{
	char text[16];
	struct err e;

	snprintf(text, sizeof(text), "%d\n", (int)getpid());
	if (io_write_file(path, text, strlen(text), 0644, &e))
		log_warning("%s", e.msg);
}

/* A host without a place for the lock still gets its agent. */
static int agent_lock(struct agent *a, const struct agent_options *o, struct err *e)
{
	int r;

	a->base = agent_state_base(&a->state.who);
	r = agent_state_lock(a->base, &a->lock, e);
	if (r == -EEXIST)
		return r;
	if (o->state)
		a->state_path = mem_strdup(o->state);
	else if (!r)
		a->state_path = mem_asprintf("%s.json", a->base);
	if (r)
		log_warning("%s; a second agent here would not be noticed", e->msg);
	return 0;
}

static int agent_start(struct agent *a, const struct agent_options *o, size_t queue, struct err *e)
{
	int r = agent_events(a, e);

	if (!r)
		r = agent_connect(a, o, queue, e);
	if (r)
		return r;
	a->state.who = (struct agent_identity){push_server(a->push), o->service, o->host};
	r = agent_lock(a, o, e);
	if (!r)
		r = agent_capture(a, e);
	if (r)
		return r;
	if (o->pid_file)
		write_pid_file(o->pid_file);
	r = privileges_drop(e);
	/* Only now: its thread, which speaks with strangers, has no more rights than we have. */
	if (!r && o->debuginfod)
		r = fetch_start(a->capture, &a->debuginfod, e);
	if (!r)
		log_info("profiling this host as \"%s\" for service \"%s\" at %u Hz, sending to %s",
			 o->host, o->service, a->state.hz, push_server(a->push));
	return r;
}

static int agent_run(const struct agent_options *o, unsigned int hz, size_t queue)
{
	struct agent a = {.state = {.hz = hz, .started_ns = clock_real_ns()}, .lock = -1};
	struct err e = {};
	int r = agent_start(&a, o, queue, &e);

	if (r) {
		fprintf(stderr, "glim agent: %s\n", e.msg);
	} else {
		event_base_dispatch(a.loop);
		say_what_is_left(&a);
		say_what_was_fetched(&a);
		if (o->pid_file)
			unlink(o->pid_file);
		if (a.state_path)
			unlink(a.state_path);
	}
	agent_fini(&a);
	return r ? 1 : 0;
}

int cmd_agent(int argc, char **argv)
{
	char host[MAX_HOST + 1] = "";
	struct agent_options o = {.host = host, .frequency = "20", .queue = "16M"};
	const struct option_spec specs[] = {
		{"server", 0, "URL", "where profiles go: http://HOST:PORT or https://HOST:PORT",
		 &o.server},
		{"service", 0, "NAME", "under which name they are kept", &o.service},
		{"frequency", 'F', "HZ", "samples a second and CPU (20)", &o.frequency},
		{"key-file", 0, "FILE", "file with the API key (" KEY_DEFAULT_FILE ")",
		 &o.key_file},
		{"ca-file", 0, "FILE", "trust these certificate authorities alone", &o.ca_file},
		{"host", 0, "NAME", "name of this host (the one it has)", &o.host},
		{"queue", 0, "BYTES", "how much may wait for the server (16M)", &o.queue},
		{"pid-file", 0, "FILE", "write the process number there", &o.pid_file},
		{"state", 0, "FILE", "tell glim doctor there how it goes", &o.state},
		{"debuginfod", 0, NULL, "fetch debug files from DEBUGINFOD_URLS", &o.debuginfod},
		{"config", 0, "FILE", "read settings from a file", &o.config},
	};
	const struct option_table table = {
		.command = "agent",
		.usage = "--server URL --service NAME [OPTION...]",
		.about = "Profiles every process of this host and sends it to a server.\n"
			 "The API key comes from GLIM_KEY or from a file, never from an option.",
		.specs = specs,
		.n = ARRAY_SIZE(specs),
		.settings = true};
	struct arena memory = {};
	struct err e = {};
	unsigned int hz;
	size_t queue;
	int status = 1, operand;

	gethostname(host, sizeof(host) - 1);
	operand = options_parse(&table, argc, argv, &memory, &status);
	if (operand >= 0) {
		if (operand < argc)
			status = cmd_usage_error("agent", "what is \"%.40s\"?", argv[operand]);
		else if (check_options(&o, &hz, &queue, &e))
			status = cmd_usage_error("agent", "%s", e.msg);
		else
			status = agent_run(&o, hz, queue);
	}
	arena_fini(&memory);
	return status;
}
