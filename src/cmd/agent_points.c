#include "cmd/agent_points.h"

#include "base/clock.h"

/* Processes with their own series; the others are summed as "(rest)". */
enum { MAX_PROCESSES = 500 };

static void add(struct agent_points *a, const char *metric, double value, bool moment,
		const struct otlp_label *labels, size_t nlabels)
{
	struct otlp_label *copy = NULL;

	if (nlabels) {
		copy = arena_array(&a->text, struct otlp_label, nlabels);
		memcpy(copy, labels, nlabels * sizeof(*labels));
	}
	vec_push(&a->points, (struct otlp_point){.metric = metric,
						 .labels = copy,
						 .nlabels = nlabels,
						 .time_ns = a->time_ns,
						 .interval_ns = moment ? 0 : a->interval_ns,
						 .value = value});
}

static void add_labelled(struct agent_points *a, const char *metric, double value, const char *key,
			 const char *text)
{
	add(a, metric, value, false, &(struct otlp_label){key, text}, 1);
}

/* ---- processes ---- */

static void add_process(struct agent_points *a, const struct otlp_label *labels, size_t n,
			double cpu_seconds, double rss)
{
	if (cpu_seconds > 0 && a->interval_ns)
		add(a, "process.cpu", cpu_seconds * NSEC_PER_SEC / (double)a->interval_ns, false,
		    labels, n);
	if (rss > 0)
		add(a, "process.memory", rss, true, labels, n);
}

/* Larger in CPU or in memory, each as a share of the host: first. */
struct rank {
	double weight;
	size_t index;
};

static int by_weight(const void *x, const void *y)
{
	double a = ((const struct rank *)x)->weight, b = ((const struct rank *)y)->weight;

	return (a < b) - (a > b);
}

static double process_weight(const struct usage *u, const struct process_usage *p)
{
	double cpu = u->host_cpu_seconds > 0 ? p->cpu_seconds / u->host_cpu_seconds : 0;
	double memory = u->memory_total ? (double)p->rss_bytes / (double)u->memory_total : 0;

	return cpu + memory;
}

static void add_one(struct agent_points *a, const struct process_usage *p)
{
	struct otlp_label labels[2] = {
		{"process", arena_strndup(&a->text, p->comm, strnlen(p->comm, sizeof(p->comm)))},
		{"pid", arena_printf(&a->text, "%d", (int)p->pid)}};

	add_process(a, labels, 2, p->cpu_seconds, (double)p->rss_bytes);
}

static void add_processes(struct agent_points *a)
{
	const struct usage *u = &a->usage;
	struct rank *ranks = arena_array(&a->text, struct rank, u->processes.len);
	double rest_cpu = 0, rest_rss = 0;
	size_t n = 0;

	for (size_t i = 0; i < u->processes.len; i++) {
		double weight = process_weight(u, &u->processes.data[i]);

		if (weight > 0)
			ranks[n++] = (struct rank){weight, i};
	}
	if (n > MAX_PROCESSES)
		qsort(ranks, n, sizeof(*ranks), by_weight);
	for (size_t i = 0; i < n; i++) {
		const struct process_usage *p = &u->processes.data[ranks[i].index];

		if (i < MAX_PROCESSES) {
			add_one(a, p);
		} else {
			rest_cpu += p->cpu_seconds;
			rest_rss += (double)p->rss_bytes;
		}
	}
	add_process(a, &(struct otlp_label){"process", "(rest)"}, 1, rest_cpu, rest_rss);
}

/* ---- samples ---- */

static void add_samples(struct agent_points *a, const struct capture_stats *now,
			const struct push_stats *push)
{
	const struct {
		const char *reason;
		uint64_t count;
	} lost[] = {
		{"ring full", now->lost_ring - a->capture.lost_ring},
		{"probe busy", now->lost_scratch - a->capture.lost_scratch},
		{"upload queue full", push->lost_full - a->push.lost_full},
		{"refused by the server", push->lost_refused - a->push.lost_refused},
	};

	for (unsigned int i = 0; i < OUTCOME_COUNT; i++) {
		uint64_t n = now->outcomes[i] - a->capture.outcomes[i];

		if (n || i == OUTCOME_COMPLETE)
			add_labelled(a, "samples", (double)n, "outcome", outcome_text(i));
	}
	for (unsigned int i = 0; i < REMARK_COUNT; i++) {
		uint64_t n = now->remarks[i] - a->capture.remarks[i];

		if (n)
			add_labelled(a, "remarks", (double)n, "remark", remark_text(i));
	}
	for (size_t i = 0; i < ARRAY_SIZE(lost); i++)
		if (lost[i].count || !i)
			add_labelled(a, "lost", (double)lost[i].count, "reason", lost[i].reason);
}

int agent_points_collect(struct agent_points *a, const struct capture_stats *capture,
			 const struct push_stats *push, struct err *e)
{
	bool first = !a->usage.time_ns;
	int r = usage_read(&a->usage, e);

	if (r)
		return r;
	arena_fini(&a->text);
	vec_clear(&a->points);
	a->time_ns = a->usage.time_ns;
	a->interval_ns = a->usage.interval_ns;
	if (!first) {
		add(a, "cpu", a->usage.host_cpu_seconds * NSEC_PER_SEC / (double)a->interval_ns,
		    false, NULL, 0);
		add(a, "cpu.capacity", a->usage.cpus, true, NULL, 0);
		add(a, "memory", (double)a->usage.memory_used, true, NULL, 0);
		add(a, "memory.capacity", (double)a->usage.memory_total, true, NULL, 0);
		add_processes(a);
		add_samples(a, capture, push);
	}
	a->capture = *capture;
	a->push = *push;
	return 0;
}

void agent_points_fini(struct agent_points *a)
{
	usage_fini(&a->usage);
	arena_fini(&a->text);
	vec_fini(&a->points);
}
