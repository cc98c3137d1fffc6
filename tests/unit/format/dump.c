#include "dump.h"

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void put_sample(const struct profile *p, const struct profile_sample *s, struct buf *b)
{
	const struct profile_label_set *set = &p->label_sets.data[s->labels];
	uint32_t frames[2000];
	size_t n = profile_unroll(p, s->stack, frames, ARRAY_SIZE(frames));

	CHECK(n <= ARRAY_SIZE(frames));
	for (uint32_t i = 0; i < set->count; i++) {
		const struct profile_label *l = &p->label_pairs.data[set->first + i];

		buf_printf(b, "%s=%s ", profile_text(p, l->key), profile_text(p, l->value));
	}
	for (size_t i = n; i-- > 0;) {
		const struct profile_frame *f = &p->frames.data[frames[i]];
		const struct profile_function *fn = &p->functions.data[f->function];

		buf_printf(b, "; %u %s [%s @%u in %s] line %u at 0x%llx", fn->kind,
			   profile_text(p, fn->name), profile_text(p, fn->file), fn->start_line,
			   profile_text(p, fn->module), f->line, (unsigned long long)f->address);
	}
	buf_printf(b, " | %lld %lld\n", (long long)s->count, (long long)s->value);
}

char *dump_profile(const struct profile *p)
{
	char **lines = mem_calloc(p->samples.len, sizeof(*lines));
	struct buf all = {};

	buf_printf(&all, "%s %s period %lld time %lld + %lld id %.16s\n", p->type, p->unit,
		   (long long)p->period, (long long)p->time_ns, (long long)p->duration_ns,
		   (const char *)p->id);
	for (size_t i = 0; i < p->samples.len; i++) {
		struct buf b = {};

		put_sample(p, &p->samples.data[i], &b);
		buf_cstr(&b);
		lines[i] = (char *)b.data;
	}
	qsort(lines, p->samples.len, sizeof(*lines), by_text);
	for (size_t i = 0; i < p->samples.len; i++) {
		buf_puts(&all, lines[i]);
		free(lines[i]);
	}
	free(lines);
	buf_cstr(&all);
	return (char *)all.data;
}

uint32_t dump_frame(struct profile *p, const char *name, const char *file, const char *module,
		    uint32_t start, uint32_t line, uint64_t address, uint8_t kind)
{
	struct profile_function f = {
		.name = profile_string(p, name),
		.file = profile_string(p, file),
		.module = profile_string(p, module),
		.start_line = start,
		.kind = kind,
	};
	struct profile_frame frame = {
		.function = profile_function(p, &f), .line = line, .address = address};

	return profile_frame(p, &frame);
}

uint32_t dump_label(struct profile *p, const char *key, const char *value)
{
	struct profile_label l = {profile_string(p, key), profile_string(p, value)};

	return profile_labels(p, &l, 1);
}

struct profile *dump_sample_profile(const char *type, const char *unit, int64_t period)
{
	struct profile *p = profile_new(type, unit, period);
	const uint32_t frames[] = {
		dump_frame(p, "main", "/srv/app.py", "", 3, 14, 0, FRAME_PYTHON),
		dump_frame(p, "h\xc3\xa4ndle", "/srv/app.py", "", 20, 22, 0, FRAME_PYTHON),
		dump_frame(p, "_PyEval_EvalFrameDefault", "", "libpython3.11.so.1.0", 0, 0, 0,
			   FRAME_NATIVE),
		dump_frame(p, "", "", "libc.so.6", 0, 0, 0x12af, FRAME_NATIVE),
		dump_frame(p, "do_syscall_64", "", "", 0, 0, 0, FRAME_KERNEL),
	};
	const struct profile_label labels[] = {
		{profile_string(p, "pid"), profile_string(p, "4711")},
		{profile_string(p, "process"), profile_string(p, "python3")},
		{profile_string(p, "thread"), profile_string(p, "Main Thread")},
		{profile_string(p, "tid"), profile_string(p, "007")}, /* not a plain number */
		{profile_string(p, "odd.key"), profile_string(p, "a;b=c")},
		{profile_string(p, "empty"), 0},
	};
	uint32_t cut = dump_frame(p, outcome_text(OUTCOME_TOO_DEEP), "", "", 0, 0, 0, FRAME_MARK);
	uint32_t stack = profile_path(p, 0, frames, ARRAY_SIZE(frames));
	uint32_t set = profile_labels(p, labels, ARRAY_SIZE(labels));

	p->time_ns = 1700000000123456789;
	p->duration_ns = 10000000001;
	memcpy(p->id, "0123456789abcdef", sizeof(p->id));
	profile_add(p, stack, set, 3, 3 * (period ? period : 7));
	profile_add(p, profile_path(p, 0, frames, 2), set, 1, 12345);
	profile_add(p, profile_stack(p, profile_stack(p, 0, cut), frames[2]),
		    profile_labels(p, labels, 2), 2, 2 * (period ? period : 7));
	profile_add(p, 0, 0, 5, 0);
	return p;
}
