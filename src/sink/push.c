#include "sink/push.h"

#include <event2/event.h>
#include <inttypes.h>
#include <jansson.h>
#include <sys/queue.h>
#include <time.h>

#include "base/clock.h"
#include "base/compress.h"
#include "base/io.h"
#include "base/log.h"
#include "base/wire.h"
#include "sink/http.h"
#include "sink/push_priv.h"

enum {
	ANSWER_TIMEOUT_S = 30,
	PAUSE_FIRST_MS = 1000,
	PAUSE_MAX_MS = 60000,
	PAUSE_MIN_MS = 50,	  /* jitter may choose anything down to this */
	PAUSE_MAX_FLUSH_MS = 500, /* at the end there is no time to be polite */
	RETRY_AFTER_MAX_S = 3600,
	ZSTD_LEVEL = 3,
	LOG_PAUSE_S = 60,
};

#define PROFILES_PATH "/v1development/profiles"
#define METRICS_PATH  "/v1/metrics"

struct item {
	TAILQ_ENTRY(item) link;
	const char *path;
	struct buf body;
	uint64_t samples;
};

struct push {
	struct event_base *loop;
	struct http *http;
	char *key; /* to keep it out of messages */
	struct otlp_resource resource;
	size_t max_bytes;
	TAILQ_HEAD(items, item) queue; /* oldest first */
	bool busy;		       /* the first is on its way */
	struct event *pause;	       /* pending: wait before the next attempt */
	unsigned int failures;	       /* in a row */
	struct push_stats stats;
	int64_t last_failure_ns, last_drop_ns; /* when the log last spoke of it */
	bool complained;		       /* the log's last word is trouble */

	struct event *deadline;
	void (*flushed)(void *arg); /* not NULL: flushing */
	void *flushed_arg;
};

static void push_next(struct push *p);

/* ---- words ---- */

/* Lines of one kind come once a minute at most; *last is when the kind was last written. */
static void complain(struct push *p, int64_t *last, const char *consequence)
{
	int64_t now = clock_mono_ns();

	if (*last && now - *last < LOG_PAUSE_S * NSEC_PER_SEC)
		return;
	*last = now;
	p->complained = true;
	log_warning("upload to %s: %s; %s (%" PRIu64 " waiting, %" PRIu64 " sent, %" PRIu64
		    " dropped so far)",
		    http_name(p->http), p->stats.last_error, consequence, p->stats.queued,
		    p->stats.sent, p->stats.dropped_full + p->stats.dropped_refused);
}

/* A server that repeats our key in its answer must not bring it into the log. */
static void hide_key(const struct push *p, char *text)
{
	size_t n = strlen(p->key);

	if (!n)
		return;
	for (char *at; (at = strstr(text, p->key));)
		memset(at, '*', n);
}

/* The server's own words: the message of its JSON error, or nothing. */
static void server_words(const struct http_answer *a, char *ret, size_t size)
{
	json_t *root = json_loadb((const char *)a->body, a->len, 0, NULL);
	const char *message =
		json_string_value(json_object_get(json_object_get(root, "error"), "message"));

	snprintf(ret, size, "%s", message ? message : "");
	json_decref(root);
}

static void note_error(struct push *p, const struct http_answer *a)
{
	char words[200] = "";
	char *to = p->stats.last_error;
	size_t size = sizeof(p->stats.last_error);

	if (!a->status) {
		snprintf(to, size, "%s", a->error);
	} else if (a->status / 100 == 3) {
		snprintf(to, size, "status %d: the server sends us to %.150s; use its real address",
			 a->status, *a->location ? a->location : "another place");
	} else {
		server_words(a, words, sizeof(words));
		snprintf(to, size, "status %d%s%s", a->status, *words ? ": " : "", words);
	}
	hide_key(p, to);
}

/* What the answer to a good request says about parts of it: ExportProfilesServiceResponse and
 * ExportMetricsServiceResponse both hold partial_success = 1 {rejected = 1, error_message = 2}
 * (opentelemetry-proto 1.10, profiles_service.proto and metrics_service.proto). */
static void read_partial_success(struct push *p, const struct http_answer *a)
{
	struct wire_reader r = wire_reader(a->body, a->len);
	struct wire_field f, g;
	uint64_t rejected = 0;
	char reason[200] = "";

	while (wire_next(&r, &f)) {
		if (f.number != 1 || f.type != WIRE_BYTES)
			continue;
		struct wire_reader s = wire_sub(&f);

		while (wire_next(&s, &g)) {
			if (g.number == 1 && g.type == WIRE_VARINT)
				rejected = g.value;
			else if (g.number == 2 && g.type == WIRE_BYTES)
				snprintf(reason, sizeof(reason), "%.*s", (int)MIN(g.len, 199),
					 (const char *)g.data);
		}
	}
	if (!rejected)
		return;
	snprintf(p->stats.last_error, sizeof(p->stats.last_error),
		 "the server left out %" PRIu64 " of a request: %s", rejected, reason);
	hide_key(p, p->stats.last_error);
	complain(p, &p->last_failure_ns, "the rest was stored");
	p->complained = false;
}

/* ---- the queue ---- */

static void item_remove(struct push *p, struct item *i)
{
	TAILQ_REMOVE(&p->queue, i, link);
	p->stats.queued--;
	p->stats.queued_bytes -= i->body.len;
	buf_fini(&i->body);
	free(i);
}

/* The oldest that is not on its way right now goes first. */
static void make_room(struct push *p)
{
	while (p->stats.queued_bytes > p->max_bytes) {
		struct item *i = TAILQ_FIRST(&p->queue);

		if (i && p->busy)
			i = TAILQ_NEXT(i, link);
		if (!i)
			return;
		p->stats.dropped_full++;
		p->stats.lost_full += i->samples;
		item_remove(p, i);
		if (!*p->stats.last_error)
			snprintf(p->stats.last_error, sizeof(p->stats.last_error),
				 "the queue of %zu bytes is full", p->max_bytes);
		complain(p, &p->last_drop_ns, "the oldest data is dropped");
	}
}

void push_add_body(struct push *p, const char *path, const void *body, size_t len, uint64_t samples)
{
	struct item *i = mem_calloc(1, sizeof(*i));

	i->path = path;
	i->samples = samples;
	CHECK(!compress_zstd(body, len, ZSTD_LEVEL, &i->body));
	TAILQ_INSERT_TAIL(&p->queue, i, link);
	p->stats.queued++;
	p->stats.queued_bytes += i->body.len;
	make_room(p);
	push_next(p);
}

/* ---- attempts ---- */

unsigned int push_retry_after(const char *value, int64_t now_s)
{
	struct tm tm = {};
	char *end;
	long long s = strtoll(value, &end, 10);

	if (end == value) {
		end = strptime(value, "%a, %d %b %Y %H:%M:%S GMT", &tm);
		s = end ? (long long)timegm(&tm) - now_s : 0;
	}
	if (!end || *end || s <= 0)
		return 0;
	return (unsigned int)MIN(s, RETRY_AFTER_MAX_S);
}

static unsigned int random_below(unsigned int n)
{
	uint32_t r;

	io_random(&r, sizeof(r));
	return n ? r % n : 0;
}

/* Full jitter: any time up to a bound that doubles, so that hosts which lost the same server do not
 * come back together. */
static unsigned int pause_ms(const struct push *p, const struct http_answer *a)
{
	unsigned int bound = PAUSE_MAX_MS, wish;

	if (p->failures < 7)
		bound = MIN(PAUSE_MAX_MS, PAUSE_FIRST_MS << (p->failures - 1));
	if (p->flushed)
		return random_below(MIN(bound, PAUSE_MAX_FLUSH_MS)) + PAUSE_MIN_MS;
	wish = push_retry_after(a->retry_after, clock_real_ns() / NSEC_PER_SEC) * 1000;
	return wish + random_below(bound) + PAUSE_MIN_MS;
}

static bool can_retry(int status)
{
	return status == 0 || status == 408 || status == 429 || status >= 500;
}

static void retry(struct push *p, const struct http_answer *a)
{
	unsigned int ms;

	p->failures++;
	p->stats.retried++;
	note_error(p, a);
	complain(p, &p->last_failure_ns, "it is tried again");
	ms = pause_ms(p, a);
	event_add(p->pause, &(struct timeval){.tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000});
}

static void refused(struct push *p, const struct http_answer *a)
{
	struct item *i = TAILQ_FIRST(&p->queue);

	p->failures = 0;
	p->stats.dropped_refused++;
	p->stats.lost_refused += i->samples;
	note_error(p, a);
	item_remove(p, i);
	complain(p, &p->last_failure_ns, "the server refuses the data, it is dropped");
}

static void accepted(struct push *p, const struct http_answer *a)
{
	struct item *i = TAILQ_FIRST(&p->queue);

	if (p->complained)
		log_info("upload to %s works again", http_name(p->http));
	else if (!p->stats.sent)
		log_info("%s has taken the first data", http_name(p->http));
	p->complained = false;
	p->failures = 0;
	p->stats.sent++;
	p->stats.bytes_sent += i->body.len;
	p->stats.last_ok_ns = clock_real_ns();
	p->stats.last_error[0] = 0;
	item_remove(p, i);
	read_partial_success(p, a);
}

static void on_done(const struct http_answer *a, void *arg)
{
	struct push *p = arg;

	p->busy = false;
	if (a->status / 100 == 2)
		accepted(p, a);
	else if (can_retry(a->status))
		retry(p, a);
	else
		refused(p, a);
	make_room(p);
	push_next(p);
}

static void end_flush(struct push *p)
{
	void (*flushed)(void *arg) = p->flushed;

	p->flushed = NULL;
	event_del(p->deadline);
	flushed(p->flushed_arg);
}

/* Send the oldest request, unless one is under way or a pause is on. */
static void push_next(struct push *p)
{
	struct item *i = TAILQ_FIRST(&p->queue);

	if (p->busy || event_pending(p->pause, EV_TIMEOUT, NULL))
		return;
	if (!i) {
		if (p->flushed)
			event_active(p->deadline, EV_TIMEOUT, 0);
		return;
	}
	p->busy = true;
	http_start(p->http,
		   &(struct http_request){.path = i->path,
					  .post = true,
					  .content_type = "application/x-protobuf",
					  .content_encoding = "zstd",
					  .body = i->body.data,
					  .len = i->body.len},
		   on_done, p);
}

static void on_pause_over(evutil_socket_t fd, short what, void *arg)
{
	push_next(arg);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct push *p = arg;

	if (p->flushed)
		end_flush(p);
}

/* ---- the interface ---- */

void push_add_profile(struct push *p, const struct profile *profile)
{
	cleanup_buf struct buf body = {};
	struct err e = {};

	if (otlp_write_profiles(&p->resource, &profile, 1, &body, &e))
		log_error("a window cannot be encoded: %s", e.msg);
	else
		push_add_body(p, PROFILES_PATH, body.data, body.len,
			      (uint64_t)MAX(profile_total_count(profile), 0));
}

void push_add_points(struct push *p, const struct otlp_point *points, size_t n)
{
	cleanup_buf struct buf body = {};
	struct err e = {};

	if (otlp_write_metrics(&p->resource, points, n, &body, &e))
		log_error("measurements cannot be encoded: %s", e.msg);
	else
		push_add_body(p, METRICS_PATH, body.data, body.len, 0);
}

void push_flush(struct push *p, unsigned int deadline_ms, void (*done)(void *arg), void *arg)
{
	p->flushed = done;
	p->flushed_arg = arg;
	event_add(p->deadline, &(struct timeval){.tv_sec = deadline_ms / 1000,
						 .tv_usec = (deadline_ms % 1000) * 1000});
	event_del(p->pause);
	push_next(p);
}

void push_stats(const struct push *p, struct push_stats *ret)
{
	*ret = p->stats;
}

const char *push_server(const struct push *p)
{
	return http_name(p->http);
}

int push_open(struct event_base *loop, const struct push_config *cfg, struct push **ret,
	      struct err *e)
{
	struct push *p;
	struct http *http;
	int r = http_open(loop,
			  &(struct http_config){.url = cfg->url,
						.key = cfg->key,
						.ca_file = cfg->ca_file,
						.timeout_s = ANSWER_TIMEOUT_S},
			  &http, e);

	if (r)
		return r;
	p = mem_calloc(1, sizeof(*p));
	p->loop = loop;
	p->http = http;
	p->key = mem_strdup(cfg->key ? cfg->key : "");
	p->resource = (struct otlp_resource){
		.service = mem_strdup(cfg->resource.service),
		.host = mem_strdup(cfg->resource.host),
		.host_id = cfg->resource.host_id ? mem_strdup(cfg->resource.host_id) : NULL,
		.scope_version = mem_strdup(cfg->resource.scope_version)};
	p->max_bytes = cfg->max_bytes;
	TAILQ_INIT(&p->queue);
	p->pause = event_new(loop, -1, 0, on_pause_over, p);
	p->deadline = event_new(loop, -1, 0, on_deadline, p);
	CHECK(p->pause && p->deadline);
	if (*p->key && http_is_plain(http))
		log_warning("the key travels to %s without encryption; https:// would hide it",
			    http_name(http));
	*ret = p;
	return 0;
}

void push_close(struct push *p)
{
	if (!p)
		return;
	http_close(p->http);
	while (!TAILQ_EMPTY(&p->queue))
		item_remove(p, TAILQ_FIRST(&p->queue));
	event_free(p->pause);
	event_free(p->deadline);
	explicit_bzero(p->key, strlen(p->key));
	free(p->key);
	free((char *)p->resource.service);
	free((char *)p->resource.host);
	free((char *)p->resource.host_id);
	free((char *)p->resource.scope_version);
	free(p);
}
