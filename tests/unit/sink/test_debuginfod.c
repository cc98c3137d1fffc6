/* Fetching debug files from real servers inside the test. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <cmocka.h>

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "sink/debuginfod.h"
#include "web.h"

struct scene {
	struct event_base *loop;
	struct web webs[2];
	char folder[64];
	struct debuginfod *d;
};
static const uint8_t id_a[] = {0xab, 0xcd, 0x01}, id_b[] = {0xff, 0x00};

static int set_up(void **state)
{
	struct scene *s = mem_calloc(1, sizeof(*s));

	signal(SIGPIPE, SIG_IGN);
	s->loop = event_base_new();
	strcpy(s->folder, "/tmp/glim-fetch-XXXXXX");
	assert_non_null(mkdtemp(s->folder));
	*state = s;
	return 0;
}

static int tear_down(void **state)
{
	struct scene *s = *state;
	cleanup_free char *command = mem_asprintf("rm -r %s", s->folder);

	debuginfod_stop(s->d);
	web_fini(&s->webs[0]);
	web_fini(&s->webs[1]);
	event_base_free(s->loop);
	assert_int_equal(system(command), 0);
	free(s);
	return 0;
}

static void serve(struct scene *s, size_t i, const struct web_answer *answers, size_t n,
		  const char *name)
{
	s->webs[i].answers = answers;
	s->webs[i].nanswers = n;
	web_start(&s->webs[i], s->loop, 0, name);
}

static void start(struct scene *s, const char *scheme, struct debuginfod_config cfg)
{
	cleanup_free char *urls =
		mem_asprintf(" %s://127.0.0.1:%u/prefix/ %s://127.0.0.1:%u", scheme,
			     s->webs[0].port, scheme, s->webs[s->webs[1].port != 0].port);
	cleanup_free char *folder = mem_asprintf("%s/cache/glim", s->folder);
	struct err e = {};

	cfg.urls = urls;
	cfg.folder = folder;
	if (debuginfod_start(&cfg, &s->d, &e))
		fail_msg("%s", e.msg);
}

static uint64_t settled(const struct scene *s)
{
	struct debuginfod_stats st;

	debuginfod_stats(s->d, &st);
	return st.fetched + st.unknown + st.failed;
}

/* Ask, and run the servers until there is an answer. */
static void ask(struct scene *s, const uint8_t *id, size_t len)
{
	int64_t end = clock_mono_ns() + 60 * NSEC_PER_SEC;
	uint64_t before = settled(s);

	debuginfod_ask(s->d, id, len);
	while (settled(s) == before && clock_mono_ns() < end) {
		event_base_loopexit(s->loop, &(struct timeval){.tv_usec = 10000});
		event_base_dispatch(s->loop);
	}
	assert_true(settled(s) == before + 1);
}

/* The size of what was kept; -1: there is no file. */
static long size_of(const struct scene *s, const char *hex)
{
	cleanup_free char *path = mem_asprintf("%s/cache/glim/%s/debuginfo", s->folder, hex);
	struct stat st;

	return stat(path, &st) ? -1 : (long)st.st_size;
}

static size_t entries(const struct scene *s)
{
	cleanup_free char *path = mem_asprintf("%s/cache/glim", s->folder);
	DIR *d = opendir(path);
	size_t n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

static void test_fetch(void **state)
{
	static const struct web_answer answers[] = {{404, NULL, NULL, "no such thing"}};
	struct scene *s = *state;
	cleanup_free char *body = mem_calloc(3000001, 1);
	struct web_answer second[] = {{200, NULL, NULL, body}};
	struct debuginfod_stats st;

	memset(body, 'd', 3000000);
	serve(s, 0, answers, 1, NULL);
	serve(s, 1, second, 1, NULL);
	start(s, "http", (struct debuginfod_config){});
	ask(s, id_a, sizeof(id_a));
	assert_string_equal(s->webs[0].seen.data[0].path, "/prefix/buildid/abcd01/debuginfo");
	assert_string_equal(s->webs[1].seen.data[0].path, "/buildid/abcd01/debuginfo");
	assert_int_equal(size_of(s, "abcd01"), 3000000);
	assert_int_equal(entries(s), 1);
	/* What is there is not asked for again: the next answer is that of another. */
	debuginfod_ask(s->d, id_a, sizeof(id_a));
	ask(s, id_b, sizeof(id_b));
	assert_int_equal(s->webs[1].seen.len, 2);
	debuginfod_stats(s->d, &st);
	assert_int_equal(st.asked, 3);
	assert_int_equal(st.fetched, 2);
	assert_int_equal(st.bytes, 6000000);
}

static void test_https(void **state)
{
	static const struct web_answer answers[] = {{200, NULL, NULL, "debug"}};
	struct scene *s = *state;

	serve(s, 0, answers, 1, "127.0.0.1");
	start(s, "https", (struct debuginfod_config){.ca_file = s->webs[0].ca_file});
	ask(s, id_a, sizeof(id_a));
	assert_int_equal(size_of(s, "abcd01"), 5);
	debuginfod_stop(s->d);
	s->d = NULL;
	/* A server that nobody vouches for gives nothing. */
	start(s, "https", (struct debuginfod_config){});
	ask(s, id_b, sizeof(id_b));
	assert_int_equal(size_of(s, "ff00"), -1);
}

/* Nobody knows it: remembered, also by the next run. */
static void test_unknown(void **state)
{
	static const struct web_answer answers[] = {{404, NULL, NULL, ""}};
	struct scene *s = *state;
	struct debuginfod_stats st;

	serve(s, 0, answers, 1, NULL);
	for (int run = 0; run < 2; run++) {
		start(s, "http", (struct debuginfod_config){});
		if (run == 0)
			ask(s, id_a, sizeof(id_a));
		else
			debuginfod_ask(s->d, id_a, sizeof(id_a));
		ask(s, (const uint8_t[]){9, (uint8_t)run}, 2);
		assert_int_equal(size_of(s, "abcd01"), 0);
		debuginfod_stats(s->d, &st);
		assert_int_equal(st.unknown, 2 - run);
		debuginfod_stop(s->d);
		s->d = NULL;
	}
	assert_int_equal(s->webs[0].seen.len, 6);
}

/* Trouble of servers is not remembered, and leaves nothing behind. */
static void test_trouble(void **state)
{
	static const struct web_answer broken[] = {{500, NULL, NULL, "oops"},
						   {404, NULL, NULL, ""}};
	static const struct web_answer large[] = {{200, NULL, NULL, "0123456789"}};
	struct scene *s = *state;
	struct debuginfod_stats st;

	serve(s, 0, broken, 2, NULL);
	serve(s, 1, large, 1, NULL);
	start(s, "http", (struct debuginfod_config){.max_file = 9, .silence_s = 1});
	ask(s, id_a, sizeof(id_a));
	assert_int_equal(entries(s), 0);
	/* Neither of them answers. */
	s->webs[0].hang = s->webs[1].hang = 1;
	ask(s, id_a, sizeof(id_a));
	assert_int_equal(entries(s), 0);
	web_stop(&s->webs[1]);
	ask(s, id_a, sizeof(id_a));
	assert_int_equal(entries(s), 0);
	debuginfod_stats(s->d, &st);
	assert_int_equal(st.failed, 3);
}

static void test_deadline(void **state)
{
	static const struct web_answer answers[] = {{200, NULL, NULL, "debug"}};
	struct scene *s = *state;

	serve(s, 0, answers, 1, NULL);
	s->webs[0].hang = 1;
	start(s, "http", (struct debuginfod_config){.total_s = 1});
	ask(s, id_a, sizeof(id_a));
	assert_int_equal(size_of(s, "abcd01"), -1);
	/* The next one has a fresh start. */
	ask(s, id_b, sizeof(id_b));
	assert_int_equal(size_of(s, "ff00"), 5);
	/* Told to end while a server keeps it waiting. */
	s->webs[0].hang = 1;
	debuginfod_ask(s->d, id_a, sizeof(id_a));
	while (s->webs[0].hang)
		event_base_loop(s->loop, EVLOOP_ONCE);
}

static void test_bounds(void **state)
{
	static const struct web_answer answers[] = {{200, NULL, NULL, "0123456789"}};
	struct scene *s = *state;
	struct debuginfod_stats st;

	serve(s, 0, answers, 1, NULL);
	start(s, "http", (struct debuginfod_config){.max_folder = 25});
	for (uint8_t i = 0; i < 4; i++)
		ask(s, (const uint8_t[]){1, i}, 2);
	assert_int_equal(size_of(s, "0100"), -1);
	assert_int_equal(size_of(s, "0102"), 10);
	assert_int_equal(size_of(s, "0103"), 10);
	assert_int_equal(entries(s), 2);
	/* More than can wait, while a server does not answer. */
	s->webs[0].hang = 1;
	for (int i = 0; i < 10000; i++)
		debuginfod_ask(s->d, id_a, sizeof(id_a));
	debuginfod_stats(s->d, &st);
	assert_in_range(st.dropped, 1000, 9999);
}

static void test_refused(void **state)
{
	static const char *const bad[] = {NULL,		 "",	    "  ",
					  "file:///usr", "nothing", "http://x ftp://y"};
	struct scene *s = *state;
	struct debuginfod_config cfg = {.folder = s->folder};
	struct err e;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		cfg.urls = bad[i];
		assert_true(debuginfod_start(&cfg, &s->d, &e) < 0);
		assert_non_null(strstr(e.msg, "DEBUGINFOD_URLS"));
	}
	cfg.folder = "/proc/nothing/here";
	cfg.urls = "http://127.0.0.1:1";
	assert_true(debuginfod_start(&cfg, &s->d, &e) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_fetch, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_https, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_unknown, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_trouble, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_deadline, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_bounds, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
