/* server/key.c - API keys: made, listed, revoked. */
#include "base/clock.h"
#include "base/utf8.h"
#include "server/server_priv.h"

static const char *const scope_names[] = {
	[KEY_INGEST] = "ingest",
	[KEY_READ] = "read",
	[KEY_ADMIN] = "admin",
};

static void put_time(struct json *j, const char *name, int64_t ns)
{
	json_key(j, name);
	if (ns)
		json_int(j, ns / NSEC_PER_SEC);
	else
		json_none(j);
}

/* The fields of a key without its braces. */
static void put_key(struct json *j, const struct store_key *k)
{
	json_member_int(j, "id", k->id);
	json_member_text(j, "name", k->name);
	json_member_text(j, "scope", scope_names[k->scope]);
	json_member_text(j, "prefix", k->prefix);
	put_time(j, "created", k->created);
	put_time(j, "last_used", k->last_used);
}

/* Is this a name for people: 1 to STORE_NAME_MAX bytes of UTF-8 without control characters? */
static bool name_ok(const char *s)
{
	size_t n = s ? strlen(s) : 0;

	for (size_t i = 0; i < n;) {
		size_t len = utf8_len(s + i, n - i);

		if (!len || (unsigned char)s[i] < ' ' || s[i] == 0x7f)
			return false;
		i += len;
	}
	return n && n <= STORE_NAME_MAX;
}

int key_add(struct request *req, struct response *res)
{
	cleanup_json_t struct json_t *body = request_json(req, res);
	struct store_key k = {.tenant = req->caller.tenant, .account = req->caller.account};
	char secret[SECRET_KEY_LEN + 1];
	const char *name, *scope;
	struct err e = {};
	int r;

	if (!body)
		return 0;
	name = json_text_field(body, "name");
	scope = json_text_field(body, "scope");
	if (!name_ok(name))
		return respond_error(res, 400, "\"name\" must be text of 1 to %d bytes",
				     STORE_NAME_MAX);
	for (int i = KEY_INGEST; i <= KEY_ADMIN; i++)
		if (scope && !strcmp(scope, scope_names[i]))
			k.scope = (enum key_scope)i;
	if (!k.scope)
		return respond_error(res, 400, "\"scope\" must be ingest, read or admin");
	memcpy(k.name, name, strlen(name) + 1);
	secret_key(secret);
	memcpy(k.prefix, secret, SECRET_KEY_PREFIX_LEN);
	secret_hash(secret, k.hash);
	k.created = clock_real_ns();
	r = store_key_add(req->server->cfg.store, &k, &e);
	if (r < 0)
		return respond_store_error(res, r, &e);
	struct json j = respond_json(res, 201);

	json_object_begin(&j);
	put_key(&j, &k);
	json_member_text(&j, "key", secret);
	json_object_end(&j);
	return 0;
}

int key_list(struct request *req, struct response *res)
{
	struct store_key *keys;
	size_t n;
	int r = store_key_list(req->server->cfg.store, req->caller.tenant, &req->arena, &keys, &n);

	if (r < 0)
		return respond_store_error(res, r, NULL);
	struct json j = respond_json(res, 200);

	json_object_begin(&j);
	json_key(&j, "keys");
	json_array_begin(&j);
	for (size_t i = 0; i < n; i++) {
		json_object_begin(&j);
		put_key(&j, &keys[i]);
		json_object_end(&j);
	}
	json_array_end(&j);
	json_object_end(&j);
	return 0;
}

int key_remove(struct request *req, struct response *res)
{
	int r = -ENOENT;

	if (strlen(req->arg) <= 18 && strspn(req->arg, "0123456789") == strlen(req->arg))
		r = store_key_remove(req->server->cfg.store, req->caller.tenant,
				     strtoll(req->arg, NULL, 10));
	if (r == -ENOENT)
		return respond_error(res, 404, "there is no key of this number");
	if (r < 0)
		return respond_store_error(res, r, NULL);
	res->status = 204;
	return 0;
}
