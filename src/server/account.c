/* server/account.c - the first account, sign-up, signing in and out. */
#include <ctype.h>

#include "base/clock.h"
#include "server/server_priv.h"

/* Name of the setting that holds hashes of one-time links: up to TOKENS_MAX times 64 hex digits,
 * the newest first. A server that was restarted before anybody used its link printed several. */
#define FIRST_TOKENS "first-account-tokens"
enum { TOKENS_MAX = 4, HEX_LEN = 64 };

/* Guessing passwords: by address, and by account whatever the address. */
static const struct rate_limit by_address = {.kind = 'a', .burst = 20, .every = 6};
static const struct rate_limit by_account = {.kind = 'm', .burst = 10, .every = 30};

/* --- the one-time link ----------------------------------------------------------------------- */

int first_token_make(struct store *s, char ret[SECRET_SESSION_LEN + 1], struct err *e)
{
	char value[TOKENS_MAX * HEX_LEN + 1];
	struct arena a = {};
	uint8_t hash[32];
	const char *old = "";
	int r;

	secret_random(ret, SECRET_SESSION_LEN);
	secret_hash(ret, hash);
	secret_hex(hash, value);
	if (!store_setting_get(s, FIRST_TOKENS, &a, &old))
		snprintf(value + HEX_LEN, sizeof(value) - HEX_LEN, "%.*s",
			 (TOKENS_MAX - 1) * HEX_LEN, old);
	r = store_setting_set(s, FIRST_TOKENS, value);
	arena_fini(&a);
	return r < 0 ? err_sys(e, r, "cannot store the one-time link") : 0;
}

static bool first_token_ok(struct request *req, const char *token)
{
	const char *value;
	uint8_t hash[32];
	char hex[HEX_LEN + 1];
	bool found = false;

	if (!token ||
	    store_setting_get(req->server->cfg.store, FIRST_TOKENS, &req->arena, &value) < 0)
		return false;
	secret_hash(token, hash);
	secret_hex(hash, hex);
	for (; strlen(value) >= HEX_LEN; value += HEX_LEN)
		found |= secret_equal(value, hex, HEX_LEN);
	return found;
}

/* --- accounts -------------------------------------------------------------------------------- */

/* Copy an address in lower case; false when it is none. */
static bool take_email(const char *text, char ret[STORE_EMAIL_MAX + 1])
{
	const char *at = text ? strchr(text, '@') : NULL;
	size_t n = text ? strlen(text) : 0;

	if (!at || at == text || !at[1] || strchr(at + 1, '@') || n > STORE_EMAIL_MAX)
		return false;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)text[i] <= ' ' || text[i] == 0x7f)
			return false;
	for (size_t i = 0; i <= n; i++)
		ret[i] = (char)tolower((unsigned char)text[i]);
	return true;
}

static int respond_account(struct response *res, int status, const struct store_account *a)
{
	struct json j = respond_json(res, status);

	json_object_begin(&j);
	json_key(&j, "account");
	json_object_begin(&j);
	json_member_text(&j, "email", a->email);
	json_member_text(&j, "role", a->owner ? "owner" : "member");
	json_object_end(&j);
	json_object_end(&j);
	return 0;
}

static int too_many(struct request *req, struct response *res, unsigned int wait)
{
	respond_header(res, "Retry-After", arena_printf(&req->arena, "%u", wait));
	return respond_error(res, 429, "too many attempts: try again in %u s", wait);
}

/* An IPv6 customer has 2^64 addresses: what counts is the network. */
static const char *rate_address(struct request *req)
{
	size_t n = 0, colons = 0;

	if (!strchr(req->peer, ':'))
		return req->peer;
	for (; req->peer[n] && colons < 4; n++)
		colons += req->peer[n] == ':';
	return arena_strndup(&req->arena, req->peer, n);
}

/* Argon2id wants 64 MiB each: only a few at a time. */
static int hash_bounded(struct server *s, const char *password, char ret[STORE_HASH_MAX],
			struct err *e)
{
	int r;

	while (sem_wait(&s->hashing) < 0)
		;
	r = password_hash(password, ret, e);
	sem_post(&s->hashing);
	return r;
}

static bool verify_bounded(struct server *s, const char *hash, const char *password)
{
	bool ok;

	while (sem_wait(&s->hashing) < 0)
		;
	ok = password_ok(hash, password);
	sem_post(&s->hashing);
	return ok;
}

int status_get(struct request *req, struct response *res)
{
	struct server *s = req->server;
	int64_t n;
	int r = store_account_count(s->cfg.store, &n);

	if (r < 0)
		return respond_store_error(res, r, NULL);
	struct json j = respond_json(res, 200);

	json_object_begin(&j);
	json_member_text(&j, "version", GLIM_VERSION);
	json_member_text(&j, "signup", !n ? "first" : s->cfg.signup_open ? "open" : "closed");
	json_member_bool(&j, "token_required", !n && s->token_required);
	json_object_end(&j);
	return 0;
}

/* Add the account as the first one, or as a later one where sign-up is open. The store decides
 * which of two that come at once is the first. */
static int add_account(struct request *req, struct store_account *a, bool token_ok, struct err *e)
{
	struct store *store = req->server->cfg.store;
	bool may_be_first = token_ok || !req->server->token_required;
	int64_t n;
	int r = store_account_count(store, &n);

	if (r < 0)
		return err_sys(e, r, "cannot count the accounts");
	if (!n && !may_be_first)
		return err_set(e, -EACCES,
			       "the first account needs the link that the server printed when it "
			       "started");
	if (!n) {
		a->owner = true;
		r = store_account_add(store, a, true, e);
		if (r != -EPERM)
			return r;
		a->owner = false;
	}
	if (!req->server->cfg.signup_open)
		return err_set(e, -EPERM, "this server takes no new accounts");
	return store_account_add(store, a, false, e);
}

static int check_new_account(struct response *res, const char *email, const char *password,
			     struct store_account *a)
{
	if (!take_email(email, a->email))
		return respond_error(res, 400, "\"email\" must be an e-mail address"), -1;
	if (!password || strlen(password) < SECRET_PASSWORD_MIN ||
	    strlen(password) > SECRET_PASSWORD_MAX)
		return respond_error(res, 400, "\"password\" must have %d to %d bytes",
				     SECRET_PASSWORD_MIN, SECRET_PASSWORD_MAX),
		       -1;
	return 0;
}

int account_add(struct request *req, struct response *res)
{
	cleanup_json_t struct json_t *j = request_json(req, res);
	struct store_account a = {.created = clock_real_ns()};
	struct server *s = req->server;
	struct err e = {};
	unsigned int wait;
	const char *password;
	bool token_ok;
	int r;

	if (!j)
		return 0;
	password = json_text_field(j, "password");
	if (check_new_account(res, json_text_field(j, "email"), password, &a))
		return 0;
	wait = rate_take(&s->rate, &by_address, rate_address(req), clock_mono_ns());
	if (wait)
		return too_many(req, res, wait);
	token_ok = first_token_ok(req, json_text_field(j, "token"));
	r = hash_bounded(s, password, a.password, &e);
	if (!r)
		r = add_account(req, &a, token_ok, &e);
	if (r == -EPERM || r == -EACCES)
		return respond_error(res, 403, "%s", e.msg);
	if (r == -EEXIST)
		return respond_error(res, 409, "there is an account with this address");
	if (r == -ENOMEM)
		return respond_error(res, 503, "%s", e.msg);
	if (r < 0)
		return respond_store_error(res, r, &e);
	if (a.owner)
		store_setting_set(s->cfg.store, FIRST_TOKENS, NULL);
	r = auth_session_start(req, res, a.id, &e);
	if (r < 0)
		return respond_store_error(res, r, &e);
	log_info("account %lld was made%s", (long long)a.id, a.owner ? ": the owner" : "");
	return respond_account(res, 201, &a);
}

/* --- sessions -------------------------------------------------------------------------------- */

int session_add(struct request *req, struct response *res)
{
	cleanup_json_t struct json_t *j = request_json(req, res);
	char email[STORE_EMAIL_MAX + 1];
	struct server *s = req->server;
	struct store_account a = {};
	struct err e = {};
	const char *password, *address = rate_address(req);
	int64_t now = clock_mono_ns();
	unsigned int wait;
	int r;

	if (!j)
		return 0;
	password = json_text_field(j, "password");
	if (!take_email(json_text_field(j, "email"), email) || !password ||
	    strlen(password) > SECRET_PASSWORD_MAX)
		return respond_error(res, 400, "\"email\" and \"password\" are needed");
	wait = rate_take(&s->rate, &by_address, address, now);
	if (!wait)
		wait = rate_take(&s->rate, &by_account, email, now);
	if (wait)
		return too_many(req, res, wait);
	r = store_account_by_email(s->cfg.store, email, &a);
	if (r < 0 && r != -ENOENT)
		return respond_store_error(res, r, NULL);
	/* As much work for an address that nobody has, so that time does not tell. */
	if (!verify_bounded(s, r ? s->dummy_hash : a.password, password) || r)
		return respond_error(res, 401, "the address or the password is wrong");
	rate_give_back(&s->rate, &by_address, address, now);
	rate_give_back(&s->rate, &by_account, email, now);
	r = auth_session_start(req, res, a.id, &e);
	return r < 0 ? respond_store_error(res, r, &e) : respond_account(res, 200, &a);
}

int session_remove(struct request *req, struct response *res)
{
	auth_session_end(req, res);
	res->status = 204;
	return 0;
}

int me_get(struct request *req, struct response *res)
{
	struct store_account a;
	int r = store_account_by_id(req->server->cfg.store, req->caller.account, &a);

	return r < 0 ? respond_store_error(res, r, NULL) : respond_account(res, 200, &a);
}
