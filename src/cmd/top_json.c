#include "cmd/top_json.h"

#include "base/json.h"

const char *top_kind_name(enum live_kind kind)
{
	static const char *const names[LIVE_KINDS] = {"functions", "lines", "processes", "threads"};

	return names[kind];
}

static void put_code(struct json *j, const struct live_table *t, const struct live_row *r)
{
	json_member_text(j, "function", live_text(t, r->key.name));
	json_member_text(j, "file", live_text(t, r->key.file));
	json_member_int(j, "line", r->key.line);
	json_member_text(j, "module", live_text(t, r->key.module));
	json_member_text(j, "kind", frame_kind_name(r->key.kind));
	json_member_double(j, "running", live_rate(t, r->running) / NSEC_PER_SEC);
}

static void put_owner(struct json *j, const struct live_table *t, const struct live_row *r,
		      bool thread)
{
	if (thread)
		json_member_text(j, "thread", live_text(t, r->key.name));
	json_member_text(j, "process", live_text(t, thread ? r->key.module : r->key.name));
	json_member_int(j, "pid", strtoull(live_text(t, r->key.pid), NULL, 10));
	json_member_double(j, "running", live_rate(t, r->running) / NSEC_PER_SEC);
	if (t->knows_gil) {
		json_member_double(j, "gil_held", live_rate(t, r->gil) / NSEC_PER_SEC);
		json_member_double(j, "gil_waiting", live_rate(t, r->gil_wait) / NSEC_PER_SEC);
	}
}

static void put_row(struct json *j, const struct top_view *v, const struct live_row *r)
{
	const struct live_table *t = top_view_table(v);
	double all = t->all.total > 0 ? t->all.total : 1;

	json_object_begin(j);
	if (v->kind <= LIVE_LINES)
		put_code(j, t, r);
	else
		put_owner(j, t, r, v->kind == LIVE_THREADS);
	json_member_double(j, "self", r->self / all);
	json_member_double(j, "total", r->total / all);
	json_member_double(j, "self_seconds", (double)r->self_sum / NSEC_PER_SEC);
	json_member_double(j, "total_seconds", (double)r->total_sum / NSEC_PER_SEC);
	json_object_end(j);
}

void top_json(const struct top_view *v, const struct top_facts *f, size_t rows, struct buf *out)
{
	struct json j = {.out = out};

	json_object_begin(&j);
	json_member_text(&j, "target", f->target);
	json_member_text(&j, "clock", f->clock);
	json_member_int(&j, "hz", f->hz);
	json_member_double(&j, "seconds", f->seconds);
	json_member_int(&j, "samples", f->samples);
	json_member_int(&j, "lost", f->lost);
	json_member_double(&j, "unsampled_seconds", f->missed_cpu);
	json_member_int(&j, "lost_children", f->lost_children);
	json_member_int(&j, "stopped", f->stopped);
	json_member_double(&j, "stopped_seconds_median", (double)f->stopped_ns / NSEC_PER_SEC);
	json_key(&j, "complete");
	if (f->complete >= 0)
		json_double(&j, f->complete);
	else
		json_none(&j);
	json_member_double(&j, "cores", top_cpu(v, f));
	json_member_text(&j, "by", top_kind_name(v->kind));
	json_key(&j, "rows");
	json_array_begin(&j);
	for (size_t i = 0; i < v->lines.len && i < rows; i++)
		put_row(&j, v, top_view_row(v, &v->lines.data[i]));
	json_array_end(&j);
	json_object_end(&j);
	buf_putc(out, '\n');
}
