/* Memory over time as SVG: a line a process, the peak marked. */
#include <math.h>

#include "base/utf8.h"
#include "memory/report/report_priv.h"

enum {
	WIDTH = 960,
	HEIGHT = 440,
	LEFT = 84,
	RIGHT = 24,
	TOP = 56,
	BOTTOM = 44,
	POINTS = 1000,	/* of a line: more than the picture is wide */
	PROCESSES = 24, /* lines that can be told apart, more or less; the largest peaks */
	LEGEND = 8,
	COLOURS = 8,
};

struct plot {
	const struct memory_run *run;
	const struct memory_process *shown[PROCESSES]; /* the highest peak first */
	size_t n;
	double seconds, bytes; /* what the axes end with */
	struct buf *out;
};

static double x_of(const struct plot *p, double seconds)
{
	return LEFT + (WIDTH - LEFT - RIGHT) * seconds / p->seconds;
}

static double y_of(const struct plot *p, double bytes)
{
	return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * bytes / p->bytes;
}

static void put_xml(struct buf *out, const char *s, size_t len)
{
	cleanup_buf struct buf clean = {};

	utf8_put_printable(&clean, s, len);
	for (size_t i = 0; i < clean.len; i++) {
		char c = (char)clean.data[i];

		if (c == '<' || c == '>' || c == '&' || c == '"')
			buf_printf(out, "&#%d;", c);
		else
			buf_putc(out, c);
	}
}

/* 1, 2 or 5 times a power of ten, so that there are about n steps to max. */
static double nice_step(double max, double n)
{
	double rough = max / n, power = pow(10, floor(log10(rough))), part = rough / power;

	return (part <= 1 ? 1 : part <= 2 ? 2 : part <= 5 ? 5 : 10) * power;
}

/* --- what is shown ------------------------------------------------------------------------------
 */

static void choose(struct plot *p)
{
	for (size_t i = 0; i < p->run->processes.len; i++) {
		const struct memory_process *new = &p->run->processes.data[i];
		size_t at = MIN(p->n, (size_t)PROCESSES - 1);

		if (!new->timeline.len)
			continue;
		p->n = MIN(p->n + 1, (size_t)PROCESSES);
		for (; at && report_peak(p->shown[at - 1]).bytes < report_peak(new).bytes; at--)
			p->shown[at] = p->shown[at - 1];
		if (at < PROCESSES - 1 || !p->shown[at])
			p->shown[at] = new;
	}
}

static int64_t most_of(const struct memory_point *point)
{
	return MAX(point->resident, point->allocated);
}

static void measure(struct plot *p)
{
	int64_t bytes = 0;
	uint64_t ns = 0;

	for (size_t i = 0; i < p->n; i++) {
		const struct memory_process *one = p->shown[i];
		struct memory_peak peak = report_peak(one);

		bytes = MAX(bytes, peak.bytes);
		ns = MAX(ns, peak.time_ns);
		for (size_t k = 0; k < one->timeline.len; k++) {
			bytes = MAX(bytes, most_of(&one->timeline.data[k]));
			ns = MAX(ns, one->timeline.data[k].time_ns);
		}
	}
	p->seconds = MAX((double)ns / NSEC_PER_SEC, 1e-3);
	p->bytes = MAX((double)bytes * 1.06, 64 * 1024.0);
}

/* --- drawing ------------------------------------------------------------------------------------
 */

static void put_style(struct buf *out)
{
	static const char *const light[COLOURS] = {"#2a7d74", "#b26a00", "#3556d4", "#b3261e",
						   "#7a4bb0", "#4a7d1d", "#a3457f", "#5c6470"};
	static const char *const dark[COLOURS] = {"#5fc2b4", "#eeb14c", "#9db1ff", "#ff9d92",
						  "#c5a0f0", "#a4d171", "#f0a0cf", "#b3bac5"};

	buf_puts(
		out,
		"<style>\n"
		"svg { background: #fff; font: 12px system-ui, -apple-system, \"Segoe UI\", "
		"sans-serif; }\n"
		"text { fill: #625e54; } .title { fill: #1d1b16; font-size: 15px; "
		"font-weight: 600; } .strong { fill: #1d1b16; }\n"
		".grid { stroke: #e6e4de; } .line { fill: none; stroke-width: 1.6; "
		"stroke-linejoin: round; }\n"
		".area { stroke: none; fill-opacity: .12; } .allocated { stroke-dasharray: 5 3; }\n"
		".mark { stroke: #fff; stroke-width: 2; }\n");
	for (size_t i = 0; i < COLOURS; i++)
		buf_printf(out, ".c%zu { stroke: %s; } .f%zu { fill: %s; }\n", i, light[i], i,
			   light[i]);
	buf_puts(out, "@media (prefers-color-scheme: dark) {\n"
		      "svg { background: #161513; } text { fill: #a5a195; } "
		      ".title, .strong { fill: #ecebe6; } .grid { stroke: #292722; } "
		      ".mark { stroke: #161513; }\n");
	for (size_t i = 0; i < COLOURS; i++)
		buf_printf(out, ".c%zu { stroke: %s; } .f%zu { fill: %s; }\n", i, dark[i], i,
			   dark[i]);
	buf_puts(out, "}\n</style>\n");
}

static void put_axes(const struct plot *p)
{
	static const struct {
		const char *name;
		double size;
	} sizes[] = {{"KiB", 1024}, {"MiB", 1048576}, {"GiB", 1073741824}, {"TiB", 1099511627776}},
	  times[] = {{"ms", 1e-3}, {"s", 1}, {"min", 60}, {"h", 3600}};
	size_t size = 0, time = 0;

	while (size + 1 < ARRAY_SIZE(sizes) && p->bytes >= 2 * sizes[size + 1].size)
		size++;
	while (time + 1 < ARRAY_SIZE(times) && p->seconds >= 2 * times[time + 1].size)
		time++;
	double step = nice_step(p->bytes / sizes[size].size, 6) * sizes[size].size;
	double tick = nice_step(p->seconds / times[time].size, 8) * times[time].size;

	for (unsigned int i = 0; i * step <= p->bytes; i++) {
		double y = y_of(p, i * step);

		buf_printf(p->out,
			   "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>"
			   "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.6g%s%s</text>\n",
			   LEFT, WIDTH - RIGHT, y, y, LEFT - 10, y + 4, i * step / sizes[size].size,
			   i ? " " : "", i ? sizes[size].name : "");
	}
	for (unsigned int i = 0; i * tick <= p->seconds; i++)
		buf_printf(p->out,
			   "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%.6g%s%s</text>\n",
			   x_of(p, i * tick), HEIGHT - BOTTOM + 20, i * tick / times[time].size,
			   i ? " " : "", i ? times[time].name : "");
}

static int64_t value_of(const struct memory_point *point, bool allocated)
{
	return allocated ? point->allocated : point->resident;
}

static void put_path(const struct plot *p, const struct memory_process *one,
		     const point_list *points, bool allocated)
{
	const char *command = "M";

	for (size_t i = 0; i < points->len; i++) {
		const struct memory_point *point = &one->timeline.data[points->data[i]];

		if (value_of(point, allocated) < 0)
			continue;
		buf_printf(p->out, "%s%.1f %.1f", command,
			   x_of(p, (double)point->time_ns / NSEC_PER_SEC),
			   y_of(p, (double)value_of(point, allocated)));
		command = "L";
	}
}

static void put_lines(const struct plot *p, size_t i)
{
	const struct memory_process *one = p->shown[i];
	const struct memory_point *first = &one->timeline.data[0];
	const struct memory_point *last = &one->timeline.data[one->timeline.len - 1];
	point_list points = {};

	report_thin(one, POINTS, &points);
	for (int allocated = 0; allocated < 2; allocated++) {
		if (value_of(first, allocated) < 0 && value_of(last, allocated) < 0)
			continue;
		if (!i && !allocated && p->n == 1) {
			buf_printf(p->out, "<path class=\"area f%zu\" d=\"", i % COLOURS);
			put_path(p, one, &points, allocated);
			buf_printf(p->out, "L%.1f %dL%.1f %dZ\"/>\n",
				   x_of(p, (double)last->time_ns / NSEC_PER_SEC), HEIGHT - BOTTOM,
				   x_of(p, (double)first->time_ns / NSEC_PER_SEC), HEIGHT - BOTTOM);
		}
		buf_printf(p->out, "<path class=\"line c%zu%s\" d=\"", i % COLOURS,
			   allocated ? " allocated" : "");
		put_path(p, one, &points, allocated);
		buf_puts(p->out, "\"/>\n");
	}
	vec_fini(&points);
}

static void put_peak(const struct plot *p)
{
	struct memory_peak peak = report_peak(p->shown[0]);
	double x = x_of(p, (double)peak.time_ns / NSEC_PER_SEC), y = y_of(p, (double)peak.bytes);
	bool left = x > WIDTH / 2.0;

	if (peak.bytes <= 0)
		return;
	buf_printf(p->out,
		   "<circle class=\"mark f0\" cx=\"%.1f\" cy=\"%.1f\" r=\"5\"/>"
		   "<text class=\"strong\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%.1f MiB",
		   x, y, x + (left ? -10 : 10), MAX(y - 8, TOP - 6.0), left ? "end" : "start",
		   (double)peak.bytes / MIB);
	if (peak.function) {
		const char *name = path_last(peak.function->file);

		buf_puts(p->out, ", ");
		put_xml(p->out, name, strlen(name));
		buf_printf(p->out, ":%u", peak.line);
	}
	buf_puts(p->out, "</text>\n");
}

/* "/usr/bin/python3 app.py" from the name of the program on. */
static const char *without_folder(const char *command)
{
	const char *end = strchrnul(command, ' '),
		   *slash = memrchr(command, '/', (size_t)(end - command));

	return slash ? slash + 1 : command;
}

static void put_legend(const struct plot *p)
{
	for (size_t i = 0; i < MIN(p->n, (size_t)LEGEND); i++) {
		const struct memory_process *one = p->shown[i];
		const char *command = without_folder(one->command ? one->command : "");
		double x = LEFT + (double)(i % 4) * 214, y = 32 + (double)(i / 4) * 16;
		size_t len = strlen(command);

		buf_printf(p->out,
			   "<rect class=\"f%zu\" x=\"%.0f\" y=\"%.0f\" width=\"10\" height=\"3\"/>"
			   "<text x=\"%.0f\" y=\"%.0f\">%d ",
			   i % COLOURS, x, y + 4, x + 16, y + 9, (int)one->pid);
		put_xml(p->out, command, MIN(len, (size_t)22));
		buf_puts(p->out, len > 22 ? "\xe2\x80\xa6</text>\n" : "</text>\n");
	}
}

void memory_report_plot(const struct memory_run *run, struct buf *out)
{
	struct plot p = {.run = run, .out = out};

	buf_printf(out,
		   "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" "
		   "height=\"%d\" role=\"img\" aria-label=\"memory over time\">\n",
		   WIDTH, HEIGHT, WIDTH, HEIGHT);
	put_style(out);
	choose(&p);
	measure(&p);
	buf_printf(out, "<text class=\"title\" x=\"%d\" y=\"22\">", LEFT);
	if (p.n == 1) {
		size_t len = strlen(p.shown[0]->command ? p.shown[0]->command : "");

		buf_puts(out, "Memory of ");
		put_xml(out, len ? p.shown[0]->command : "the process",
			len ? MIN(len, (size_t)90) : 11);
	} else if (p.n) {
		buf_printf(out, "Memory of %zu processes", run->processes.len);
	} else {
		buf_puts(out, "No process lived long enough to be looked at");
	}
	buf_puts(out, "</text>\n");
	put_axes(&p);
	for (size_t i = p.n; i-- > 0;)
		put_lines(&p, i);
	if (p.n)
		put_peak(&p);
	if (p.n > 1)
		put_legend(&p);
	buf_puts(out, "</svg>\n");
}
