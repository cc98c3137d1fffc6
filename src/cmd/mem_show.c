#include "cmd/mem_show.h"

#include "cmd/options.h"
#include "cmd/output.h"
#include "sink/file.h"

enum {
	MAX_PRECISION = 9,
	MAX_ROWS = 1000000,
	DEFAULT_ROWS = 20,
	DEFAULT_STACKS = 10000, /* in JSON */
	DEFAULT_PRECISION = 3,
};

static int read_numbers(struct mem_show *s, struct err *e)
{
	int code = 0;

	s->how = (struct memory_report){
		.precision = DEFAULT_PRECISION, .own = s->own, .peak = s->peak_in_line};
	s->max_rows = s->json ? DEFAULT_STACKS : DEFAULT_ROWS;
	if (s->precision)
		code = options_number("--precision", s->precision, 0, MAX_PRECISION,
				      &s->how.precision, e);
	if (!code && s->rows)
		code = options_number("-n", s->rows, 0, MAX_ROWS, &s->max_rows, e);
	s->max_rows = s->max_rows ? s->max_rows : UINT32_MAX;
	return code;
}

static bool is_text(const char *path)
{
	size_t n = strlen(path);

	return !strcmp(path, "-") || (n > 4 && !strcmp(path + n - 4, ".txt"));
}

/* The file of --output: text and JSON may have any name; a profile is in the format that it says.
 */
static int check_output(struct mem_show *s, struct err *e)
{
	if (!s->output)
		return 0;
	if ((s->peak || s->leaks) && !s->json && !is_text(s->output)) {
		if (s->peak && s->leaks)
			return err_set(e, -EINVAL, "one profile a file: --peak or --leaks");
		int code = output_format(NULL, s->output, &s->format, e);

		return code ? code : output_check(s->format, s->output, e);
	}
	return file_check(s->output, e);
}

int mem_show_check(struct mem_show *s, struct err *e)
{
	int code = read_numbers(s, e);

	if (!code)
		code = check_output(s, e);
	if (!code && s->html)
		code = file_check(s->html, e);
	if (!code && s->plot)
		code = file_check(s->plot, e);
	return code;
}

/* --- profiles -----------------------------------------------------------------------------------
 */

/* Of all processes together, apart or not; NULL where there is none. */
static struct profile *join(const struct memory_run *run, bool leaks, bool apart)
{
	static const char *const nothing[] = {NULL};
	struct profile *all = NULL;

	for (size_t i = 0; i < run->processes.len; i++) {
		const struct memory_process *p = &run->processes.data[i];
		const struct profile *one = leaks ? p->leaks : p->at_peak;

		if (!one)
			continue;
		if (!all)
			all = profile_new(one->type, one->unit, one->period);
		profile_merge(all, one, apart ? NULL : nothing, 0, NULL);
	}
	if (all)
		all->period = 1; /* each byte counts where a format has one number only */
	return all;
}

static int put_holders(const struct mem_show *s, const struct memory_run *run, bool leaks,
		       struct buf *out, struct err *e)
{
	cleanup_profile struct profile *p = join(run, leaks, s->format);

	if (!p)
		return err_set(e, -ENOENT, "no process kept account of its blocks");
	if (s->format)
		return s->format->write(p, out, e);
	memory_report_holders(p, leaks ? "never freed" : "at the peak", s->max_rows, out);
	return 0;
}

/* --- all of it ----------------------------------------------------------------------------------
 */

static int put_main(const struct mem_show *s, const struct memory_run *run, struct buf *out,
		    struct err *e)
{
	int code = 0;

	if (s->json) {
		memory_report_json(run, s->max_rows, out);
	} else if (s->peak || s->leaks) {
		if (s->peak)
			code = put_holders(s, run, false, out, e);
		if (!code && s->peak && s->leaks)
			buf_putc(out, '\n');
		if (!code && s->leaks)
			code = put_holders(s, run, true, out, e);
	} else if (s->output || !(s->html || s->plot)) {
		memory_report_text(run, &s->how, out);
		memory_report_growth(run, s->max_rows, out);
	}
	return code;
}

static int write_one(void (*put)(const struct memory_run *, struct buf *),
		     const struct memory_run *run, const char *path, struct err *e)
{
	cleanup_buf struct buf out = {};

	put(run, &out);
	return file_write_bytes(out.data, out.len, path, e);
}

static void say(const struct mem_show *s, const struct memory_run *run)
{
	cleanup_buf struct buf out = {};

	memory_report_summary(run, &s->how, &out);
	for (const char *line = buf_cstr(&out), *end; *line; line = end + 1) {
		end = strchr(line, '\n');
		fprintf(stderr, "glim mem: %.*s\n", (int)(end - line), line);
	}
	if (s->html)
		fprintf(stderr, "glim mem: the page is in %s\n", s->html);
	else if (!s->json && !s->plot && !s->output && !s->peak && !s->leaks)
		fputs("glim mem: --html FILE shows it as a page, with memory over time\n", stderr);
}

int mem_show(const struct mem_show *s, const struct memory_run *run, struct err *e)
{
	cleanup_buf struct buf out = {};
	int code = put_main(s, run, &out, e);

	if (!code && out.len)
		code = file_write_bytes(out.data, out.len, s->output ? s->output : "-", e);
	if (!code && s->html)
		code = write_one(memory_report_html, run, s->html, e);
	if (!code && s->plot)
		code = write_one(memory_report_plot, run, s->plot, e);
	say(s, run);
	return code;
}
