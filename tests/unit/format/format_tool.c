/* Converts between formats on standard input and output, for tests that are not written in C.
 *
 *	format_tool FROM TO [PERIOD_NS]	FROM and TO: otlp or what format.c lists
 *
 * Folded text has no unit: with a period its counts become CPU time. otlp to folded writes a line
 * "# service=S host=H profiles=N rejected=N old=0|1 reason=..." first; several profiles are merged.
 */
#include "base/io.h"
#include "format/otlp.h"

#include <unistd.h>

static int fail(const struct err *e)
{
	fprintf(stderr, "format_tool: %s\n", e->msg);
	return 1;
}

static void set_period(struct profile *p, int64_t period)
{
	if (strcmp(p->unit, "count") || !period)
		return;
	snprintf(p->unit, sizeof(p->unit), "nanoseconds");
	p->period = period;
	p->time_ns = 1700000000 * NSEC_PER_SEC;
	p->duration_ns = 10 * NSEC_PER_SEC;
	memcpy(p->id, "0123456789abcdef", sizeof(p->id));
	for (size_t i = 0; i < p->samples.len; i++)
		p->samples.data[i].value = p->samples.data[i].count * period;
}

static int read_otlp(const struct buf *in, profile_vec *ret, struct err *e)
{
	struct otlp_profiles v = {};
	int rc = otlp_read_profiles(in->data, in->len, &v, e);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < v.parts.len; i++) {
		printf("# service=%s host=%s profiles=%zu rejected=%llu old=%d reason=%s\n",
		       v.parts.data[i].service, v.parts.data[i].host, v.parts.data[i].profiles.len,
		       (unsigned long long)v.rejected, v.old_layout, v.reason);
		for (size_t k = 0; k < v.parts.data[i].profiles.len; k++)
			vec_push(ret, take_ptr(v.parts.data[i].profiles.data[k]));
	}
	if (!v.parts.len)
		printf("# rejected=%llu reason=%s\n", (unsigned long long)v.rejected, v.reason);
	otlp_profiles_fini(&v);
	return 0;
}

static int merge_all(profile_vec *v, struct err *e)
{
	while (v->len > 1) {
		cleanup_profile struct profile *last = v->data[--v->len];

		if (strcmp(v->data[0]->type, last->type)) {
			printf("# and %s: %lld samples, %lld %s\n", last->type,
			       (long long)profile_total_count(last),
			       (long long)profile_total_value(last), last->unit);
			continue;
		}
		int rc = profile_merge(v->data[0], last, NULL, 0, e);

		if (rc < 0)
			return rc;
	}
	return 0;
}

static const struct otlp_resource resource = {
	.service = "shop", .host = "web-1", .host_id = "abc", .scope_version = "1"};

#define NOW (1700000000 * NSEC_PER_SEC)

static int write_metrics(struct buf *out, struct err *e)
{
	static const struct otlp_label process[] = {{"process", "nginx"}, {"pid", "7"}};
	static const struct otlp_point points[] = {
		{"cpu", NULL, 0, NOW, 10 * NSEC_PER_SEC, 1.5},
		{"cpu.capacity", NULL, 0, NOW, 0, 4},
		{"memory", NULL, 0, NOW, 0, 1e9},
		{"memory.capacity", NULL, 0, NOW, 0, 2e9},
		{"process.cpu", process, 2, NOW, 10 * NSEC_PER_SEC, 0.5},
		{"process.memory", process, 2, NOW, 0, 1e6},
		{"samples", NULL, 0, NOW, 10 * NSEC_PER_SEC, 30},
		{"remarks", NULL, 0, NOW, 10 * NSEC_PER_SEC, 4},
		{"lost", NULL, 0, NOW, 10 * NSEC_PER_SEC, 2},
	};

	return otlp_write_metrics(&resource, points, ARRAY_SIZE(points), out, e);
}

static int convert(const char *from, const char *to, int64_t period, const struct buf *in,
		   struct buf *out, struct err *e)
{
	const struct format *reader = format_by_name(from), *writer = format_by_name(to);
	cleanup(profile_vec_fini) profile_vec v = {};
	int rc = strcmp(from, "otlp") ? reader->read(in->data, in->len, &v, e)
				      : read_otlp(in, &v, e);

	if (rc >= 0)
		rc = merge_all(&v, e);
	if (rc < 0 || !v.len)
		return rc;
	set_period(v.data[0], period);
	const struct profile *const profiles[] = {v.data[0]};

	if (!strcmp(to, "otlp"))
		return otlp_write_profiles(&resource, profiles, 1, out, e);
	return writer->write(v.data[0], out, e);
}

int main(int argc, char **argv)
{
	cleanup_buf struct buf in = {}, out = {};
	struct err e = {};

	if (argc == 2 && !strcmp(argv[1], "metrics")) {
		if (write_metrics(&out, &e) < 0)
			return fail(&e);
		return io_write_all(STDOUT_FILENO, out.data, out.len) < 0;
	}
	if (argc < 3 || io_read_fd(STDIN_FILENO, 1 << 30, &in) < 0)
		return 2;
	if (convert(argv[1], argv[2], argc > 3 ? atoll(argv[3]) : 0, &in, &out, &e) < 0)
		return fail(&e);
	fflush(stdout);
	return io_write_all(STDOUT_FILENO, out.data, out.len) < 0;
}
