#include "cmd/timing.h"

#include "base/utf8.h"

#define MEASURE(key, title, unit, field)                                                           \
	{                                                                                          \
		key, title, unit, offsetof(struct run, field)                                      \
	}
const struct measure measures[] = {
	MEASURE("wall", "wall", "nanoseconds", wall_ns),
	MEASURE("cpu", "CPU", "nanoseconds", cpu_ns),
	MEASURE("user", "user", "nanoseconds", user_ns),
	MEASURE("system", "system", "nanoseconds", system_ns),
	MEASURE("peak_rss", "peak memory", "bytes", peak_rss),
	MEASURE("end_rss", NULL, "bytes", end_rss),
	MEASURE("together_rss", NULL, "bytes", together_rss),
	MEASURE("minor_faults", "minor faults", "count", minor_faults),
	MEASURE("major_faults", "major faults", "count", major_faults),
	MEASURE("voluntary_switches", "voluntary switches", "count", voluntary_switches),
	MEASURE("involuntary_switches", "involuntary switches", "count", involuntary_switches),
	MEASURE("bytes_read", "bytes read", "bytes", read_bytes),
	MEASURE("bytes_written", "bytes written", "bytes", written_bytes),
	MEASURE("disk_bytes_read", NULL, "bytes", disk_read_bytes),
	MEASURE("disk_bytes_written", NULL, "bytes", disk_written_bytes),
};
const size_t measure_count = ARRAY_SIZE(measures);

void timing_fini(struct timing *t)
{
	for (size_t i = 0; i < t->n; i++) {
		family_close(&t->commands[i].family);
		vec_fini(&t->commands[i].runs);
	}
	free(t->commands);
	*t = (struct timing){};
}

double measure_scaled(const struct measure *m, double v)
{
	return strcmp(m->unit, "nanoseconds") ? v : v / NSEC_PER_SEC;
}

const struct measure *measure_find(const char *key)
{
	for (size_t i = 0; i < measure_count; i++)
		if (!strcmp(measures[i].key, key))
			return &measures[i];
	return NULL;
}

bool measure_statistics(const struct measure *m, const struct timed_command *c,
			struct statistics *ret)
{
	cleanup_free double *values = mem_calloc(c->runs.len, sizeof(*values));

	for (size_t i = 0; i < c->runs.len; i++) {
		int64_t v = measure_of(m, &c->runs.data[i]);

		if (v < 0)
			return false;
		values[i] = (double)v;
	}
	if (c->runs.len)
		statistics_init(ret, values, c->runs.len);
	return c->runs.len > 0;
}

struct waiting timing_waiting(const struct run *r)
{
	struct waiting w = {RUN_UNKNOWN, r->run_queue_ns, r->disk_ns, RUN_UNKNOWN};

	if (r->main_cpu_ns < 0)
		return w;
	w.all = MAX(r->wall_ns - r->main_cpu_ns, 0);
	/* The kernel's counters and our clock are not read at one moment. */
	w.run_queue = MIN(w.run_queue, w.all);
	w.disk = MIN(w.disk, w.all - w.run_queue);
	w.other = w.all - w.run_queue - MAX(w.disk, 0);
	return w;
}

bool timing_all_waiting(const struct timing *t, const struct timed_command *c, int64_t *ret_queue,
			int64_t *ret_disk)
{
	int64_t queue = 0, disk = 0;

	for (size_t i = 0; i < c->family.members.len; i++) {
		const struct family_member *m = &c->family.members.data[i];

		if (!family_accounted(m))
			return false;
		queue += m->account.run_queue_ns;
		disk += m->account.disk_ns;
	}
	if (!t->followed || !c->runs.len)
		return false;
	*ret_queue = queue;
	/* It is 0 where it is not kept. */
	*ret_disk = c->runs.data[0].disk_ns < 0 ? RUN_UNKNOWN : disk;
	return true;
}

double timing_level(const struct timing *t)
{
	return t->n > 2 ? 1 - 0.05 / (double)(t->n - 1) : 0.95;
}

bool timing_compare(const struct timing *t, const struct measure *m, const struct timed_command *a,
		    const struct timed_command *b, struct comparison *ret)
{
	struct statistics x, y;

	if (!measure_statistics(m, a, &x))
		return false;
	if (measure_statistics(m, b, &y)) {
		statistics_compare(&x, &y, timing_level(t), ret);
		statistics_fini(&x);
		statistics_fini(&y);
		return true;
	}
	statistics_fini(&x);
	return false;
}

const char *timing_name(const struct timed_command *c, struct arena *a)
{
	enum { LONGEST = 60 };
	cleanup_buf struct buf all = {}, shown = {};
	size_t n = 0;

	for (size_t i = 0; i < c->argc; i++)
		buf_printf(&all, "%s%s", i ? " " : "", c->argv[i]);
	utf8_put_printable(&shown, (const char *)all.data, all.len);
	if (shown.len <= LONGEST)
		return arena_strndup(a, (const char *)shown.data, shown.len);
	while (n < LONGEST - 3) {
		size_t one = utf8_len((const char *)shown.data + n, shown.len - n);

		n += one ? one : 1;
	}
	return arena_printf(a, "%.*s...", (int)n, (const char *)shown.data);
}
