#include "server/stats.h"

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "server/server_priv.h"

static const int statuses[] = {
#define X(status) status,
	STATS_STATUSES(X)
#undef X
};
static const char *const rejects[] = {
#define X(name, label) label,
	STATS_REJECTS(X)
#undef X
};

void stats_request(struct stats *s, const struct route *r, int status)
{
	size_t row = r ? (size_t)(r - routes) : ROUTES_MAX, column = 0;

	while (column < ARRAY_SIZE(statuses) && statuses[column] != status)
		column++;
	stats_add(&s->requests[row][column], 1);
}

int health_get(struct request *req, struct response *res)
{
	struct json j = respond_json(res, 200);

	json_object_begin(&j);
	json_member_text(&j, "status", "ok");
	json_object_end(&j);
	return 0;
}

/* Prometheus text exposition format 0.0.4 */
static void head(struct buf *b, const char *name, const char *type, const char *help)
{
	buf_printf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void one(struct buf *b, const char *name, const char *type, const char *help, double v)
{
	head(b, name, type, help);
	buf_printf(b, "%s %.17g\n", name, v);
}

static void put_requests(struct buf *b, const struct stats *s)
{
	head(b, "glim_http_requests_total", "counter", "Requests answered, by route and status.");
	for (size_t i = 0; i <= ROUTES_MAX; i++) {
		for (size_t k = 0; k < STATS_COUNT; k++) {
			uint64_t n = atomic_load(&s->requests[i][k]);
			const char *route = i < routes_count ? routes[i].pattern : "none";
			const char *method =
				i < routes_count ? http_method_name(routes[i].methods) : "";

			if (!n)
				continue;
			buf_printf(b, "glim_http_requests_total{method=\"%s\",route=\"%s\",",
				   method, route);
			if (k < ARRAY_SIZE(statuses))
				buf_printf(b, "status=\"%d\"} ", statuses[k]);
			else
				buf_puts(b, "status=\"other\"} ");
			buf_printf(b, "%llu\n", (unsigned long long)n);
		}
	}
}

static void put_ingest(struct buf *b, const struct stats *s)
{
	one(b, "glim_ingest_bytes_total", "counter", "Bytes of ingested bodies as sent.",
	    (double)atomic_load(&s->ingest_bytes));
	one(b, "glim_ingest_decoded_bytes_total", "counter",
	    "Bytes of ingested bodies after decompression.",
	    (double)atomic_load(&s->ingest_decoded_bytes));
	one(b, "glim_ingest_windows_total", "counter", "Profile windows stored.",
	    (double)atomic_load(&s->windows));
	one(b, "glim_ingest_points_total", "counter", "Points of metrics stored.",
	    (double)atomic_load(&s->points));
	head(b, "glim_ingest_rejected_total", "counter",
	     "Requests (partial: profiles and points) not taken, by reason.");
	for (size_t i = 0; i < REJECT_COUNT; i++)
		buf_printf(b, "glim_ingest_rejected_total{reason=\"%s\"} %llu\n", rejects[i],
			   (unsigned long long)atomic_load(&s->rejected[i]));
	one(b, "glim_store_appends_total", "counter", "Transactions that appended data.",
	    (double)atomic_load(&s->appends));
	one(b, "glim_store_append_seconds_total", "counter", "Time spent appending.",
	    (double)atomic_load(&s->append_ns) / NSEC_PER_SEC);
	one(b, "glim_store_queries_total", "counter", "Queries asked of the store.",
	    (double)atomic_load(&s->queries));
	one(b, "glim_store_query_seconds_total", "counter", "Time spent in queries.",
	    (double)atomic_load(&s->query_ns) / NSEC_PER_SEC);
}

static double resident_bytes(void)
{
	cleanup_fclose FILE *f = fopen("/proc/self/statm", "re");
	unsigned long size, resident;

	/* proc(5): statm counts pages, the second field is the resident set. */
	if (!f || fscanf(f, "%lu %lu", &size, &resident) != 2)
		return 0;
	return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

int metrics_get(struct request *req, struct response *res)
{
	struct server *s = req->server;
	struct buf *b = &res->body;

	res->type = "text/plain; version=0.0.4";
	head(b, "glim_build_info", "gauge", "The version that runs.");
	buf_puts(b, "glim_build_info{version=\"" GLIM_VERSION "\"} 1\n");
	one(b, "glim_uptime_seconds", "gauge", "Time since the start.",
	    (double)(clock_mono_ns() - s->stats.started_ns) / NSEC_PER_SEC);
	put_requests(b, &s->stats);
	one(b, "glim_http_connections", "gauge", "Open connections.", (double)s->nconns);
	one(b, "glim_http_connections_total", "counter", "Connections taken.",
	    (double)atomic_load(&s->stats.connections));
	one(b, "glim_http_connections_refused_total", "counter",
	    "Connections closed because there were too many.",
	    (double)atomic_load(&s->stats.refused_connections));
	one(b, "glim_http_body_bytes", "gauge", "Bytes of request bodies held now.",
	    (double)s->bodies);
	one(b, "glim_workers_waiting", "gauge", "Requests that wait for a worker.",
	    (double)pool_waiting(s->pool));
	put_ingest(b, &s->stats);
	one(b, "process_resident_memory_bytes", "gauge", "Resident memory.", resident_bytes());
	one(b, "process_cpu_seconds_total", "counter", "CPU time used.",
	    (double)clock_cpu_ns() / NSEC_PER_SEC);
	return 0;
}
