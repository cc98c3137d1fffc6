/* server/flamegraph.c - a range of a service's profiles as one flame graph. */
#include "format/flame_columns.h"
#include "format/format.h"
#include "profile/tree.h"
#include "server/query.h"
#include "server/server_priv.h"

enum { WIDTH_DEFAULT = 1200, WIDTH_MAX = 100000, NODES_MAX = 1000000 };

static int respond_tree(struct response *res, const struct store_query *q, const struct profile *p,
			const struct tree *t, double covered)
{
	int64_t samples = profile_total_count(p);
	struct json j = respond_json(res, 200);

	json_object_begin(&j);
	json_member_text(&j, "service", q->service);
	json_member_text(&j, "type", q->type);
	json_member_text(&j, "unit", p->unit);
	json_member_double(&j, "from", (double)q->from / NSEC_PER_SEC);
	json_member_double(&j, "until", (double)q->until / NSEC_PER_SEC);
	json_member_double(&j, "seconds", covered);
	json_member_int(&j, "total", t->total);
	json_member_int(&j, "samples", samples);
	json_member_int(&j, "period", samples > 0 ? t->total / samples : p->period);
	json_member_double(&j, "truncated_stacks",
			   t->total > 0 ? (double)t->cut / (double)t->total : 0);
	flame_columns_put(&j, t);
	json_object_end(&j);
	return 0;
}

static int respond_json_tree(struct request *req, struct response *res, const struct store_query *q,
			     const struct profile *p, double covered)
{
	cleanup(tree_fini) struct tree t = {};
	struct err e = {};
	int64_t width;
	int r;

	if (!query_number(req, res, "width", 1, WIDTH_MAX, WIDTH_DEFAULT, &width))
		return 0;
	r = tree_build(p, 0.5 / (double)width, NODES_MAX, &t, &e);
	if (r < 0)
		return respond_store_error(res, r, &e);
	return respond_tree(res, q, p, &t, covered);
}

/* Formats of files. */
static int respond_format(struct request *req, struct response *res, const struct store_query *q,
			  const struct profile *p, const struct format *f)
{
	struct err e = {};
	int r = f->write(p, &res->body, &e);

	if (r < 0)
		return respond_store_error(res, r, &e);
	res->type = f == &format_folded ? "text/plain; charset=utf-8" : "application/octet-stream";
	if (f != &format_folded)
		respond_header(res, "Content-Disposition",
			       arena_printf(&req->arena, "attachment; filename=\"%s.%s%s\"",
					    "profile", q->type, f->suffix));
	return 0;
}

int flamegraph_get(struct request *req, struct response *res)
{
	static const char *const by_process[] = {"process"};
	static const char *const by_thread[] = {"host", "pid", "process", "thread"};
	const char *name = request_param(req, "format");
	const struct format *format = NULL;
	cleanup_profile struct profile *p = NULL;
	struct store_query q;
	struct err e = {};
	double covered = 0;

	if (!query_parse(req, res, &q))
		return 0;
	if (name && !strcmp(name, "folded"))
		format = &format_folded;
	else if (name && !strcmp(name, "pprof"))
		format = &format_pprof;
	else if (name && *name && strcmp(name, "json"))
		return respond_error(res, 400, "\"format\" must be json, folded or pprof");
	int64_t begun = query_begin();
	int r = format == &format_pprof ? store_profile(req->server->cfg.store, &q, by_thread,
							ARRAY_SIZE(by_thread), &p, &covered, &e)
					: store_profile(req->server->cfg.store, &q, by_process,
							ARRAY_SIZE(by_process), &p, &covered, &e);

	query_end(req, begun);
	if (r < 0)
		return respond_store_error(res, r, &e);
	return format ? respond_format(req, res, &q, p, format)
		      : respond_json_tree(req, res, &q, p, covered);
}
