/* server/flamegraph.c - a range of a service's profiles as one flame graph. */
#include "format/format.h"
#include "profile/tree.h"
#include "server/query.h"
#include "server/server_priv.h"

enum { WIDTH_DEFAULT = 1200, WIDTH_MAX = 100000, NODES_MAX = 1000000 };

/* One column of numbers: json_key, then an array of what `expr` says of element i. */
#define PUT_COLUMN(j, name, n, expr)                                                               \
	do {                                                                                       \
		json_key((j), name);                                                               \
		json_array_begin(j);                                                               \
		for (size_t i = 0; i < (n); i++)                                                   \
			json_int((j), (expr));                                                     \
		json_array_end(j);                                                                 \
	} while (0)

/* Columns of frames as numbers of strings. */
struct frame_names {
	struct strtab strings;
	VEC(uint32_t) name, file, module;
};

static void frame_names_fini(struct frame_names *f)
{
	strtab_fini(&f->strings);
	vec_fini(&f->name);
	vec_fini(&f->file);
	vec_fini(&f->module);
}

static void name_frames(const struct tree *t, struct frame_names *ret)
{
	for (size_t i = 0; i < t->functions.len; i++) {
		const struct profile_function *f = &t->functions.data[i];
		const char *file = profile_text(t->profile, f->file);
		const char *module = profile_text(t->profile, f->module);

		vec_push(&ret->name, strtab_puts(&ret->strings, tree_name(t, (int32_t)i)));
		vec_push(&ret->file, strtab_puts(&ret->strings, file));
		vec_push(&ret->module, strtab_puts(&ret->strings, module));
	}
}

static void put_frames(struct json *j, const struct tree *t)
{
	cleanup(frame_names_fini) struct frame_names f = {};
	const struct profile_function *fn = t->functions.data;
	size_t n = t->functions.len;

	name_frames(t, &f);
	json_key(j, "strings");
	json_array_begin(j);
	for (uint32_t i = 0; i < strtab_count(&f.strings); i++)
		json_text_n(j, strtab_get(&f.strings, i), strtab_len(&f.strings, i));
	json_array_end(j);
	json_key(j, "frames");
	json_object_begin(j);
	PUT_COLUMN(j, "name", n, f.name.data[i]);
	PUT_COLUMN(j, "file", n, f.file.data[i]);
	PUT_COLUMN(j, "start", n, fn[i].start_line);
	PUT_COLUMN(j, "kind", n, fn[i].kind);
	PUT_COLUMN(j, "module", n, f.module.data[i]);
	json_object_end(j);
}

static void put_nodes(struct json *j, const struct tree *t)
{
	const struct tree_node *node = t->nodes.data;
	size_t n = t->nodes.len;

	json_key(j, "nodes");
	json_object_begin(j);
	PUT_COLUMN(j, "depth", n, node[i].depth);
	PUT_COLUMN(j, "frame", n, node[i].function);
	PUT_COLUMN(j, "line", n, node[i].line);
	PUT_COLUMN(j, "self", n, node[i].self);
	PUT_COLUMN(j, "total", n, node[i].total);
	json_object_end(j);
}

static void put_number(struct json *j, const char *name, double v)
{
	json_key(j, name);
	json_double(j, v);
}

static int respond_tree(struct response *res, const struct store_query *q, const struct profile *p,
			const struct tree *t, double covered)
{
	int64_t samples = profile_total_count(p);
	struct json j = respond_json(res, 200);

	json_object_begin(&j);
	json_key(&j, "service");
	json_text(&j, q->service);
	json_key(&j, "type");
	json_text(&j, q->type);
	json_key(&j, "unit");
	json_text(&j, p->unit);
	put_number(&j, "from", (double)q->from / NSEC_PER_SEC);
	put_number(&j, "until", (double)q->until / NSEC_PER_SEC);
	put_number(&j, "seconds", covered);
	json_key(&j, "total");
	json_int(&j, t->total);
	json_key(&j, "samples");
	json_int(&j, samples);
	json_key(&j, "period");
	json_int(&j, samples > 0 ? t->total / samples : p->period);
	put_number(&j, "truncated_stacks", t->total > 0 ? (double)t->cut / (double)t->total : 0);
	put_frames(&j, t);
	put_nodes(&j, t);
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
