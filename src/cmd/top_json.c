#include "cmd/top_json.h"

#include "base/json.h"

const char *top_kind_name(enum live_kind kind)
{
	static const char *const names[LIVE_KINDS] = {"functions", "lines", "processes", "threads"};

	return names[kind];
}

static const char *code_name(uint32_t kind)
{
	switch (kind) {
	case FRAME_NATIVE:
		return "native";
	case FRAME_KERNEL:
		return "kernel";
	case FRAME_PYTHON:
		return "python";
	default:
		return "mark";
	}
}

static void put_text(struct json *j, const char *key, const char *text)
{
	json_key(j, key);
	json_text(j, text);
}

static void put_number(struct json *j, const char *key, double v)
{
	json_key(j, key);
	json_double(j, v);
}

static void put_integer(struct json *j, const char *key, uint64_t v)
{
	json_key(j, key);
	json_int(j, (int64_t)v);
}

static void put_code(struct json *j, const struct live_table *t, const struct live_row *r)
{
	put_text(j, "function", live_text(t, r->key.name));
	put_text(j, "file", live_text(t, r->key.file));
	put_integer(j, "line", r->key.line);
	put_text(j, "module", live_text(t, r->key.module));
	put_text(j, "kind", code_name(r->key.kind));
	put_number(j, "running", live_rate(t, r->running) / NSEC_PER_SEC);
}

static void put_owner(struct json *j, const struct live_table *t, const struct live_row *r,
		      bool thread)
{
	if (thread)
		put_text(j, "thread", live_text(t, r->key.name));
	put_text(j, "process", live_text(t, thread ? r->key.module : r->key.name));
	put_integer(j, "pid", strtoull(live_text(t, r->key.pid), NULL, 10));
	put_number(j, "running", live_rate(t, r->running) / NSEC_PER_SEC);
	if (t->knows_gil) {
		put_number(j, "gil_held", live_rate(t, r->gil) / NSEC_PER_SEC);
		put_number(j, "gil_waiting", live_rate(t, r->gil_wait) / NSEC_PER_SEC);
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
	put_number(j, "self", r->self / all);
	put_number(j, "total", r->total / all);
	put_number(j, "self_seconds", (double)r->self_sum / NSEC_PER_SEC);
	put_number(j, "total_seconds", (double)r->total_sum / NSEC_PER_SEC);
	json_object_end(j);
}

void top_json(const struct top_view *v, const struct top_facts *f, size_t rows, struct buf *out)
{
	struct json j = {.out = out};

	json_object_begin(&j);
	put_text(&j, "target", f->target);
	put_text(&j, "clock", f->clock);
	put_integer(&j, "hz", f->hz);
	put_number(&j, "seconds", f->seconds);
	put_integer(&j, "samples", f->samples);
	put_integer(&j, "lost", f->lost);
	put_number(&j, "unsampled_seconds", f->missed_cpu);
	put_integer(&j, "lost_children", f->lost_children);
	json_key(&j, "complete");
	if (f->complete >= 0)
		json_double(&j, f->complete);
	else
		json_none(&j);
	put_number(&j, "cores", top_cpu(v, f));
	put_text(&j, "by", top_kind_name(v->kind));
	json_key(&j, "rows");
	json_array_begin(&j);
	for (size_t i = 0; i < v->lines.len && i < rows; i++)
		put_row(&j, v, top_view_row(v, &v->lines.data[i]));
	json_array_end(&j);
	json_object_end(&j);
	buf_putc(out, '\n');
}
