#include "server/query.h"

#include "base/clock.h"
#include "server/server_priv.h"

enum { REGEX_MAX = 256, DIGITS_MAX = 12 };

/* Up to 10 digits of seconds and 9 behind the point. */
static int parse_seconds(const char *text, int64_t *ret_ns)
{
	size_t whole = strspn(text, "0123456789"), part = 0;
	int64_t ns = 0, unit = NSEC_PER_SEC;

	if (!whole || whole > 10)
		return -EINVAL;
	for (size_t i = 0; i < whole; i++)
		ns = ns * 10 + (text[i] - '0');
	/* The year 2262 is where 64 bits of nanoseconds end. */
	if (ns > INT64_MAX / NSEC_PER_SEC - 1)
		return -EINVAL;
	ns *= NSEC_PER_SEC;
	text += whole;
	if (*text == '.')
		part = strspn(++text, "0123456789");
	for (size_t i = 0; i < part; i++) {
		unit /= 10;
		ns += (text[i] - '0') * unit;
	}
	if (text[part])
		return -EINVAL;
	*ret_ns = ns;
	return 0;
}

int query_time(const char *text, int64_t now, int64_t *ret_ns)
{
	static const char units[] = "smhdw";
	static const int64_t seconds[] = {1, 60, 3600, 86400, 7 * 86400};
	size_t digits;
	const char *unit;
	int64_t n = 0, ns;

	if (strncmp(text, "now", 3))
		return parse_seconds(text, ret_ns);
	text += 3;
	if (!*text) {
		*ret_ns = now;
		return 0;
	}
	digits = *text == '-' ? strspn(text + 1, "0123456789") : 0;
	if (!digits || digits > 9 || !text[1 + digits] || text[2 + digits])
		return -EINVAL;
	unit = strchr(units, text[1 + digits]);
	for (size_t i = 0; i < digits; i++)
		n = n * 10 + (text[1 + i] - '0');
	if (!unit || __builtin_mul_overflow(n, seconds[unit - units] * NSEC_PER_SEC, &ns) ||
	    ns > now)
		return -EINVAL;
	*ret_ns = now - ns;
	return 0;
}

int query_filter(char *text, struct store_filter *ret_f)
{
	size_t n = strcspn(text, "=!");
	char op = text[n], next = op ? text[n + 1] : '\0';
	enum store_match match = MATCH_EQ;
	size_t skip = 1;

	if (!n || !op || (op == '!' && next != '=' && next != '~'))
		return -EINVAL;
	if (op == '!' || next == '~') {
		skip = 2;
		match = op == '=' ? MATCH_RE : next == '~' ? MATCH_NRE : MATCH_NE;
	}
	text[n] = '\0';
	*ret_f = (struct store_filter){text, match, text + n + skip};
	return 0;
}

bool query_number(struct request *req, struct response *res, const char *name, int64_t min,
		  int64_t max, int64_t fallback, int64_t *ret_n)
{
	const char *text = request_param(req, name);
	int64_t n;

	if (!text || !*text) {
		*ret_n = fallback;
		return true;
	}
	if (strlen(text) <= DIGITS_MAX && strspn(text, "0123456789") == strlen(text)) {
		n = strtoll(text, NULL, 10);
		if (n >= min && n <= max) {
			*ret_n = n;
			return true;
		}
	}
	respond_error(res, 400, "\"%s\" must be a whole number from %lld to %lld", name,
		      (long long)min, (long long)max);
	return false;
}

static bool parse_range(struct request *req, struct response *res, struct store_query *q)
{
	const char *from = request_param(req, "from"), *until = request_param(req, "until");
	int64_t now = clock_real_ns();

	if (query_time(from && *from ? from : "now-1h", now, &q->from)) {
		respond_error(res, 400, "\"from\" must be Unix seconds, now, or like now-15m");
		return false;
	}
	if (query_time(until && *until ? until : "now", now, &q->until)) {
		respond_error(res, 400, "\"until\" must be Unix seconds, now, or like now-15m");
		return false;
	}
	if (q->from >= q->until) {
		respond_error(res, 400, "\"from\" must be before \"until\"");
		return false;
	}
	return true;
}

static bool parse_filters(struct request *req, struct response *res, struct store_query *q)
{
	struct store_filter *filters =
		arena_array(&req->arena, struct store_filter, req->nparams + 1);

	q->filters = filters;
	for (size_t i = 0; i < req->nparams; i++) {
		const struct http_pair *p = &req->params[i];
		struct store_filter *f = &filters[q->nfilters];

		if (strcmp(p->name, "filter") || !*p->value)
			continue;
		if (query_filter(arena_strdup(&req->arena, p->value), f)) {
			respond_error(res, 400,
				      "\"filter\" must be label=value, label!=value, label=~regex "
				      "or label!~regex, not \"%.100s\"",
				      p->value);
			return false;
		}
		if ((f->match == MATCH_RE || f->match == MATCH_NRE) &&
		    strlen(f->value) > REGEX_MAX) {
			respond_error(res, 400, "a regular expression may have %d bytes",
				      REGEX_MAX);
			return false;
		}
		q->nfilters++;
	}
	return true;
}

bool query_parse(struct request *req, struct response *res, struct store_query *ret_q)
{
	const char *service = request_param(req, "service"), *type = request_param(req, "type");
	struct store_query q = {.tenant = req->caller.tenant, .service = service};

	q.type = type && *type ? type : "cpu";
	if (!service || !*service) {
		respond_error(res, 400, "\"service\" is missing");
		return false;
	}
	if (strlen(q.type) > 15 ||
	    strspn(q.type, "abcdefghijklmnopqrstuvwxyz0123456789_-.") != strlen(q.type)) {
		respond_error(res, 400, "\"type\" is not a type of profile");
		return false;
	}
	if (!parse_range(req, res, &q) || !parse_filters(req, res, &q))
		return false;
	*ret_q = q;
	return true;
}

int64_t query_begin(void)
{
	return clock_mono_ns();
}

void query_end(struct request *req, int64_t begun)
{
	stats_add(&req->server->stats.queries, 1);
	stats_add(&req->server->stats.query_ns, (uint64_t)(clock_mono_ns() - begun));
}
