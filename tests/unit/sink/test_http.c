/* The HTTP client against a real server in the same loop. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <cmocka.h>

#include "sink/http.h"
#include "web.h"

struct scene {
	struct event_base *loop;
	struct web web;
	struct http *client;
	struct http_answer last;
	char body[256];
	unsigned int answers;
	unsigned int timeout_s;
};

/* So long that a busy machine is no failure; and for who is to wait for nothing. */
enum { PATIENCE_S = 60, SHORT_S = 1 };

static int scene_setup(void **state)
{
	struct scene *s = mem_calloc(1, sizeof(*s));

	signal(SIGPIPE, SIG_IGN);
	s->loop = event_base_new();
	s->timeout_s = PATIENCE_S;
	*state = s;
	return 0;
}

static int scene_teardown(void **state)
{
	struct scene *s = *state;

	http_close(s->client);
	web_fini(&s->web);
	event_base_free(s->loop);
	free(s);
	return 0;
}

static void serve(struct scene *s, const struct web_answer *answers, size_t n, const char *name)
{
	s->web.answers = answers;
	s->web.nanswers = n;
	web_start(&s->web, s->loop, 0, name);
}

static int open_client(struct scene *s, const char *url, const char *key, const char *ca,
		       struct err *e)
{
	return http_open(s->loop,
			 &(struct http_config){
				 .url = url, .key = key, .ca_file = ca, .timeout_s = s->timeout_s},
			 &s->client, e);
}

static void connect_to(struct scene *s, const char *scheme_host, const char *prefix)
{
	cleanup_free char *url = mem_asprintf("%s:%u%s", scheme_host, s->web.port, prefix);

	assert_int_equal(open_client(s, url, "glim_secret", *s->web.ca_file ? s->web.ca_file : NULL,
				     NULL),
			 0);
}

static void on_done(const struct http_answer *a, void *arg)
{
	struct scene *s = arg;

	s->last = *a;
	snprintf(s->body, sizeof(s->body), "%.*s", (int)a->len, (const char *)a->body);
	s->answers++;
	event_base_loopbreak(s->loop);
}

static int post(struct scene *s, const char *body)
{
	unsigned int before = s->answers;

	http_start(s->client,
		   &(struct http_request){.path = "/v1/metrics",
					  .post = true,
					  .content_type = "application/x-protobuf",
					  .content_encoding = "zstd",
					  .body = body,
					  .len = strlen(body)},
		   on_done, s);
	assert_int_equal(s->answers, before); /* never inside http_start */
	while (s->answers == before)
		event_base_dispatch(s->loop);
	return s->last.status;
}

static void keeps_its_connection(void **state)
{
	static const struct web_answer ok = {200, "Date", "Sun, 06 Nov 1994 08:49:37 GMT", "fine"};
	struct scene *s = *state;

	serve(s, &ok, 1, NULL);
	connect_to(s, "http://127.0.0.1", "/base/");
	assert_int_equal(post(s, "one"), 200);
	assert_string_equal(s->body, "fine");
	assert_string_equal(s->last.date, "Sun, 06 Nov 1994 08:49:37 GMT");
	assert_int_equal(post(s, "two"), 200);
	assert_int_equal(s->web.seen.len, 2);
	struct web_seen *seen = s->web.seen.data;

	assert_string_equal(seen->path, "/base/v1/metrics");
	assert_string_equal(seen->authorization, "Bearer glim_secret");
	assert_string_equal(seen->type, "application/x-protobuf");
	assert_string_equal(seen->encoding, "zstd");
	assert_int_equal(strncmp(seen->host, "127.0.0.1:", 10), 0);
	assert_memory_equal(seen[1].body.data, "two", 3);
	assert_ptr_equal(seen[0].connection, seen[1].connection);
}

static void replaces_a_connection_that_the_server_closed(void **state)
{
	static const struct web_answer ok = {200, NULL, NULL, "fine"};
	struct scene *s = *state;
	uint16_t port;

	serve(s, &ok, 1, NULL);
	connect_to(s, "http://localhost", "");
	assert_int_equal(post(s, "one"), 200);
	port = s->web.port;
	web_stop(&s->web);
	web_start(&s->web, s->loop, port, NULL);
	assert_int_equal(post(s, "two"), 200);
	assert_int_equal(s->web.seen.len, 2);
}

static void goes_on_after_connection_close(void **state)
{
	static const struct web_answer ok = {503, "Connection", "close", "later"};
	struct scene *s = *state;

	serve(s, &ok, 1, NULL);
	connect_to(s, "http://127.0.0.1", "");
	for (int i = 0; i < 3; i++)
		assert_int_equal(post(s, "x"), 503);
	assert_int_equal(s->web.seen.len, 3);
}

static void says_that_nobody_listens(void **state)
{
	static const struct web_answer ok = {200, NULL, NULL, ""};
	struct scene *s = *state;

	serve(s, &ok, 1, NULL);
	connect_to(s, "http://localhost", "");
	web_stop(&s->web);
	assert_int_equal(post(s, "x"), 0);
	assert_non_null(strstr(s->last.error, "cannot connect"));
	web_start(&s->web, s->loop, s->web.port, NULL);
	assert_int_equal(post(s, "x"), 200);
}

static void says_that_no_answer_came(void **state)
{
	static const struct web_answer ok = {200, NULL, NULL, ""};
	struct scene *s = *state;

	serve(s, &ok, 1, NULL);
	s->web.hang = 1;
	s->timeout_s = SHORT_S;
	connect_to(s, "http://127.0.0.1", "");
	assert_int_equal(post(s, "x"), 0);
	assert_string_equal(s->last.error, "no answer within 1 s");
	/* A machine that is full may take longer than that for an answer, too, but not each time.
	 */
	for (int tries = 0; tries < 30 && post(s, "x") != 200; tries++)
		assert_string_equal(s->last.error, "no answer within 1 s");
	assert_int_equal(s->last.status, 200);
}

static void speaks_tls(void **state)
{
	static const struct web_answer answers[] = {{200, NULL, NULL, "fine"},
						    {200, "Connection", "close", ""},
						    {200, NULL, NULL, "new"}};
	struct scene *s = *state;

	serve(s, answers, 3, "127.0.0.1");
	connect_to(s, "https://127.0.0.1", "");
	assert_int_equal(post(s, "one"), 200);
	assert_int_equal(post(s, "two"), 200);
	assert_int_equal(post(s, "three"), 200);
	assert_string_equal(s->body, "new");
	assert_ptr_equal(s->web.seen.data[0].connection, s->web.seen.data[1].connection);
	assert_false(http_is_plain(s->client));
}

static void replaces_a_tls_connection_too(void **state)
{
	static const struct web_answer ok = {200, NULL, NULL, "fine"};
	struct scene *s = *state;
	uint16_t port;

	serve(s, &ok, 1, "localhost");
	connect_to(s, "https://localhost", "");
	assert_int_equal(post(s, "one"), 200);
	port = s->web.port;
	web_stop(&s->web);
	web_start(&s->web, s->loop, port, NULL);
	assert_int_equal(post(s, "two"), 200);
}

static void refuses_a_certificate_for_another_name(void **state)
{
	static const struct web_answer ok = {200, NULL, NULL, ""};
	struct scene *s = *state;

	serve(s, &ok, 1, "other.example");
	connect_to(s, "https://localhost", "");
	assert_int_equal(post(s, "x"), 0);
	assert_string_equal(s->last.error, "the server's certificate is for another name");
	assert_int_equal(s->web.seen.len, 0);
}

static void refuses_an_unknown_authority(void **state)
{
	static const struct web_answer ok = {200, NULL, NULL, ""};
	struct web other = {.answers = &ok, .nanswers = 1};
	struct scene *s = *state;
	cleanup_free char *url = NULL;

	serve(s, &ok, 1, "localhost");
	web_start(&other, s->loop, 0, "localhost");
	url = mem_asprintf("https://localhost:%u", s->web.port);
	assert_int_equal(open_client(s, url, "k", other.ca_file, NULL), 0);
	assert_int_equal(post(s, "x"), 0);
	assert_non_null(strstr(s->last.error, "not trusted"));
	assert_int_equal(s->web.seen.len, 0);
	web_fini(&other);
}

static void refuses_odd_addresses(void **state)
{
	static const char *const bad[] = {"",
					  "localhost",
					  "ftp://h",
					  "http://",
					  "http:///x",
					  "http://u:p@h",
					  "http://h/?a=b",
					  "https://h/#part",
					  "http://h:99999",
					  "http://h:0"};
	struct scene *s = *state;
	struct err e;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		e.msg[0] = 0;
		if (open_client(s, bad[i], "k", NULL, &e) != -EINVAL || !*e.msg)
			fail_msg("%s was taken", bad[i]);
	}
	assert_int_equal(open_client(s, "http://h", "k\r\nX: y", NULL, &e), -EINVAL);
	assert_null(strstr(e.msg, "X: y"));
	assert_int_equal(open_client(s, "https://h", "k", "/nonexistent", &e), -ENOENT);
	assert_int_equal(open_client(s, "https://h", "k", "/dev/null", &e), -EINVAL);
}

static void knows_plain_from_safe(void **state)
{
	struct scene *s = *state;

	assert_int_equal(open_client(s, "http://[::1]:4040", "", NULL, NULL), 0);
	assert_false(http_is_plain(s->client));
	assert_string_equal(http_name(s->client), "http://[::1]:4040");
	http_close(s->client);
	assert_int_equal(open_client(s, "HTTP://server/", "", NULL, NULL), 0);
	assert_true(http_is_plain(s->client));
	assert_string_equal(http_name(s->client), "http://server:80");
}

static void takes_no_endless_answer(void **state)
{
	struct scene *s = *state;
	cleanup_free char *body = mem_calloc(1, HTTP_MAX_ANSWER + 2);
	struct web_answer big = {200, NULL, NULL, body};

	memset(body, 'x', HTTP_MAX_ANSWER + 1);
	serve(s, &big, 1, NULL);
	connect_to(s, "http://127.0.0.1", "");
	assert_int_equal(post(s, "x"), 0);
	assert_string_equal(s->last.error, "the answer is too long");
}

static void can_be_closed_at_any_time(void **state)
{
	static const struct web_answer ok = {200, NULL, NULL, ""};
	struct scene *s = *state;
	const struct http_request get = {.path = "/healthz"};

	serve(s, &ok, 1, NULL);
	connect_to(s, "http://127.0.0.1", "");
	http_start(s->client, &get, on_done, s);
	http_close(s->client);
	assert_int_equal(open_client(s, "http://glim-test.invalid", "", NULL, NULL), 0);
	assert_int_equal(s->answers, 0);
	http_start(s->client, &get, on_done, s);
	event_base_loop(s->loop, EVLOOP_NONBLOCK);
	http_close(s->client);
	s->client = NULL;
	/* A busy machine may have refused the name already; nothing comes after the end. */
	unsigned int before = s->answers;

	event_base_loop(s->loop, EVLOOP_NONBLOCK);
	event_base_loop(s->loop, EVLOOP_NONBLOCK);
	assert_int_equal(s->answers, before);
}

#define T(f) cmocka_unit_test_setup_teardown(f, scene_setup, scene_teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(keeps_its_connection),	   T(replaces_a_connection_that_the_server_closed),
		T(goes_on_after_connection_close), T(says_that_nobody_listens),
		T(says_that_no_answer_came),	   T(speaks_tls),
		T(replaces_a_tls_connection_too),  T(refuses_a_certificate_for_another_name),
		T(refuses_an_unknown_authority),   T(refuses_odd_addresses),
		T(knows_plain_from_safe),	   T(takes_no_endless_answer),
		T(can_be_closed_at_any_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
