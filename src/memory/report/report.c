/* What the reports of memory have in common. */
#include "memory/report/report_priv.h"

bool report_marked(const struct memory_run *run)
{
	for (size_t i = 0; i < run->processes.len; i++)
		for (size_t k = 0; k < run->processes.data[i].nfunctions; k++)
			if (run->processes.data[i].functions[k].decorated)
				return true;
	return false;
}

static int64_t height(const struct memory_process *p, const struct memory_point *point)
{
	return p->allocated && point->allocated >= 0 ? point->allocated : point->resident;
}

void report_thin(const struct memory_process *p, size_t max, point_list *ret)
{
	size_t n = p->timeline.len, parts = MIN(n, MAX(max, (size_t)2));

	for (size_t k = 0; k < parts; k++) {
		/* The first point and the last one stay: they say how long it took. */
		size_t from = n * k / parts, to = n * (k + 1) / parts, best = from;

		for (size_t i = from + 1; i < to && k; i++)
			if (height(p, &p->timeline.data[i]) > height(p, &p->timeline.data[best]))
				best = i;
		vec_push(ret, (uint32_t)best);
	}
	if (parts && ret->data[ret->len - 1] != n - 1)
		vec_push(ret, (uint32_t)(n - 1));
}

const char *report_measure(const struct memory_process *p)
{
	return p->allocated ? "allocated" : "resident";
}

void report_python(const struct memory_process *p, char *ret, size_t n)
{
	*ret = 0;
	if (p->python)
		snprintf(ret, n, "%d.%d", p->python >> 8, p->python & 0xff);
}

struct memory_peak report_peak(const struct memory_process *p)
{
	struct memory_peak peak = p->peak;

	if (peak.bytes > 0)
		return peak;
	/* No line ran: what the watch saw. */
	for (size_t i = 0; i < p->timeline.len; i++)
		if (height(p, &p->timeline.data[i]) > peak.bytes)
			peak = (struct memory_peak){.bytes = height(p, &p->timeline.data[i]),
						    .time_ns = p->timeline.data[i].time_ns};
	return peak;
}

bool report_remark(const struct memory_process *p, size_t i, struct buf *ret)
{
	const struct {
		uint64_t n;
		const char *one, *more, *text;
	} all[] = {
		{p->lost_functions, "function is", "functions are",
		 "not shown: there was no room for more"},
		{p->lost_frames, "call was", "calls were", "too deep to be followed"},
		{p->lost_lines, "line was", "lines were", "outside of its function"},
		{p->lost_blocks, "block is", "blocks are",
		 "not among the holders: there was no room for more"},
		{p->lost_peaks, "time", "times",
		 "the kernel did not reset its mark: the peak in a line is only what the ends of "
		 "lines saw"},
		{p->trace_taken, "time", "times", "the program traced itself: lines are missing"},
	};

	ret->len = 0;
	if (p->problem) {
		if (!i) {
			buf_puts(ret, p->problem);
			return true;
		}
		i--;
	}
	if (i < p->remarks.len) {
		buf_puts(ret, p->remarks.data[i]);
		return true;
	}
	i -= p->remarks.len;
	for (size_t k = 0; k < ARRAY_SIZE(all); k++) {
		if (!all[k].n || i--)
			continue;
		buf_printf(ret, "%llu %s %s", (unsigned long long)all[k].n,
			   all[k].n == 1 ? all[k].one : all[k].more, all[k].text);
		return true;
	}
	return false;
}
