/* server/label.c - names of labels and their values, for choosing filters. */
#include "server/query.h"
#include "server/server_priv.h"

enum { VALUES_MAX = 1000 };

int label_list(struct request *req, struct response *res)
{
	const char *const *names;
	struct store_query q;
	struct err e = {};
	size_t n;

	if (!query_parse(req, res, &q))
		return 0;
	int64_t begun = query_begin();
	int r = store_labels(req->server->cfg.store, &q, &req->arena, &names, &n, &e);

	query_end(req, begun);
	if (r < 0)
		return respond_store_error(res, r, &e);
	struct json j = respond_json(res, 200);

	json_object_begin(&j);
	json_key(&j, "labels");
	json_array_begin(&j);
	for (size_t i = 0; i < n; i++)
		json_text(&j, names[i]);
	json_array_end(&j);
	json_object_end(&j);
	return 0;
}

int label_values(struct request *req, struct response *res)
{
	struct store_value *values;
	struct store_query q;
	struct err e = {};
	bool truncated;
	size_t n;

	if (!query_parse(req, res, &q))
		return 0;
	int64_t begun = query_begin();
	int r = store_label_values(req->server->cfg.store, &q, req->arg, VALUES_MAX, &req->arena,
				   &values, &n, &truncated, &e);

	query_end(req, begun);
	if (r < 0)
		return respond_store_error(res, r, &e);
	struct json j = respond_json(res, 200);

	json_object_begin(&j);
	json_key(&j, "values");
	json_array_begin(&j);
	for (size_t i = 0; i < n; i++) {
		json_object_begin(&j);
		json_member_text(&j, "value", values[i].value);
		json_member_double(&j, "weight", values[i].weight);
		json_object_end(&j);
	}
	json_array_end(&j);
	json_member_bool(&j, "truncated", truncated);
	json_object_end(&j);
	return 0;
}
