/* The run as JSON, for programs and for the page. */
#include "memory/report/report_priv.h"

/* Below 0: it is not known. */
static void put_known(struct json *j, const char *key, int64_t v)
{
	json_key(j, key);
	if (v < 0)
		json_none(j);
	else
		json_int(j, v);
}

static void put_seconds(struct json *j, const char *key, uint64_t ns)
{
	json_member_double(j, key, (double)ns / NSEC_PER_SEC);
}

static void put_line(struct json *j, const struct memory_line *l)
{
	json_object_begin(j);
	json_member_int(j, "line", l->line);
	json_member_int(j, "occurrences", (int64_t)MIN(l->occurrences, (uint64_t)INT64_MAX));
	json_member_int(j, "usage", l->usage);
	json_member_int(j, "increment", l->increment);
	json_member_int(j, "own", l->own);
	json_member_int(j, "peak", l->peak);
	json_object_end(j);
}

static void put_function(struct json *j, const struct memory_function *f)
{
	json_object_begin(j);
	json_member_text(j, "file", f->file);
	json_member_text(j, "path", f->path);
	json_member_text(j, "function", f->name);
	json_member_int(j, "first_line", f->first_line);
	json_member_int(j, "last_line", f->last_line);
	json_member_bool(j, "marked", f->decorated);
	json_member_int(j, "calls", (int64_t)MIN(f->calls, (uint64_t)INT64_MAX));
	json_member_int(j, "entered", f->entered);
	json_key(j, "lines");
	json_array_begin(j);
	for (size_t i = 0; i < f->nlines; i++)
		put_line(j, &f->lines[i]);
	json_array_end(j);
	json_object_end(j);
}

static void put_peak(struct json *j, const struct memory_process *p)
{
	struct memory_peak peak = report_peak(p);

	json_key(j, "peak");
	json_object_begin(j);
	json_member_int(j, "bytes", peak.bytes);
	put_seconds(j, "seconds", peak.time_ns);
	if (peak.function) {
		json_member_text(j, "file", peak.function->file);
		json_member_text(j, "function", peak.function->name);
		json_member_int(j, "line", peak.line);
	}
	json_object_end(j);
	put_known(j, "peak_resident", p->peak_resident);
}

static void put_series(struct json *j, const char *key, const struct memory_process *p,
		       const point_list *points, int64_t (*value)(const struct memory_point *))
{
	json_key(j, key);
	json_array_begin(j);
	for (size_t i = 0; i < points->len; i++) {
		int64_t v = value(&p->timeline.data[points->data[i]]);

		if (v < 0)
			json_none(j);
		else
			json_int(j, v);
	}
	json_array_end(j);
}

static int64_t resident_of(const struct memory_point *p)
{
	return p->resident;
}

static int64_t allocated_of(const struct memory_point *p)
{
	return p->allocated;
}

static void put_timeline(struct json *j, const struct memory_process *p, size_t max)
{
	point_list points = {};

	report_thin(p, max, &points);
	json_key(j, "timeline");
	json_object_begin(j);
	json_key(j, "seconds");
	json_array_begin(j);
	for (size_t i = 0; i < points.len; i++)
		json_double(j, (double)p->timeline.data[points.data[i]].time_ns / NSEC_PER_SEC);
	json_array_end(j);
	put_series(j, "resident", p, &points, resident_of);
	put_series(j, "allocated", p, &points, allocated_of);
	json_object_end(j);
	vec_fini(&points);
}

static void put_remarks(struct json *j, const struct memory_process *p)
{
	cleanup_buf struct buf text = {};

	json_key(j, "remarks");
	json_array_begin(j);
	for (size_t i = 0; report_remark(p, i, &text); i++)
		json_text_n(j, (const char *)text.data, text.len);
	json_array_end(j);
}

static void put_process(struct json *j, const struct memory_process *p, bool marked,
			struct report_limits limits)
{
	char python[16];

	report_python(p, python, sizeof(python));
	json_object_begin(j);
	json_member_int(j, "pid", p->pid);
	json_member_int(j, "parent", p->parent);
	json_member_text(j, "command", p->command);
	json_member_text(j, "python", python);
	json_member_text(j, "measure", report_measure(p));
	json_member_bool(j, "watched", p->watched);
	put_seconds(j, "start", p->start_ns);
	json_key(j, "end");
	if (p->end_ns)
		json_double(j, (double)p->end_ns / NSEC_PER_SEC);
	else
		json_none(j);
	json_member_int(j, "events", (int64_t)MIN(p->events, (uint64_t)INT64_MAX));
	put_peak(j, p);
	json_key(j, "functions");
	json_array_begin(j);
	for (size_t i = 0; i < p->nfunctions; i++)
		if (report_shows(marked, &p->functions[i]))
			put_function(j, &p->functions[i]);
	json_array_end(j);
	put_timeline(j, p, limits.points);
	if (p->at_peak)
		report_put_holders(j, "at_peak", p->at_peak, limits);
	if (p->leaks)
		report_put_holders(j, "leaks", p->leaks, limits);
	if (p->growth) {
		if (!limits.interned) /* the page has it by line */
			report_put_holders(j, "growth", p->growth, limits);
		json_member_int(j, "shrank", p->shrank);
		json_member_int(j, "looks", (int64_t)p->looks);
	}
	put_remarks(j, p);
	json_object_end(j);
}

void report_put_run(struct json *j, const struct memory_run *run, struct report_limits limits)
{
	bool marked = report_marked(run);

	json_member_double(j, "start", (double)run->start_ns / NSEC_PER_SEC);
	json_key(j, "processes");
	json_array_begin(j);
	for (size_t i = 0; i < run->processes.len; i++)
		put_process(j, &run->processes.data[i], marked, limits);
	json_array_end(j);
	json_member_int(j, "damaged", (int64_t)MIN(run->damaged, (uint64_t)INT64_MAX));
}

void memory_report_json(const struct memory_run *run, size_t stacks, struct buf *out)
{
	const struct report_limits limits = {.points = 100000, .stacks = stacks};
	struct json j = {.out = out};

	json_object_begin(&j);
	report_put_run(&j, run, limits);
	json_object_end(&j);
	buf_putc(out, '\n');
}
