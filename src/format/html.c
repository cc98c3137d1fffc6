/* A page that is one file: the flame graph, table and search of Glim's page with the profile
 * inside. It asks no host for anything; names are data to it, in a script of JSON, where `<`, `>`
 * and `&` are escaped. Written only. */
#include "format/html.h"

#include "base/embed.h"
#include "base/json.h"
#include "format/flame_columns.h"
#include "format/format.h"

/* The page, with @TITLE@ and @DATA@ in it: web/src/standalone.html. */
extern const struct embed_file standalone_files[];

/* What a screen can tell apart, several times over: the page cannot ask for more. */
enum { NODES_MAX = 200000 };
#define MIN_SHARE 2e-5

/* What a tree is of, and what the page says of it. */
static void put_facts(struct json *j, const struct profile *p, const struct tree *t,
		      const char *service)
{
	int64_t samples = profile_total_count(p), end = 0;

	if (__builtin_add_overflow(p->time_ns, p->duration_ns, &end))
		end = p->time_ns;
	json_member_text(j, "service", service);
	json_member_text(j, "type", p->type);
	json_member_text(j, "unit", p->unit);
	json_member_double(j, "from", (double)p->time_ns / NSEC_PER_SEC);
	json_member_double(j, "until", (double)end / NSEC_PER_SEC);
	/* Amounts are said as time, not as cores: a recording is looked at by itself. */
	json_member_double(j, "seconds", 0);
	json_member_int(j, "total", t->total);
	json_member_int(j, "samples", samples);
	json_member_double(j, "period", samples > 0 ? (double)t->total / (double)samples : 0);
	json_member_double(j, "truncated_stacks",
			   t->total > 0 ? (double)t->cut / (double)t->total : 0);
}

/* Up to the marker, which what follows takes the place of. */
static const char *put_until(struct buf *out, const char *at, const char *marker)
{
	const char *found = strstr(at, marker);

	CHECK(found);
	buf_append(out, at, (size_t)(found - at));
	return found + strlen(marker);
}

/* The page up to its data; returns what stands behind. */
static const char *put_head(struct buf *out, const char *type, const char *what)
{
	const char *at = put_until(out, standalone_files[0].data, "@TITLE@");

	/* Types are words of letters and _: nothing to escape. */
	for (const char *c = type; *c; c++)
		if (strchr("abcdefghijklmnopqrstuvwxyz_", *c))
			buf_putc(out, *c);
	buf_printf(out, " %s - Glim", what);
	return put_until(out, at, "@DATA@");
}

static int html_write(const struct profile *p, struct buf *out, struct err *e)
{
	cleanup(tree_fini) struct tree t = {};
	int r = tree_build(p, MIN_SHARE, NODES_MAX, &t, e);
	struct json j = {.out = out};

	if (r < 0)
		return r;
	const char *rest = put_head(out, p->type, "profile");

	json_object_begin(&j);
	put_facts(&j, p, &t, "the recording");
	flame_columns_put(&j, &t);
	json_object_end(&j);
	buf_puts(out, rest);
	return 0;
}

int html_write_diff(const struct diff *d, bool absolute, struct buf *out, struct err *e)
{
	cleanup(tree_fini) struct tree t = {};
	/* The shorter of the two keeps its narrow frames, too. */
	double both = (double)d->before + (double)d->after, less = (double)MIN(d->before, d->after);
	double min_share = MIN_SHARE * (less > 0 ? less / both : 1);
	int r = tree_build_part(d->joined, d->before_values, min_share, NODES_MAX, &t, e);
	struct json j = {.out = out};

	if (r < 0)
		return r;
	const char *rest = put_head(out, d->joined->type, "diff");

	json_object_begin(&j);
	put_facts(&j, d->joined, &t, "both recordings");
	json_member_int(&j, "total_before", d->before);
	json_member_int(&j, "samples_before", diff_count_before(d));
	json_member_bool(&j, "absolute", absolute);
	flame_columns_put(&j, &t);
	json_object_end(&j);
	buf_puts(out, rest);
	return 0;
}

static bool html_detect(const void *data, size_t n)
{
	static const char start[] = "<!doctype html>";

	return n >= sizeof(start) - 1 && !memcmp(data, start, sizeof(start) - 1);
}

const struct format format_html = {
	.name = "html",
	.suffix = ".html",
	.mime = "text/html; charset=utf-8",
	.detect = html_detect,
	.write = html_write,
};
