#include "cmd/timing.h"

#include "base/json.h"

static void put_seconds(struct json *j, const char *key, int64_t ns)
{
	json_key(j, key);
	if (ns < 0)
		json_none(j);
	else
		json_double(j, (double)ns / NSEC_PER_SEC);
}

static void put_number(struct json *j, const char *key, int64_t v)
{
	json_key(j, key);
	if (v < 0)
		json_none(j);
	else
		json_int(j, v);
}

static void put_measure(struct json *j, const struct measure *m, const struct run *r)
{
	int64_t v = measure_of(m, r);

	if (!strcmp(m->unit, "nanoseconds")) {
		put_seconds(j, m->key, v);
		return;
	}
	put_number(j, m->key, v);
}

static void put_waiting(struct json *j, const struct timing *t, const struct timed_command *c,
			const struct run *r)
{
	int64_t queue = RUN_UNKNOWN, disk = RUN_UNKNOWN;
	struct waiting w = timing_waiting(r);

	json_key(j, "waiting");
	json_object_begin(j);
	put_seconds(j, "total", w.all);
	put_seconds(j, "run_queue", w.run_queue);
	put_seconds(j, "disk", w.disk);
	put_seconds(j, "other", w.other);
	/* These two of all threads of all processes. */
	timing_all_waiting(t, c, &queue, &disk);
	put_seconds(j, "all_run_queue", queue);
	put_seconds(j, "all_disk", disk);
	json_member_int(j, "asleep_looks", r->asleep);
	json_key(j, "asleep");
	json_object_begin(j);
	for (size_t i = 0; i < ACTIVITY_REASON_COUNT; i++)
		json_member_double(j, activity_reasons[i], (double)r->asleep_ns[i] / NSEC_PER_SEC);
	json_object_end(j);
	json_object_end(j);
}

static void put_run(struct json *j, const struct timing *t, const struct timed_command *c,
		    const struct run *r)
{
	for (size_t i = 0; i < measure_count; i++)
		put_measure(j, &measures[i], r);
	json_member_double(j, "cpu_share", (double)r->cpu_ns / (double)MAX(r->wall_ns, 1));
	put_seconds(j, "end_rss_age", r->end_rss < 0 ? RUN_UNKNOWN : r->end_rss_age_ns);
	put_waiting(j, t, c, r);
	json_member_int(j, "status", r->status);
	json_key(j, "signal");
	if (r->signal)
		json_int(j, r->signal);
	else
		json_none(j);
}

static void put_interval(struct json *j, const char *key, const struct interval *in,
			 const struct measure *m)
{
	json_key(j, key);
	json_array_begin(j);
	json_double(j, m ? measure_scaled(m, in->low) : in->low);
	json_double(j, m ? measure_scaled(m, in->high) : in->high);
	json_array_end(j);
}

static void put_statistics(struct json *j, const struct measure *m, const struct statistics *s)
{
	struct outliers o = statistics_outliers(s);
	struct interval in;
	bool known = statistics_median_interval(s, 0.95, &in);

	json_key(j, m->key);
	json_object_begin(j);
	json_member_double(j, "median", measure_scaled(m, s->median));
	if (known) {
		put_interval(j, "median_interval", &in, m);
	} else {
		json_key(j, "median_interval");
		json_none(j);
	}
	json_member_double(j, "mean", measure_scaled(m, s->mean));
	json_member_double(j, "min", measure_scaled(m, s->min));
	json_member_double(j, "max", measure_scaled(m, s->max));
	json_member_double(j, "low_quartile", measure_scaled(m, s->low_quartile));
	json_member_double(j, "high_quartile", measure_scaled(m, s->high_quartile));
	json_member_double(j, "deviation", measure_scaled(m, s->deviation));
	json_member_int(j, "outliers", (int64_t)(o.low + o.high));
	json_object_end(j);
}

/* What only root is told of each. */
static void put_account(struct json *j, const struct family_member *m, bool disks)
{
	const struct thread_account *a = &m->account;
	bool known = family_accounted(m);

	put_seconds(j, "run_queue", known ? a->run_queue_ns : RUN_UNKNOWN);
	put_seconds(j, "disk", known && disks ? a->disk_ns : RUN_UNKNOWN);
	put_number(j, "peak_rss", known ? a->peak_rss : RUN_UNKNOWN);
	put_number(j, "bytes_read", known ? a->read_bytes : RUN_UNKNOWN);
	put_number(j, "bytes_written", known ? a->written_bytes : RUN_UNKNOWN);
}

static void put_processes(struct json *j, const struct family *f, bool disks)
{
	int64_t all = 0, start = f->members.data[0].start_ns;

	for (size_t i = 0; i < f->members.len; i++)
		all += f->members.data[i].cpu_ns;
	json_key(j, "processes");
	json_array_begin(j);
	for (size_t i = 0; i < f->members.len; i++) {
		const struct family_member *m = &f->members.data[i];

		json_object_begin(j);
		json_member_int(j, "pid", m->pid);
		json_key(j, "parent");
		if (m->parent == FAMILY_NOBODY)
			json_none(j);
		else
			json_int(j, f->members.data[m->parent].pid);
		json_member_text(j, "name", m->comm);
		put_seconds(j, "start", MAX(m->start_ns - start, 0));
		put_seconds(j, "lived", m->end_ns ? MAX(m->end_ns - m->start_ns, 0) : RUN_UNKNOWN);
		put_seconds(j, "cpu", m->cpu_ns);
		json_member_double(j, "share", all ? (double)m->cpu_ns / (double)all : 0);
		json_member_int(j, "threads", m->threads);
		put_account(j, m, disks);
		json_object_end(j);
	}
	json_array_end(j);
	json_member_int(j, "processes_lost", (int64_t)(f->lost + f->dropped));
}

/* What all runs say, so that wall and the others are there however many there were. */
static void put_medians(struct json *j, const struct timing *t, const struct timed_command *c)
{
	for (size_t i = 0; i < measure_count; i++) {
		struct statistics s;

		json_key(j, measures[i].key);
		if (!measure_statistics(&measures[i], c, &s)) {
			json_none(j);
			continue;
		}
		json_double(j, measure_scaled(&measures[i], s.median));
		statistics_fini(&s);
	}
	json_key(j, "statistics");
	json_object_begin(j);
	for (size_t i = 0; i < measure_count; i++) {
		struct statistics s;

		if (!measures[i].title || !measure_statistics(&measures[i], c, &s))
			continue;
		put_statistics(j, &measures[i], &s);
		statistics_fini(&s);
	}
	json_object_end(j);
	json_key(j, "runs");
	json_array_begin(j);
	for (size_t i = 0; i < c->runs.len; i++) {
		json_object_begin(j);
		put_run(j, t, c, &c->runs.data[i]);
		json_object_end(j);
	}
	json_array_end(j);
}

static void put_command(struct json *j, const struct timing *t, const struct timed_command *c)
{
	json_key(j, "command");
	json_array_begin(j);
	for (size_t i = 0; i < c->argc; i++)
		json_text(j, c->argv[i]);
	json_array_end(j);
	if (t->wanted > 1) {
		put_medians(j, t, c);
		json_member_int(j, "status",
				c->runs.len ? c->runs.data[c->runs.len - 1].status : 0);
		return;
	}
	if (!c->runs.len)
		return;
	put_run(j, t, c, &c->runs.data[0]);
	if (t->followed) {
		put_processes(j, &c->family, c->runs.data[0].disk_ns >= 0);
	} else {
		json_key(j, "processes");
		json_none(j);
	}
}

static void put_comparison(struct json *j, const struct timing *t, size_t b,
			   const struct measure *m)
{
	struct comparison c;

	if (!timing_compare(t, m, &t->commands[0], &t->commands[b], &c))
		return;
	json_object_begin(j);
	json_member_text(j, "measure", m->key);
	json_member_int(j, "a", 0);
	json_member_int(j, "b", (int64_t)b);
	json_member_double(j, "level", timing_level(t));
	json_member_double(j, "ratio", c.ratio);
	put_interval(j, "ratio_interval", &c.ratio_interval, NULL);
	json_member_double(j, "difference", measure_scaled(m, c.difference));
	put_interval(j, "difference_interval", &c.difference_interval, m);
	json_member_double(j, "p", c.p);
	json_member_bool(j, "known", c.known);
	json_member_bool(j, "different", c.different);
	json_object_end(j);
}

static void put_sentences(struct json *j, const char *key, const struct timing *t,
			  void (*find)(const struct timing *, struct arena *, sentences *))
{
	struct arena memory = {};
	sentences list = {};

	find(t, &memory, &list);
	json_key(j, key);
	json_array_begin(j);
	for (size_t i = 0; i < list.len; i++)
		json_text(j, list.data[i]);
	json_array_end(j);
	vec_fini(&list);
	arena_fini(&memory);
}

static void put_several(struct json *j, const struct timing *t)
{
	json_key(j, "commands");
	json_array_begin(j);
	for (size_t i = 0; i < t->n; i++) {
		json_object_begin(j);
		put_command(j, t, &t->commands[i]);
		json_object_end(j);
	}
	json_array_end(j);
	json_key(j, "comparisons");
	json_array_begin(j);
	for (size_t i = 1; i < t->n; i++) {
		put_comparison(j, t, i, measure_find("wall"));
		put_comparison(j, t, i, measure_find("cpu"));
		put_comparison(j, t, i, measure_find("peak_rss"));
	}
	json_array_end(j);
}

void timing_put_json(const struct timing *t, struct buf *out)
{
	struct json j = {.out = out};

	json_object_begin(&j);
	if (t->n > 1)
		put_several(&j, t);
	else
		put_command(&j, t, &t->commands[0]);
	if (t->wanted > 1) {
		json_member_int(&j, "warmup", t->warmup);
		json_member_double(&j, "other_cpus", t->other_cpus);
		json_member_int(&j, "cpus", t->cpus);
	}
	put_sentences(&j, "unknown", t, timing_unknown);
	put_sentences(&j, "doubts", t, timing_doubts);
	json_object_end(&j);
	buf_putc(out, '\n');
}
