/* server/ingest.c - OpenTelemetry profiles and metrics on their way into the store.
 *
 * 200 is said after the commit, never before. */
#include <ctype.h>
#include <strings.h>

#include "base/clock.h"
#include "base/compress.h"
#include "format/otlp.h"
#include "server/server_priv.h"

/* The media type before its parameters. */
static bool is_protobuf(const char *type)
{
	static const char *const known[] = {"application/x-protobuf", "application/protobuf"};
	size_t n = type ? strcspn(type, "; \t") : 0;

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (n == strlen(known[i]) && !strncasecmp(type, known[i], n))
			return true;
	return false;
}

static int reject(struct request *req, struct response *res, enum stats_reject why, int status,
		  const char *msg)
{
	stats_add(&req->server->stats.rejected[why], 1);
	respond_error(res, status, "%s", msg);
	return -1;
}

/* Undo Content-Encoding: ret_body becomes the message, in decoded or in the request itself.
 * Negative after an error was answered. */
static int open_body(struct request *req, struct response *res, struct buf *decoded,
		     const struct buf **ret_body)
{
	const char *encoding = http_header(&req->head, "Content-Encoding");
	size_t max = req->server->cfg.max_decoded;
	struct err e = {};
	int r;

	stats_add(&req->server->stats.ingest_bytes, req->body.len);
	if (!is_protobuf(http_header(&req->head, "Content-Type")))
		return reject(req, res, REJECT_CONTENT_TYPE, 415,
			      "Content-Type must be application/x-protobuf");
	*ret_body = decoded;
	if (!encoding || !*encoding || !strcasecmp(encoding, "identity")) {
		*ret_body = &req->body;
		r = req->body.len > max ? err_set(&e, -EFBIG, "more than %zu bytes", max) : 0;
	} else if (!strcasecmp(encoding, "zstd")) {
		r = decompress_zstd(req->body.data, req->body.len, max, decoded, &e);
	} else if (!strcasecmp(encoding, "gzip")) {
		r = decompress_gzip(req->body.data, req->body.len, max, decoded, &e);
	} else {
		return reject(req, res, REJECT_ENCODING, 415,
			      "Content-Encoding must be identity, gzip or zstd");
	}
	if (r == -EFBIG)
		return reject(req, res, REJECT_TOO_LARGE, 413, e.msg);
	if (r < 0)
		return reject(req, res, REJECT_ENCODING, 400, e.msg);
	stats_add(&req->server->stats.ingest_decoded_bytes, (*ret_body)->len);
	return 0;
}

/* Names of services are 1 to 64 of A-Za-z0-9._- ; what senders call themselves may be anything, so
 * other characters become "_". */
static const char *service_name(struct request *req, const char *sent)
{
	char *name;

	if (!sent || !*sent)
		return "unknown_service";
	name = arena_strndup(&req->arena, sent, MIN(strlen(sent), (size_t)STORE_NAME_MAX));
	for (char *c = name; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("._-", *c))
			*c = '_';
	return name;
}

/* Append, and answer for it. */
static int append(struct request *req, struct response *res, const struct store_batch *batches,
		  size_t n, uint64_t rejected, const char *reason)
{
	struct stats *stats = &req->server->stats;
	int64_t begun = clock_mono_ns();
	struct err e = {};
	int r = n ? store_append(req->server->cfg.store, batches, n, &e) : 0;

	stats_add(&stats->append_ns, (uint64_t)(clock_mono_ns() - begun));
	stats_add(&stats->appends, n > 0);
	if (r < 0) {
		stats_add(&stats->rejected[REJECT_STORE], 1);
		return respond_store_error(res, r, &e);
	}
	for (size_t i = 0; i < n; i++) {
		stats_add(&stats->windows, batches[i].nprofiles);
		stats_add(&stats->points, batches[i].npoints);
	}
	stats_add(&stats->rejected[REJECT_PARTIAL], rejected);
	res->type = "application/x-protobuf";
	otlp_write_response(rejected, reason, &res->body);
	return 0;
}

int ingest_profiles(struct request *req, struct response *res)
{
	cleanup(otlp_profiles_fini) struct otlp_profiles in = {};
	cleanup_buf struct buf decoded = {};
	const struct buf *body;
	struct store_batch *batches;
	struct err e = {};

	if (open_body(req, res, &decoded, &body) < 0)
		return 0;
	if (otlp_read_profiles(body->data, body->len, &in, &e) < 0) {
		reject(req, res, REJECT_MALFORMED, 400, e.msg);
		return 0;
	}
	batches = arena_array(&req->arena, struct store_batch, in.parts.len + 1);
	for (size_t i = 0; i < in.parts.len; i++) {
		const struct otlp_profiles_part *p = &in.parts.data[i];

		batches[i] = (struct store_batch){
			.tenant = req->caller.tenant,
			.service = service_name(req, p->service),
			.host = p->host ? p->host : "",
			.profiles = (const struct profile *const *)p->profiles.data,
			.nprofiles = p->profiles.len,
		};
	}
	return append(req, res, batches, in.parts.len, in.rejected, in.reason);
}

/* The store's view of the points of one part. */
static struct store_point *copy_points(struct request *req, const struct otlp_metrics_part *part)
{
	struct store_point *points =
		arena_array(&req->arena, struct store_point, part->points.len + 1);

	for (size_t i = 0; i < part->points.len; i++) {
		const struct otlp_point *p = &part->points.data[i];
		struct store_label *labels =
			arena_array(&req->arena, struct store_label, p->nlabels + 1);

		for (size_t k = 0; k < p->nlabels; k++)
			labels[k] = (struct store_label){p->labels[k].key, p->labels[k].value};
		points[i] = (struct store_point){
			.metric = p->metric,
			.labels = labels,
			.nlabels = p->nlabels,
			.time = p->time_ns,
			.interval = p->interval_ns,
			.value = p->value,
		};
	}
	return points;
}

int ingest_metrics(struct request *req, struct response *res)
{
	cleanup(otlp_metrics_fini) struct otlp_metrics in = {};
	cleanup_buf struct buf decoded = {};
	const struct buf *body;
	struct store_batch *batches;
	struct err e = {};

	if (open_body(req, res, &decoded, &body) < 0)
		return 0;
	if (otlp_read_metrics(body->data, body->len, &in, &e) < 0) {
		reject(req, res, REJECT_MALFORMED, 400, e.msg);
		return 0;
	}
	batches = arena_array(&req->arena, struct store_batch, in.parts.len + 1);
	for (size_t i = 0; i < in.parts.len; i++) {
		const struct otlp_metrics_part *p = &in.parts.data[i];

		batches[i] = (struct store_batch){
			.tenant = req->caller.tenant,
			.service = service_name(req, p->service),
			.host = p->host ? p->host : "",
			.points = copy_points(req, p),
			.npoints = p->points.len,
		};
	}
	return append(req, res, batches, in.parts.len, in.rejected, in.reason);
}
