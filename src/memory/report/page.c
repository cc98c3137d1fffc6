/* The page that is one file: the run as JSON and the sources that it speaks of, in a page of web/.
 * Names and sources are data to it, in a script of JSON, where `<`, `>` and `&` are escaped. */
#include "base/embed.h"
#include "memory/report/report_priv.h"
#include "process/sources.h"

/* The page, with @TITLE@ and @DATA@ in it: web/src/memory_page.tsx. */
extern const struct embed_file memory_page_files[];

enum {
	PAGE_LINES = 200000, /* of sources, and their bytes: what a browser shows with ease */
	PAGE_SOURCE = 8 << 20,
};

/* More points than a screen is wide. */
static const struct report_limits limits_of_page = {
	.points = 2000, .stacks = 1000, .interned = true};

struct page {
	struct json json;
	struct sources sources;
	struct strtab put; /* files whose sources are in the page */
	size_t lines, bytes;
};

static void put_source(struct page *p, const char *file, const char *path)
{
	const struct source *s = sources_get(&p->sources, file, path);
	struct json *j = &p->json;
	size_t count = strtab_count(&p->put);

	if (strtab_puts(&p->put, file) < count)
		return;
	const char *missing = s->missing;

	if (!missing &&
	    (p->lines + source_lines(s) > PAGE_LINES || p->bytes + s->text.len > PAGE_SOURCE))
		missing = "there are too many sources to show them all";
	json_object_begin(j);
	json_member_text(j, "file", file);
	json_member_bool(j, "changed", s->changed);
	json_member_text(j, "missing", missing ? missing : "");
	json_key(j, "lines");
	json_array_begin(j);
	for (uint32_t i = 1; !missing && i <= source_lines(s); i++) {
		size_t len;
		const char *text = source_line(s, i, &len);

		json_text_n(j, text, len);
		p->bytes += len;
	}
	p->lines += missing ? 0 : source_lines(s);
	json_array_end(j);
	json_object_end(j);
}

/* Files of the stacks that hold a hundredth or more of all: there are a hundred of them at most. */
static void put_sources_of_holders(struct page *p, const struct profile *holders)
{
	enum { MAX_DEPTH = 64 };
	uint32_t frames[MAX_DEPTH];
	int64_t least = holders ? MAX(profile_total_value(holders) / 100, (int64_t)1) : 0;

	for (size_t i = 0; holders && i < holders->samples.len; i++) {
		const struct profile_sample *s = &holders->samples.data[i];
		size_t depth =
			s->value < least ? 0 : profile_unroll(holders, s->stack, frames, MAX_DEPTH);

		for (size_t k = 0; k < MIN(depth, (size_t)MAX_DEPTH); k++) {
			uint32_t function = holders->frames.data[frames[k]].function;
			const char *file =
				profile_text(holders, holders->functions.data[function].file);

			if (*file && *file != '<')
				put_source(p, file, file);
		}
	}
}

static void put_sources(struct page *p, const struct memory_run *run)
{
	bool marked = report_marked(run);

	json_key(&p->json, "sources");
	json_array_begin(&p->json);
	for (size_t i = 0; i < run->processes.len; i++) {
		const struct memory_process *one = &run->processes.data[i];

		for (size_t k = 0; k < one->nfunctions; k++)
			if (report_shows(marked, &one->functions[k]))
				put_source(p, one->functions[k].file, one->functions[k].path);
		put_sources_of_holders(p, one->at_peak);
		put_sources_of_holders(p, one->leaks);
	}
	json_array_end(&p->json);
}

/* Up to the marker, which what follows takes the place of. */
static const char *put_until(struct buf *out, const char *at, const char *marker)
{
	const char *found = strstr(at, marker);

	CHECK(found);
	buf_append(out, at, (size_t)(found - at));
	return found + strlen(marker);
}

void memory_report_html(const struct memory_run *run, struct buf *out)
{
	struct page p = {.json.out = out, .sources.start_ns = run->start_ns};
	const char *at = put_until(out, memory_page_files[0].data, "@TITLE@");

	buf_puts(out, "Memory by line - Glim");
	at = put_until(out, at, "@DATA@");
	json_object_begin(&p.json);
	report_put_run(&p.json, run, limits_of_page);
	put_sources(&p, run);
	json_object_end(&p.json);
	buf_puts(out, at);
	sources_fini(&p.sources);
	strtab_fini(&p.put);
}
