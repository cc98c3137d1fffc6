/* glim diff: what changed between two profile files. */
#include "cmd/cmd.h"

#include <unistd.h>

#include "base/json.h"
#include "cmd/input.h"
#include "cmd/options.h"
#include "cmd/table.h"
#include "format/format.h"
#include "format/html.h"
#include "profile/diff.h"
#include "profile/filter.h"
#include "sink/file.h"

enum { MAX_ROWS = 1000000 };

struct diff_options {
	const char *absolute, *sort, *filter, *type, *rows, *json, *output;
};
struct comparison {
	const struct diff_options *o;
	struct diff diff;
	diff_rows rows;
	unsigned int max; /* rows to show */
	bool total;
};

static void put_side(const struct comparison *c, struct table *t, const struct diff_side *s,
		     int64_t whole)
{
	int64_t v = c->total ? s->total : s->self;
	cleanup_buf struct buf b = {};

	if (!c->o->absolute) {
		table_put_share(t, v, whole);
		return;
	}
	amount_put(&b, v, c->diff.joined->unit);
	table_put(t, buf_cstr(&b));
}

static void put_change(const struct comparison *c, struct table *t, const struct diff_row *row)
{
	double change = diff_change(&c->diff, row, c->total, c->o->absolute);
	cleanup_buf struct buf b = {};

	if (change > 0)
		buf_putc(&b, '+');
	if (c->o->absolute)
		amount_put(&b, (int64_t)change, c->diff.joined->unit);
	else
		buf_printf(&b, "%.1f", 100 * change);
	table_put_styled(t, buf_cstr(&b),
			 change > 0   ? TABLE_MORE
			 : change < 0 ? TABLE_LESS
				      : TABLE_PLAIN);
}

static void put_text_table(const struct comparison *c, struct buf *out)
{
	const char *titles[] = {"before", "after", "change", "",
				c->total ? "function, by total" : "function, by self"};
	cleanup(table_fini) struct table t = {.titles = titles, .columns = ARRAY_SIZE(titles)};
	size_t n = MIN(c->rows.len, (size_t)c->max);

	buf_printf(out, "%s: ", c->diff.joined->type);
	amount_put(out, c->diff.before, c->diff.joined->unit);
	buf_puts(out, " before, ");
	amount_put(out, c->diff.after, c->diff.joined->unit);
	buf_printf(out, " after%s\n\n", c->o->absolute ? "" : "; shares in per cent of each");
	for (size_t i = 0; i < n; i++) {
		const struct diff_row *row = &c->rows.data[i];

		put_side(c, &t, &row->before, c->diff.before);
		put_side(c, &t, &row->after, c->diff.after);
		put_change(c, &t, row);
		table_put_styled(&t,
				 !row->before.total  ? "new"
				 : !row->after.total ? "gone"
						     : "",
				 TABLE_DIM);
		table_put_name(&t, functions_name(&c->diff.functions, row->function), NULL,
			       TABLE_PLAIN);
	}
	table_print(&t, table_look(STDOUT_FILENO), out);
	if (c->rows.len > n)
		buf_printf(out, "and %zu more: -n 0 shows all\n", c->rows.len - n);
}

static void put_json_side(struct json *j, const char *key, const struct diff_side *s)
{
	json_key(j, key);
	json_object_begin(j);
	json_member_int(j, "self", s->self);
	json_member_int(j, "total", s->total);
	json_object_end(j);
}

static void put_json(const struct comparison *c, struct buf *out)
{
	struct json j = {.out = out};

	json_object_begin(&j);
	json_member_text(&j, "type", c->diff.joined->type);
	json_member_text(&j, "unit", c->diff.joined->unit);
	json_member_int(&j, "before", c->diff.before);
	json_member_int(&j, "after", c->diff.after);
	json_key(&j, "rows");
	json_array_begin(&j);
	for (size_t i = 0; i < MIN(c->rows.len, (size_t)c->max); i++) {
		const struct diff_row *row = &c->rows.data[i];
		const struct profile_function *f = &c->diff.functions.list.data[row->function].f;

		json_object_begin(&j);
		json_member_text(&j, "function", functions_name(&c->diff.functions, row->function));
		json_member_text(&j, "file", profile_text(c->diff.joined, f->file));
		json_member_double(&j, "change",
				   diff_change(&c->diff, row, c->total, c->o->absolute));
		put_json_side(&j, "before", &row->before);
		put_json_side(&j, "after", &row->after);
		json_object_end(&j);
	}
	json_array_end(&j);
	json_object_end(&j);
	buf_putc(out, '\n');
}

static int read_side(const struct comparison *c, const char *path, struct profile **ret_p,
		     struct err *e)
{
	int r = input_read(path, c->o->type, ret_p, e);

	if (r >= 0 && c->o->filter)
		filter_samples(*ret_p, c->o->filter);
	return r;
}

/* Into a file: the page of Glim, or the lines that other tools draw. */
static int write_stacks(const struct comparison *c, const char *path, struct err *e)
{
	cleanup_buf struct buf out = {};
	const struct format *f = format_by_file_name(path);
	int r = 0;

	if (f == &format_html)
		r = html_write_diff(&c->diff, c->o->absolute, &out, e);
	else
		diff_put_folded(&c->diff, &out);
	return r < 0 ? r : file_write_bytes(out.data, out.len, path, e);
}

static int run(struct comparison *c, char **paths, struct err *e)
{
	cleanup_profile struct profile *before = NULL, *after = NULL;
	cleanup_buf struct buf out = {};
	const char *path = c->o->output ? c->o->output : "-";
	int r = file_check(path, e);

	if (r >= 0)
		r = read_side(c, paths[0], &before, e);
	if (r >= 0)
		r = read_side(c, paths[1], &after, e);
	if (r >= 0)
		r = diff_init(&c->diff, before, after, e);
	if (r < 0)
		return r;
	if (c->o->output)
		return write_stacks(c, path, e);
	r = diff_functions(&c->diff, &c->rows, e);
	if (r < 0)
		return r;
	diff_sort(&c->diff, c->total, c->o->absolute, &c->rows);
	if (c->o->json)
		put_json(c, &out);
	else
		put_text_table(c, &out);
	return file_write_bytes(out.data, out.len, "-", e);
}

static int check_options(int operands, struct comparison *c, struct err *e)
{
	const struct diff_options *o = c->o;

	if (operands != 2)
		return err_set(e, -EINVAL, "which two files?");
	if (o->sort && strcmp(o->sort, "self") && strcmp(o->sort, "total"))
		return err_set(e, -EINVAL, "--sort takes self or total");
	const struct format *f = o->output ? format_by_file_name(o->output) : NULL;

	if (f && f != &format_html && f != &format_folded)
		return err_set(e, -EINVAL,
			       "two profiles are written as .html or as text, not as %s", f->name);
	c->total = o->sort && !strcmp(o->sort, "total");
	int r = options_number("-n", o->rows, 0, MAX_ROWS, &c->max, e);

	c->max = c->max ? c->max : UINT32_MAX;
	return r;
}

int cmd_diff(int argc, char **argv)
{
	struct diff_options o = {.rows = "25"};
	const struct option_spec specs[] = {
		{"absolute", 'a', NULL, "amounts as they are, not as shares of each", &o.absolute},
		{"sort", 's', "ORDER", "self (default) or total", &o.sort},
		{"filter", 0, "WHAT", "only samples with this function, or LABEL=VALUE", &o.filter},
		{"number", 'n', "N", "rows to show (25); 0: all", &o.rows},
		{"type", 't', "TYPE", "which profile of the files (the first): cpu, wall, ...",
		 &o.type},
		{"json", 0, NULL, "for programs", &o.json},
		{"output", 'o', "OUT",
		 "stacks of both into this file: a flame graph (.html), else text", &o.output},
	};
	const struct option_table table = {
		.command = "diff",
		.usage = "BEFORE AFTER [OPTION...]",
		.about = "Says what changed most between two profile files of any format that "
			 "Glim reads.",
		.examples =
			"  glim diff old.pb.gz new.pb.gz\n"
			"  glim diff old.pb.gz new.pb.gz --sort total --filter process=python3\n"
			"  glim diff old.pb.gz new.pb.gz -o diff.html\n"
			"  glim diff old.pb.gz new.pb.gz -o - | flamegraph.pl > diff.svg\n",
		.specs = specs,
		.n = ARRAY_SIZE(specs),
		.mixed = true};
	struct comparison c = {.o = &o};
	struct arena memory = {};
	struct err e = {};
	int status = 2, operand = options_parse(&table, argc, argv, &memory, &status);

	if (operand >= 0 && check_options(argc - operand, &c, &e)) {
		status = cmd_usage_error("diff", "%s", e.msg);
	} else if (operand >= 0) {
		status = run(&c, argv + operand, &e) < 0;
		if (status)
			fprintf(stderr, "glim diff: %s\n", e.msg);
	}
	vec_fini(&c.rows);
	diff_fini(&c.diff);
	arena_fini(&memory);
	return status;
}
