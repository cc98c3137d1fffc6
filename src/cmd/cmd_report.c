/* glim report: what a profile file says, as tables; or the same profile in another format. */
#include "cmd/cmd.h"

#include <unistd.h>

#include "base/io.h"
#include "base/json.h"
#include "cmd/input.h"
#include "cmd/options.h"
#include "cmd/output.h"
#include "cmd/table.h"
#include "profile/filter.h"
#include "profile/top.h"
#include "sink/file.h"

enum { MAX_ROWS = 1000000 };

struct report_options {
	const char *lines, *callers, *callees, *by, *sort, *filter, *type, *rows, *json, *output,
		*format;
};
struct report {
	const struct report_options *o;
	struct profile *p;
	struct functions functions;
	top_rows rows;
	unsigned int max; /* rows to show */
	int64_t total, samples;
};

/* --- what is asked for -------------------------------------------------------------------------
 */

static int call_rows(struct report *r, struct err *e)
{
	const char *name = r->o->callers ? r->o->callers : r->o->callees;
	cleanup_free bool *chosen = mem_calloc(r->functions.list.len, sizeof(bool));

	if (!filter_functions(&r->functions, name, chosen))
		return err_set(e, -ENOENT, "no function has \"%.100s\" in its name", name);
	return r->o->callers ? top_callers(&r->functions, chosen, NULL, &r->rows, e)
			     : top_callees(&r->functions, chosen, NULL, &r->rows, e);
}

static int make_rows(struct report *r, struct err *e)
{
	bool calls = r->o->callers || r->o->callees;
	bool total = r->o->sort ? !strcmp(r->o->sort, "total") : calls;
	int code = calls	 ? call_rows(r, e)
		   : r->o->lines ? top_lines(&r->functions, NULL, &r->rows, e)
				 : top_functions(&r->functions, NULL, &r->rows, e);

	if (code >= 0)
		top_sort(&r->functions, total ? TOP_BY_TOTAL : TOP_BY_SELF, &r->rows);
	return code;
}

struct label_row {
	const char *value;
	int64_t total;
	int64_t samples;
};
typedef VEC(struct label_row) label_rows;

static int compare_labels(const void *pa, const void *pb)
{
	const struct label_row *a = pa, *b = pb;

	if (a->total != b->total)
		return a->total < b->total ? 1 : -1;
	return strcmp(a->value, b->value);
}

/* The values of a label, the heaviest first. */
static void count_labels(const struct profile *p, const char *key, label_rows *ret)
{
	struct map64 known = {}; /* text -> row; texts are interned, so that one has one address */

	for (size_t i = 0; i < p->samples.len; i++) {
		const struct profile_sample *s = &p->samples.data[i];
		const char *value = profile_label_value(p, s->labels, key);
		uint64_t *at = map64_get(&known, (uintptr_t)value);

		if (!at) {
			map64_set(&known, (uintptr_t)value, ret->len);
			vec_push(ret, (struct label_row){.value = value ? value : "(none)"});
			at = map64_get(&known, (uintptr_t)value);
		}
		ret->data[*at].total += s->value;
		if (__builtin_add_overflow(ret->data[*at].samples, s->count,
					   &ret->data[*at].samples))
			ret->data[*at].samples = INT64_MAX;
	}
	map64_fini(&known);
	if (ret->len)
		qsort(ret->data, ret->len, sizeof(*ret->data), compare_labels);
}

/* --- text --------------------------------------------------------------------------------------
 */

static void put_amount(struct table *t, int64_t v, const char *unit)
{
	cleanup_buf struct buf b = {};

	amount_put(&b, v, unit);
	table_put(t, buf_cstr(&b));
}

static void put_head(const struct report *r, struct buf *out)
{
	buf_printf(out, "%s: ", r->p->type);
	amount_put(out, r->total, r->p->unit);
	if (strcmp(r->p->unit, "count")) {
		buf_puts(out, " in ");
		amount_put(out, r->samples, "count");
		buf_puts(out, " samples");
	} else {
		buf_puts(out, " samples");
	}
	if (r->p->duration_ns > 0) {
		buf_puts(out, " of ");
		amount_put(out, r->p->duration_ns, "nanoseconds");
	}
	buf_puts(out, "\n\n");
}

static void put_function(struct table *t, const struct report *r, const struct top_row *row)
{
	const struct profile *p = r->p;
	cleanup_buf struct buf place = {};

	if (row->function == TOP_OUTERMOST) {
		table_put_name(t, "(outermost)", NULL, TABLE_DIM);
		return;
	}
	const struct profile_function *f = &r->functions.list.data[row->function].f;
	uint32_t line = row->line ? row->line : r->o->lines ? 0 : f->start_line;

	if (f->file)
		buf_puts(&place, path_last(profile_text(p, f->file)));
	else if (f->kind == FRAME_KERNEL)
		buf_puts(&place, "[kernel]");
	else if (f->module && f->name)
		buf_puts(&place, profile_text(p, f->module));
	if (f->file && line)
		buf_printf(&place, ":%u", line);
	table_put_name(t, functions_name(&r->functions, row->function),
		       place.len ? buf_cstr(&place) : NULL,
		       f->kind == FRAME_MARK ? TABLE_DIM : TABLE_PLAIN);
}

static void put_more(size_t left, struct buf *out)
{
	if (left)
		buf_printf(out, "and %zu more: -n 0 shows all\n", left);
}

static void text_rows(const struct report *r, struct table_look look, struct buf *out)
{
	static const char *titles[] = {"self", "%", "total", "%", "function"};
	cleanup(table_fini) struct table t = {.titles = titles, .columns = ARRAY_SIZE(titles)};
	size_t n = MIN(r->rows.len, (size_t)r->max);

	titles[4] = r->o->callers   ? "called by"
		    : r->o->callees ? "calls"
		    : r->o->lines   ? "line"
				    : "function";
	for (size_t i = 0; i < n; i++) {
		const struct top_row *row = &r->rows.data[i];

		put_amount(&t, row->self, r->p->unit);
		table_put_share(&t, row->self, r->total);
		put_amount(&t, row->total, r->p->unit);
		table_put_share(&t, row->total, r->total);
		put_function(&t, r, row);
	}
	table_print(&t, look, out);
	put_more(r->rows.len - n, out);
}

static void text_labels(const struct report *r, const label_rows *rows, struct table_look look,
			struct buf *out)
{
	const char *titles[] = {"total", "%", "samples", r->o->by};
	cleanup(table_fini) struct table t = {.titles = titles, .columns = ARRAY_SIZE(titles)};
	size_t n = MIN(rows->len, (size_t)r->max);

	for (size_t i = 0; i < n; i++) {
		put_amount(&t, rows->data[i].total, r->p->unit);
		table_put_share(&t, rows->data[i].total, r->total);
		put_amount(&t, rows->data[i].samples, "count");
		table_put_name(&t, rows->data[i].value, NULL, TABLE_PLAIN);
	}
	table_print(&t, look, out);
	put_more(rows->len - n, out);
}

/* --- JSON --------------------------------------------------------------------------------------
 */

static void json_function(struct json *j, const struct report *r, const struct top_row *row)
{
	if (row->function == TOP_OUTERMOST) {
		json_key(j, "function");
		json_none(j);
		return;
	}
	const struct profile_function *f = &r->functions.list.data[row->function].f;

	json_member_text(j, "function", functions_name(&r->functions, row->function));
	json_member_text(j, "file", profile_text(r->p, f->file));
	json_member_text(j, "module", profile_text(r->p, f->module));
	json_member_int(j, "start_line", f->start_line);
	if (r->o->lines)
		json_member_int(j, "line", row->line);
	json_member_text(j, "kind", frame_kind_name(f->kind));
}

static void json_report(const struct report *r, const label_rows *labels, struct buf *out)
{
	struct json j = {.out = out};

	json_object_begin(&j);
	json_member_text(&j, "type", r->p->type);
	json_member_text(&j, "unit", r->p->unit);
	json_member_int(&j, "total", r->total);
	json_member_int(&j, "samples", r->samples);
	json_member_int(&j, "time_ns", r->p->time_ns);
	json_member_int(&j, "duration_ns", r->p->duration_ns);
	json_key(&j, "rows");
	json_array_begin(&j);
	for (size_t i = 0; i < MIN(labels->len, (size_t)r->max); i++) {
		json_object_begin(&j);
		json_member_text(&j, r->o->by, labels->data[i].value);
		json_member_int(&j, "total", labels->data[i].total);
		json_member_int(&j, "samples", labels->data[i].samples);
		json_object_end(&j);
	}
	for (size_t i = 0; i < MIN(r->rows.len, (size_t)r->max); i++) {
		json_object_begin(&j);
		json_function(&j, r, &r->rows.data[i]);
		json_member_int(&j, "self", r->rows.data[i].self);
		json_member_int(&j, "total", r->rows.data[i].total);
		json_object_end(&j);
	}
	json_array_end(&j);
	json_object_end(&j);
	buf_putc(out, '\n');
}

/* --- the command -------------------------------------------------------------------------------
 */

static int convert(const struct report *r, const struct format *f, struct err *e)
{
	return file_write(f, r->p, r->o->output ? r->o->output : "-", e);
}

static int show(struct report *r, struct err *e)
{
	cleanup_buf struct buf out = {};
	struct table_look look = table_look(STDOUT_FILENO);
	label_rows labels = {};
	int code = 0;

	functions_init(&r->functions, r->p);
	r->total = profile_total_value(r->p);
	r->samples = profile_total_count(r->p);
	if (r->o->by)
		count_labels(r->p, r->o->by, &labels);
	else
		code = make_rows(r, e);
	if (code >= 0 && r->o->json)
		json_report(r, &labels, &out);
	else if (code >= 0) {
		put_head(r, &out);
		if (r->o->by)
			text_labels(r, &labels, look, &out);
		else
			text_rows(r, look, &out);
	}
	vec_fini(&labels);
	if (code < 0)
		return code;
	code = io_write_all(STDOUT_FILENO, out.data, out.len);
	return code < 0 ? err_sys(e, code, "cannot write to standard output") : 0;
}

static int run(struct report *r, const char *path, const struct format *f, struct err *e)
{
	int code = f ? output_check(f, r->o->output ? r->o->output : "-", e) : 0;

	if (code >= 0)
		code = input_read(path, r->o->type, &r->p, e);
	if (code >= 0)
		code = profile_check_values(r->p, e);
	if (code < 0)
		return code;
	if (r->o->filter && !filter_samples(r->p, r->o->filter))
		return err_set(e, -ENOENT, "no sample has \"%.100s\"", r->o->filter);
	return f ? convert(r, f, e) : show(r, e);
}

static int check_options(const struct report_options *o, int operands, struct report *r,
			 const struct format **ret_f, struct err *e)
{
	if (operands != 1)
		return err_set(e, -EINVAL,
			       operands ? "one file at a time: glim diff compares two"
					: "which file? - is standard input");
	if (!!o->lines + !!o->callers + !!o->callees + !!o->by > 1)
		return err_set(e, -EINVAL,
			       "only one of --lines, --callers, --callees and --by at a time");
	if (o->sort && strcmp(o->sort, "self") && strcmp(o->sort, "total"))
		return err_set(e, -EINVAL, "--sort takes self or total");
	int code = options_number("-n", o->rows, 0, MAX_ROWS, &r->max, e);

	r->max = r->max ? r->max : UINT32_MAX;
	if (!code && (o->output || o->format))
		code = output_format(o->format, o->output ? o->output : "-", ret_f, e);
	return code;
}

int cmd_report(int argc, char **argv)
{
	struct report_options o = {.rows = "25"};
	struct arena memory = {};
	const char *format =
		arena_printf(&memory, "of OUT (what its name says): %s", output_formats(&memory));
	const struct option_spec specs[] = {
		{"lines", 'l', NULL, "lines of the sources instead of functions", &o.lines},
		{"callers", 0, "FUNC", "who calls it", &o.callers},
		{"callees", 0, "FUNC", "whom it calls", &o.callees},
		{"by", 0, "LABEL", "shares of process, pid, thread or another label", &o.by},
		{"filter", 0, "WHAT", "only samples with this function, or LABEL=VALUE", &o.filter},
		{"sort", 's', "ORDER", "self or total", &o.sort},
		{"number", 'n', "N", "rows to show (25); 0: all", &o.rows},
		{"type", 't', "TYPE", "which profile of the file (the first): cpu, wall, ...",
		 &o.type},
		{"json", 0, NULL, "for programs", &o.json},
		{"output", 'o', "OUT", "write the profile to this file instead", &o.output},
		{"format", 'f', "FORMAT", format, &o.format},
	};
	const struct option_table table = {
		.command = "report",
		.usage = "FILE [OPTION...]",
		.about = "Says where the time of a profile went: functions by self (in their own "
			 "code)\nand total (with what they call). - is standard input.",
		.examples =
			"  glim report cpu.pb.gz\n"
			"  glim report cpu.pb.gz --callers json.loads --filter process=python3\n"
			"  glim report cpu.pb.gz -o cpu.speedscope.json\n",
		.specs = specs,
		.n = ARRAY_SIZE(specs),
		.mixed = true};
	const struct format *f = NULL;
	struct report r = {.o = &o};
	struct err e = {};
	int status = 2, operand = options_parse(&table, argc, argv, &memory, &status);

	if (operand >= 0 && check_options(&o, argc - operand, &r, &f, &e)) {
		status = cmd_usage_error("report", "%s", e.msg);
	} else if (operand >= 0) {
		status = run(&r, argv[operand], f, &e) < 0;
		if (status)
			fprintf(stderr, "glim report: %s\n", e.msg);
	}
	vec_fini(&r.rows);
	functions_fini(&r.functions);
	profile_free(r.p);
	arena_fini(&memory);
	return status;
}
