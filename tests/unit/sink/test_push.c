/* The upload queue against a real server in the same loop. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <time.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/compress.h"
#include "base/io.h"
#include "base/log.h"
#include "base/wire.h"
#include "sink/push_priv.h"
#include "web.h"

struct scene {
	struct event_base *loop;
	struct web web;
	struct push *push;
	bool flushed;
};

enum { PATIENCE_MS = 60000 };

static int scene_setup(void **state)
{
	struct scene *s = mem_calloc(1, sizeof(*s));

	signal(SIGPIPE, SIG_IGN);
	log_set_level(LOG_ERROR);
	s->loop = event_base_new();
	*state = s;
	return 0;
}

static int scene_teardown(void **state)
{
	struct scene *s = *state;

	push_close(s->push);
	web_fini(&s->web);
	event_base_free(s->loop);
	free(s);
	return 0;
}

static void start(struct scene *s, const struct web_answer *answers, size_t n, size_t max_bytes)
{
	cleanup_free char *url = NULL;

	s->web.answers = answers;
	s->web.nanswers = n;
	web_start(&s->web, s->loop, 0, NULL);
	url = mem_asprintf("http://127.0.0.1:%u", s->web.port);
	assert_int_equal(push_open(s->loop,
				   &(struct push_config){.url = url,
							 .key = "glim_secret",
							 .resource = {.service = "shop",
								      .host = "web-3",
								      .scope_version = "1"},
							 .max_bytes = max_bytes},
				   &s->push, NULL),
			 0);
}

static struct push_stats stats(struct scene *s)
{
	struct push_stats st;

	push_stats(s->push, &st);
	return st;
}

static void on_flushed(void *arg)
{
	struct scene *s = arg;

	s->flushed = true;
	event_base_loopbreak(s->loop);
}

static void flush(struct scene *s, unsigned int ms)
{
	s->flushed = false;
	push_flush(s->push, ms, on_flushed, s);
	assert_false(s->flushed);
	while (!s->flushed)
		event_base_dispatch(s->loop);
}

static void add_text(struct scene *s, const char *text)
{
	push_add_body(s->push, "/v1/metrics", text, strlen(text), 1);
}

/* The decompressed body of the n-th request that came. */
static void assert_body(struct scene *s, size_t n, const char *text)
{
	cleanup_buf struct buf out = {};
	const struct buf *in = &s->web.seen.data[n].body;

	assert_true(n < s->web.seen.len);
	assert_int_equal(decompress_zstd(in->data, in->len, 1 << 20, &out, NULL), 0);
	assert_string_equal(buf_cstr(&out), text);
}

static void sends_in_order(void **state)
{
	static const struct web_answer ok = {200, NULL, NULL, NULL};
	struct scene *s = *state;

	start(s, &ok, 1, 1 << 20);
	add_text(s, "one");
	add_text(s, "two");
	add_text(s, "three");
	assert_int_equal(stats(s).queued, 3);
	flush(s, PATIENCE_MS);
	assert_int_equal(s->web.seen.len, 3);
	assert_body(s, 0, "one");
	assert_body(s, 1, "two");
	assert_body(s, 2, "three");
	assert_string_equal(s->web.seen.data[0].authorization, "Bearer glim_secret");
	assert_string_equal(s->web.seen.data[0].encoding, "zstd");
	assert_int_equal(stats(s).sent, 3);
	assert_int_equal(stats(s).queued, 0);
	assert_int_equal(stats(s).queued_bytes, 0);
	assert_true(stats(s).last_ok_ns > 0);
}

static void repeats_the_same_bytes(void **state)
{
	static const struct web_answer answers[] = {
		{503, NULL, NULL, "{\"error\":{\"code\":\"unavailable\",\"message\":\"not now\"}}"},
		{429, "Retry-After", "0", NULL},
		{408, NULL, NULL, NULL},
		{500, NULL, NULL, NULL},
		{200, NULL, NULL, NULL}};
	struct scene *s = *state;

	start(s, answers, 5, 1 << 20);
	add_text(s, "one");
	add_text(s, "two");
	flush(s, PATIENCE_MS);
	assert_int_equal(s->web.seen.len, 6);
	for (size_t i = 0; i < 5; i++)
		assert_body(s, i, "one");
	assert_body(s, 5, "two");
	assert_int_equal(stats(s).retried, 4);
	assert_int_equal(stats(s).sent, 2);
	assert_string_equal(stats(s).last_error, "");
}

static void stop_loop(evutil_socket_t fd, short what, void *arg)
{
	event_base_loopbreak(arg);
}

/* Run the loop until so many requests came and the last was answered. */
static void until_seen(struct scene *s, size_t n)
{
	struct event *tick = event_new(s->loop, -1, EV_PERSIST, stop_loop, s->loop);

	event_add(tick, &(struct timeval){.tv_usec = 2000});
	while (stats(s).sent + stats(s).retried + stats(s).dropped_refused < n)
		event_base_dispatch(s->loop);
	event_free(tick);
}

/* The clock of the loop's timers, which goes by ticks. */
static int64_t timer_ns(void)
{
	struct timespec t;

	assert_int_equal(clock_gettime(CLOCK_MONOTONIC_COARSE, &t), 0);
	return t.tv_sec * NSEC_PER_SEC + t.tv_nsec;
}

static void waits_as_long_as_the_server_wants(void **state)
{
	static const struct web_answer answers[] = {{503, "Retry-After", "1", NULL},
						    {200, NULL, NULL, NULL}};
	struct scene *s = *state;
	int64_t begin = timer_ns();

	start(s, answers, 2, 1 << 20);
	add_text(s, "one");
	until_seen(s, 2);
	assert_true(clock_mono_ns() - begin >= NSEC_PER_SEC);
}

static void reads_retry_after(void **state)
{
	int64_t then = 784111777; /* Sun, 06 Nov 1994 08:49:37 GMT, the date of RFC 9110 */

	assert_int_equal(push_retry_after("120", 0), 120);
	assert_int_equal(push_retry_after("999999999999999999999", 0), 3600);
	assert_int_equal(push_retry_after("-5", 0), 0);
	assert_int_equal(push_retry_after("", 0), 0);
	assert_int_equal(push_retry_after("soon", 0), 0);
	assert_int_equal(push_retry_after("12 s", 0), 0);
	assert_int_equal(push_retry_after("Sun, 06 Nov 1994 08:49:37 GMT", then - 30), 30);
	assert_int_equal(push_retry_after("Sun, 06 Nov 1994 08:49:37 GMT", then + 30), 0);
}

static void drops_what_is_refused(void **state)
{
	static const struct web_answer answers[] = {
		{401, NULL, NULL,
		 "{\"error\":{\"code\":\"unauthorized\",\"message\":\"no key glim_secret\"}}"},
		{413, NULL, NULL, "not JSON"},
		{301, "Location", "https://real.example/", NULL},
		{200, NULL, NULL, NULL}};
	struct scene *s = *state;

	start(s, answers, 4, 1 << 20);
	add_text(s, "one");
	until_seen(s, 1);
	assert_string_equal(stats(s).last_error, "status 401: no key ***********");
	add_text(s, "two");
	until_seen(s, 2);
	assert_string_equal(stats(s).last_error, "status 413");
	add_text(s, "three");
	until_seen(s, 3);
	assert_non_null(strstr(stats(s).last_error, "https://real.example/"));
	assert_int_equal(stats(s).dropped_refused, 3);
	assert_int_equal(stats(s).lost_refused, 3);
	add_text(s, "four");
	flush(s, PATIENCE_MS);
	assert_int_equal(stats(s).sent, 1);
	assert_int_equal(stats(s).retried, 0);
}

static void drops_the_oldest_when_full(void **state)
{
	static const struct web_answer ok = {200, NULL, NULL, NULL};
	struct scene *s = *state;
	char noise[1000];
	uint16_t port;

	start(s, &ok, 1, 5000);
	port = s->web.port;
	web_stop(&s->web); /* nobody listens: everything waits */
	for (int i = 0; i < 10; i++) {
		io_random(noise, sizeof(noise)); /* does not compress */
		noise[0] = (char)i;
		push_add_body(s->push, "/v1/metrics", noise, sizeof(noise), 7);
	}
	assert_int_equal(stats(s).queued, 4);
	assert_true(stats(s).queued_bytes <= 5000);
	assert_int_equal(stats(s).dropped_full, 6);
	assert_int_equal(stats(s).lost_full, 42);
	web_start(&s->web, s->loop, port, NULL);
	flush(s, PATIENCE_MS);
	assert_int_equal(s->web.seen.len, 4);
	for (size_t i = 0; i < 4; i++) {
		cleanup_buf struct buf out = {};
		const struct buf *in = &s->web.seen.data[i].body;

		assert_int_equal(decompress_zstd(in->data, in->len, 1 << 20, &out, NULL), 0);
		/* The one that was on its way stays; then the youngest three. */
		assert_int_equal(out.data[0], i ? 6 + i : 0);
	}
}

static void gives_up_at_the_deadline(void **state)
{
	static const struct web_answer no = {503, NULL, NULL, NULL};
	struct scene *s = *state;
	int64_t begin;

	start(s, &no, 1, 1 << 20);
	add_text(s, "one");
	until_seen(s, 1);
	begin = timer_ns();
	flush(s, 300);
	/* The loop reads its clock once a turn: a timer may be early by that. */
	assert_true(clock_mono_ns() - begin >= 250 * 1000000LL);
	assert_int_equal(stats(s).queued, 1);
	assert_string_equal(stats(s).last_error, "status 503");
}

static void an_empty_queue_is_flushed_at_once(void **state)
{
	static const struct web_answer ok = {200, NULL, NULL, NULL};
	struct scene *s = *state;

	start(s, &ok, 1, 1 << 20);
	flush(s, PATIENCE_MS);
	assert_int_equal(s->web.seen.len, 0);
}

static void says_what_the_server_left_out(void **state)
{
	/* partial_success {rejected 3, error_message "old"} */
	static const struct web_answer some = {200, NULL, NULL, "\x0a\x07\x08\x03\x12\x03old"};
	struct scene *s = *state;

	start(s, &some, 1, 1 << 20);
	add_text(s, "one");
	flush(s, PATIENCE_MS);
	assert_int_equal(stats(s).sent, 1);
	assert_string_equal(stats(s).last_error, "the server left out 3 of a request: old");
}

static void sends_profiles_and_points(void **state)
{
	static const struct web_answer ok = {200, NULL, NULL, NULL};
	struct scene *s = *state;
	cleanup_profile struct profile *p = profile_new("cpu", "nanoseconds", 50000000);
	const struct otlp_label label = {"reason", "ring full"};
	const struct otlp_point point = {.metric = "lost",
					 .labels = &label,
					 .nlabels = 1,
					 .time_ns = 1700000000LL * NSEC_PER_SEC,
					 .interval_ns = 10 * NSEC_PER_SEC,
					 .value = 3};
	cleanup_buf struct buf out = {};
	struct otlp_profiles profiles = {};
	struct otlp_metrics metrics = {};
	uint32_t frame;

	frame = profile_frame(
		p, &(struct profile_frame){
			   .function = profile_function(
				   p, &(struct profile_function){.name = profile_string(p, "main"),
								 .kind = FRAME_NATIVE})});
	profile_add(p, profile_stack(p, 0, frame), 0, 2, 100000000);
	p->time_ns = 1700000000LL * NSEC_PER_SEC;
	p->duration_ns = 10 * NSEC_PER_SEC;
	memset(p->id, 7, sizeof(p->id));
	start(s, &ok, 1, 1 << 20);
	push_add_profile(s->push, p);
	push_add_points(s->push, &point, 1);
	flush(s, PATIENCE_MS);
	assert_int_equal(s->web.seen.len, 2);
	assert_string_equal(s->web.seen.data[0].path, "/v1development/profiles");
	assert_string_equal(s->web.seen.data[1].path, "/v1/metrics");
	assert_int_equal(decompress_zstd(s->web.seen.data[0].body.data,
					 s->web.seen.data[0].body.len, 1 << 20, &out, NULL),
			 0);
	assert_int_equal(otlp_read_profiles(out.data, out.len, &profiles, NULL), 0);
	assert_int_equal(profiles.parts.len, 1);
	assert_string_equal(profiles.parts.data[0].service, "shop");
	assert_string_equal(profiles.parts.data[0].host, "web-3");
	assert_memory_equal(profiles.parts.data[0].profiles.data[0]->id, p->id, 16);
	otlp_profiles_fini(&profiles);
	out.len = 0;
	assert_int_equal(decompress_zstd(s->web.seen.data[1].body.data,
					 s->web.seen.data[1].body.len, 1 << 20, &out, NULL),
			 0);
	assert_int_equal(otlp_read_metrics(out.data, out.len, &metrics, NULL), 0);
	assert_string_equal(metrics.parts.data[0].points.data[0].metric, "lost");
	otlp_metrics_fini(&metrics);
}

#define T(f) cmocka_unit_test_setup_teardown(f, scene_setup, scene_teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(sends_in_order),
		T(repeats_the_same_bytes),
		T(waits_as_long_as_the_server_wants),
		T(reads_retry_after),
		T(drops_what_is_refused),
		T(drops_the_oldest_when_full),
		T(gives_up_at_the_deadline),
		T(an_empty_queue_is_flushed_at_once),
		T(says_what_the_server_left_out),
		T(sends_profiles_and_points),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
