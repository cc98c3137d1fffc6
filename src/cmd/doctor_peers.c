/* Findings about agents on this host and about the server. */
#include "cmd/doctor.h"

#include <event2/event.h>
#include <glob.h>
#include <jansson.h>
#include <time.h>

#include "base/clock.h"
#include "base/io.h"
#include "cmd/agent_state.h"
#include "profile/profile.h"
#include "sink/http.h"

enum {
	MAX_STATE = 65536,
	STALE_S = 30, /* an agent writes every ten seconds */
	LATE_UPLOAD_S = 60,
	SERVER_TIMEOUT_S = 10,
	CLOCK_APART_S = 5,
};

/* ---- agents ---- */

static const char *text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static long long number_of(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static double time_of(const json_t *o, const char *key)
{
	return json_number_value(json_object_get(o, key));
}

static void upload_finding(finding_vec *v, const json_t *root, double now)
{
	const json_t *up = json_object_get(root, "upload");
	double last_ok = time_of(up, "last_ok");
	const char *error = text_of(up, "last_error");
	long long dropped = number_of(up, "dropped_full") + number_of(up, "dropped_refused");
	bool late = now - (last_ok ? last_ok : time_of(root, "started")) > LATE_UPLOAD_S;
	char ago[64] = "nothing sent so far";

	if (last_ok)
		snprintf(ago, sizeof(ago), "last sent %.0f s ago", now - last_ok);
	if (*error)
		finding_add(v, late || dropped ? FINDING_FAIL : FINDING_WARN, "upload",
			    "see that the server runs and that the address and key are right: glim "
			    "doctor --server URL",
			    "%s, %lld waiting, %lld dropped; %s", ago, number_of(up, "queued"),
			    dropped, error);
	else if (late)
		finding_add(v, FINDING_WARN, "upload", "look into the agent's log", "%s", ago);
	else
		finding_add(v, dropped ? FINDING_WARN : FINDING_OK, "upload", "",
			    "%s, %lld requests so far, %lld dropped", ago, number_of(up, "sent"),
			    dropped);
}

static void agent_lost(finding_vec *v, const json_t *root)
{
	const json_t *c = json_object_get(root, "capture");
	long long lost = number_of(c, "lost_ring") + number_of(c, "lost_scratch");
	long long samples = number_of(c, "samples");
	long long complete = number_of(json_object_get(c, "outcomes"), "complete");
	long long unsampled = number_of(c, "cpus_unsampled");

	finding_add(v, lost * 100 > samples ? FINDING_WARN : FINDING_OK, "agent's samples",
		    lost * 100 > samples ? "lower its frequency with -F" : "",
		    "%lld, %lld of them with a complete stack, %lld lost", samples, complete, lost);
	if (unsampled)
		finding_add(v, FINDING_WARN, "agent's samples",
			    "look into dmesg, and start the agent again",
			    "%lld of %lld CPUs that are online refuse to be sampled", unsampled,
			    unsampled + number_of(c, "cpus"));
}

/* What the names of Python's threads took. */
static void agent_threads(finding_vec *v, const json_t *root)
{
	const json_t *c = json_object_get(root, "capture");

	if (number_of(c, "names_read"))
		finding_add(v, FINDING_OK, "agent's threads", "",
			    "names of Python's were read %lld times; %.2f s of CPU",
			    number_of(c, "names_read"),
			    (double)number_of(c, "names_took_ns") / NSEC_PER_SEC);
}

/* Why stacks are cut, and what is less sure or missing. */
static void agent_stacks(finding_vec *v, const json_t *root)
{
	const json_t *c = json_object_get(root, "capture");
	const json_t *outcomes = json_object_get(c, "outcomes");
	const json_t *remarks = json_object_get(c, "remarks");

	for (unsigned int i = OUTCOME_COMPLETE + 1; i < OUTCOME_COUNT; i++)
		if (number_of(outcomes, outcome_text(i)))
			finding_add(v, FINDING_OK, "agent's samples", "", "%lld %s",
				    number_of(outcomes, outcome_text(i)), outcome_text(i));
	for (unsigned int i = 0; i < REMARK_COUNT; i++)
		if (number_of(remarks, remark_text(i)))
			finding_add(v, FINDING_OK, "agent's remarks", "", "%lld: %s",
				    number_of(remarks, remark_text(i)), remark_text(i));
}

/* What the agent's unwind tables hold, what making them took, and what they could not take in. */
static void agent_tables(finding_vec *v, const json_t *root)
{
	const json_t *t = json_object_get(root, "unwind_tables");
	const json_t *c = json_object_get(root, "capture"), *count;
	double age = time_of(root, "updated") - time_of(root, "started");
	double cpu = (double)number_of(t, "cpu_ns") / NSEC_PER_SEC;
	const char *why;

	if (!t)
		return;
	finding_add(
		v, FINDING_OK, "agent's tables", "",
		"of %lld files (%lld KiB), %lld wait; %lld loaded, %lld of them from disk, %lld "
		"evicted; %.2f s of CPU, %.1f %% of one",
		number_of(t, "files"), number_of(t, "bytes") >> 10, number_of(t, "waiting"),
		number_of(t, "loaded"), number_of(t, "cached"), number_of(t, "evicted"), cpu,
		age > 0 ? 100 * cpu / age : 0.0);
	json_object_foreach(json_object_get(t, "refused"), why, count)
		finding_add(v, FINDING_OK, "agent's tables", "", "%s: %lld", why,
			    (long long)json_integer_value(count));
	finding_add_drains(v, "agent's drains", number_of(c, "drain_max_cpu_ns"),
			   number_of(c, "drain_max_ns"), number_of(t, "took_max_cpu_ns"),
			   number_of(t, "took_max_ns"));
}

static void agent_finding(finding_vec *v, const char *path)
{
	cleanup_buf struct buf b = {};
	double now = (double)clock_real_ns() / NSEC_PER_SEC;
	json_t *root = NULL;
	int r = io_read_file(path, MAX_STATE, &b);

	if (!r)
		root = json_loadb((const char *)b.data, b.len, 0, NULL);
	if (!root) {
		finding_add(v, FINDING_WARN, "agent", "start the agent again",
			    "its state in %s cannot be read", path);
		return;
	}
	if (now - time_of(root, "updated") > STALE_S) {
		finding_add(v, FINDING_FAIL, "agent",
			    "it ended without saying so, or hangs: look into its log and start it "
			    "again",
			    "process %lld for service \"%s\" has not been heard of for %.0f s",
			    number_of(root, "pid"), text_of(root, "service"),
			    now - time_of(root, "updated"));
	} else {
		finding_add(v, FINDING_OK, "agent", "",
			    "process %lld, service \"%s\", %lld Hz, to %s, %.2f s of CPU in %.0f s",
			    number_of(root, "pid"), text_of(root, "service"), number_of(root, "hz"),
			    text_of(root, "server"),
			    json_number_value(json_object_get(root, "cpu_seconds")),
			    now - time_of(root, "started"));
		upload_finding(v, root, now);
		agent_lost(v, root);
		agent_stacks(v, root);
		agent_threads(v, root);
		agent_tables(v, root);
	}
	json_decref(root);
}

void doctor_agents(finding_vec *v, const char *state)
{
	glob_t g = {};

	if (state) {
		agent_finding(v, state);
		return;
	}
	if (glob(AGENT_RUN_DIR "/agent-*.json", 0, NULL, &g))
		finding_add(v, FINDING_WARN, "agent",
			    "start one: glim agent --server URL --service NAME",
			    "none runs on this host");
	for (size_t i = 0; i < g.gl_pathc; i++)
		agent_finding(v, g.gl_pathv[i]);
	globfree(&g);
}

/* ---- the server ---- */

struct visit {
	struct event_base *loop;
	int status;
	char error[256];
	double apart_s; /* their clock minus ours */
	bool has_date;
};

static void on_answer(const struct http_answer *a, void *arg)
{
	struct visit *w = arg;
	struct tm tm = {};
	const char *end = strptime(a->date, "%a, %d %b %Y %H:%M:%S GMT", &tm);

	w->status = a->status;
	snprintf(w->error, sizeof(w->error), "%s", a->error);
	w->has_date = *a->date && end && !*end;
	if (w->has_date)
		w->apart_s = (double)timegm(&tm) - (double)clock_real_ns() / NSEC_PER_SEC;
	event_base_loopbreak(w->loop);
}

static void visit(struct visit *w, struct http *h, const struct http_request *r)
{
	w->status = -1;
	http_start(h, r, on_answer, w);
	while (w->status < 0)
		event_base_dispatch(w->loop);
}

/* An empty request of measurements stores nothing, and is refused where the key is. */
static void key_finding(finding_vec *v, struct visit *w, struct http *h)
{
	visit(w, h,
	      &(struct http_request){.path = "/v1/metrics",
				     .post = true,
				     .content_type = "application/x-protobuf"});
	if (w->status == 200)
		finding_add(v, FINDING_OK, "key", "", "the server takes it");
	else if (w->status == 401)
		finding_add(v, FINDING_FAIL, "key",
			    "make a new key of scope ingest on the server's page",
			    "the server does not know it");
	else if (w->status == 403)
		finding_add(v, FINDING_FAIL, "key",
			    "make a key of scope ingest on the server's page",
			    "it may not send data");
	else
		finding_add(v, FINDING_FAIL, "key", "look into the server's log",
			    "the server answered status %d %s", w->status, w->error);
}

static void server_findings(finding_vec *v, struct visit *w, struct http *h, const char *key)
{
	visit(w, h, &(struct http_request){.path = "/healthz"});
	if (w->status != 200) {
		finding_add(v, FINDING_FAIL, "server",
			    "see that it runs, that the address is right, and that no firewall is "
			    "in between",
			    "%s: %s", http_name(h),
			    w->status ? "it answers, but not as Glim does" : w->error);
		return;
	}
	finding_add(v, FINDING_OK, "server", "", "%s answers", http_name(h));
	if (w->has_date && (w->apart_s > CLOCK_APART_S || w->apart_s < -CLOCK_APART_S))
		finding_add(v, FINDING_WARN, "clock", "let a time service keep both clocks",
			    "the server's differs from ours by %.0f s", w->apart_s);
	if (*key)
		key_finding(v, w, h);
}

void doctor_server(finding_vec *v, const char *url, const char *ca_file, const char *key)
{
	const struct http_config config = {
		.url = url, .key = key, .ca_file = ca_file, .timeout_s = SERVER_TIMEOUT_S};
	struct visit w = {.loop = event_base_new()};
	struct http *h = NULL;
	struct err e = {};

	CHECK(w.loop);
	if (http_open(w.loop, &config, &h, &e))
		finding_add(v, FINDING_FAIL, "server", "", "%s", e.msg);
	else
		server_findings(v, &w, h, key);
	http_close(h);
	event_base_free(w.loop);
}
