/* Speedscope's own file format (https://www.speedscope.app): JSON, frames by number, one profile a
 * thread, which the viewer offers in a list. Every sample is a stack with its weight; samples of
 * one thread that differ in other labels alone are added up. */
#include "format/speedscope_priv.h"

#include "base/json.h"
#include "format/frame_text.h"
#include "profile/functions.h"

/* The labels that part a profile into those of the viewer's list. */
enum { HOST, PROCESS, PID, GIVEN, THREAD, PARTING };
static const char *const parting[PARTING] = {"host", "process", "pid", "multiprocessing", "thread"};

struct weight {
	uint32_t group;
	uint32_t stack;
	int64_t count;
	int64_t value;
};
struct group {
	const char *labels[PARTING]; /* NULL: none */
	int64_t total;
	size_t first, n; /* into weights */
};
struct writer {
	const struct profile *p;
	VEC(struct group) groups;
	VEC(struct weight) weights;
	uint32_t *frame_of; /* the profile's frame -> the file's */
};

static void writer_fini(struct writer *w)
{
	vec_fini(&w->groups);
	vec_fini(&w->weights);
	free(w->frame_of);
}

/* --- groups ------------------------------------------------------------------------------------
 */

static uint32_t find_group(struct writer *w, struct strtab *keys, uint32_t labels)
{
	cleanup_buf struct buf key = {};
	struct group g = {};

	for (size_t i = 0; i < PARTING; i++) {
		g.labels[i] = profile_label_value(w->p, labels, parting[i]);
		/* A length before each text: no two groups make one key. */
		if (g.labels[i])
			buf_printf(&key, "%zu:%s", strlen(g.labels[i]), g.labels[i]);
		else
			buf_putc(&key, '-');
	}
	uint32_t id = strtab_put(keys, (const char *)key.data, key.len);

	if (id > w->groups.len)
		vec_push(&w->groups, g);
	return id - 1;
}

static int compare_weights(const void *pa, const void *pb)
{
	const struct weight *a = pa, *b = pb;

	if (a->group != b->group)
		return a->group < b->group ? -1 : 1;
	return (a->stack > b->stack) - (a->stack < b->stack);
}

static int compare_groups(const void *pa, const void *pb)
{
	const struct group *a = pa, *b = pb;

	if (a->total != b->total)
		return a->total < b->total ? 1 : -1;
	return (a->first > b->first) - (a->first < b->first);
}

/* Weights by group, equal stacks added up, the heaviest group first. */
static void sum_weights(struct writer *w)
{
	size_t n = 0;

	if (w->weights.len)
		qsort(w->weights.data, w->weights.len, sizeof(struct weight), compare_weights);
	for (size_t i = 0; i < w->weights.len; i++) {
		const struct weight *one = &w->weights.data[i];
		struct group *g = &w->groups.data[one->group];
		struct weight *last = n ? &w->weights.data[n - 1] : NULL;

		g->total += one->value;
		if (last && last->group == one->group && last->stack == one->stack) {
			if (__builtin_add_overflow(last->count, one->count, &last->count))
				last->count = INT64_MAX;
			last->value += one->value;
			continue;
		}
		if (!g->n++)
			g->first = n;
		w->weights.data[n++] = *one;
	}
	w->weights.len = n;
	if (w->groups.len)
		qsort(w->groups.data, w->groups.len, sizeof(struct group), compare_groups);
}

static void collect(struct writer *w)
{
	cleanup_free uint32_t *group_of =
		mem_reallocarray(NULL, w->p->label_sets.len, sizeof(uint32_t));
	struct strtab keys = {};

	memset(group_of, 0xff, w->p->label_sets.len * sizeof(uint32_t));
	for (size_t i = 0; i < w->p->samples.len; i++) {
		const struct profile_sample *s = &w->p->samples.data[i];

		if (s->value <= 0)
			continue;
		if (group_of[s->labels] == HASH_NONE)
			group_of[s->labels] = find_group(w, &keys, s->labels);
		vec_push(&w->weights, (struct weight){group_of[s->labels], s->stack,
						      MAX(s->count, (int64_t)0), s->value});
	}
	strtab_fini(&keys);
	sum_weights(w);
}

/* --- the file ----------------------------------------------------------------------------------
 */

/* The viewer has one field for the place: the source file, else the program or library. */
static void put_frame(struct json *j, const struct profile *p, uint32_t frame, struct buf *name)
{
	const struct profile_frame *f = &p->frames.data[frame];
	const struct profile_function *function = &p->functions.data[f->function];

	name->len = 0;
	frame_text_put(p, frame, name);
	json_object_begin(j);
	json_key(j, "name");
	json_text_n(j, (const char *)name->data, name->len);
	if (function->file || (function->name && function->module))
		json_member_text(j, "file",
				 profile_text(p,
					      function->file ? function->file : function->module));
	if (function->file && f->line)
		json_member_int(j, "line", f->line);
	json_object_end(j);
}

/* One frame a function and line, and one an address where there is no name. */
static void put_frames(struct writer *w, struct json *j)
{
	cleanup(functions_fini) struct functions functions = {};
	cleanup_buf struct buf name = {};
	struct map64 known = {};
	uint32_t n = 0;

	functions_init(&functions, w->p);
	w->frame_of = mem_reallocarray(NULL, w->p->frames.len, sizeof(uint32_t));
	json_key(j, "frames");
	json_array_begin(j);
	for (uint32_t i = 0; i < w->p->frames.len; i++) {
		uint64_t key = (uint64_t)functions.of_frame[i] << 32 | w->p->frames.data[i].line;
		uint64_t *at = map64_get(&known, key);

		if (!at) {
			map64_set(&known, key, n);
			put_frame(j, w->p, i, &name);
		}
		w->frame_of[i] = at ? (uint32_t)*at : n++;
	}
	json_array_end(j);
	map64_fini(&known);
}

static void put_samples(const struct writer *w, const struct group *g, struct json *j)
{
	VEC(uint32_t) frames = {};

	json_key(j, "samples");
	json_array_begin(j);
	for (size_t i = g->first; i < g->first + g->n; i++) {
		vec_clear(&frames);
		for (uint32_t s = w->weights.data[i].stack; s; s = w->p->stacks.data[s].parent)
			vec_push(&frames, w->frame_of[w->p->stacks.data[s].frame]);
		json_array_begin(j);
		for (size_t k = frames.len; k-- > 0;)
			json_int(j, frames.data[k]);
		json_array_end(j);
	}
	json_array_end(j);
	vec_fini(&frames);
	json_key(j, "weights");
	json_array_begin(j);
	for (size_t i = g->first; i < g->first + g->n; i++)
		json_int(j, w->weights.data[i].value);
	json_array_end(j);
}

/* What the format has no place for. */
static void put_extra(const struct writer *w, const struct group *g, struct json *j)
{
	json_key(j, "glim");
	json_object_begin(j);
	json_member_text(j, "type", w->p->type);
	json_member_int(j, "period", w->p->period);
	json_key(j, "labels");
	json_object_begin(j);
	for (size_t i = 0; i < PARTING; i++)
		if (g->labels[i])
			json_member_text(j, parting[i], g->labels[i]);
	json_object_end(j);
	json_key(j, "counts");
	json_array_begin(j);
	for (size_t i = g->first; i < g->first + g->n; i++)
		json_int(j, w->weights.data[i].count);
	json_array_end(j);
	json_object_end(j);
}

/* "python3 (1234) MainThread", with the host before it where there is one, and behind the number
 * what multiprocessing calls the process. */
static void put_name(const struct group *g, struct json *j)
{
	cleanup_buf struct buf name = {};
	const char *host = g->labels[HOST], *process = g->labels[PROCESS], *pid = g->labels[PID],
		   *given = g->labels[GIVEN], *thread = g->labels[THREAD];

	if (host)
		buf_printf(&name, "%s: ", host);
	buf_puts(&name, process && *process ? process : "unknown");
	if (pid)
		buf_printf(&name, " (%s)", pid);
	if (given)
		buf_printf(&name, " %s", given);
	if (thread && (!process || strcmp(thread, process)))
		buf_printf(&name, " %s", thread);
	json_member_text(j, "name", buf_cstr(&name));
}

static void put_profile(const struct writer *w, const struct group *g, struct json *j)
{
	json_object_begin(j);
	json_member_text(j, "type", "sampled");
	put_name(g, j);
	json_member_text(j, "unit", strcmp(w->p->unit, "count") ? w->p->unit : "none");
	json_member_int(j, "startValue", 0);
	json_member_int(j, "endValue", g->total);
	put_samples(w, g, j);
	put_extra(w, g, j);
	json_object_end(j);
}

static int speedscope_write(const struct profile *p, struct buf *out, struct err *e)
{
	cleanup(writer_fini) struct writer w = {.p = p};
	const struct group none = {};
	struct json j = {.out = out};
	int r = profile_check_values(p, e);

	if (r < 0)
		return r;
	collect(&w);
	json_object_begin(&j);
	json_member_text(&j, "$schema", SPEEDSCOPE_SCHEMA);
	json_member_text(&j, "exporter", "glim " GLIM_VERSION);
	json_key(&j, "shared");
	json_object_begin(&j);
	put_frames(&w, &j);
	json_object_end(&j);
	json_key(&j, "profiles");
	json_array_begin(&j);
	for (size_t i = 0; i < w.groups.len; i++)
		put_profile(&w, &w.groups.data[i], &j);
	/* The viewer wants one. */
	if (!w.groups.len)
		put_profile(&w, &none, &j);
	json_array_end(&j);
	json_object_end(&j);
	buf_putc(out, '\n');
	return 0;
}

/* The schema is named somewhere, not always at the beginning. */
static bool speedscope_detect(const void *data, size_t n)
{
	const char *p = data, *end = p + n;

	while (p < end && strchr(" \t\r\n", *p))
		p++;
	return p < end && *p == '{' && memmem(p, (size_t)(end - p), "speedscope", 10) &&
	       memmem(p, (size_t)(end - p), "\"profiles\"", 10);
}

const struct format format_speedscope = {
	.name = "speedscope",
	.suffix = ".speedscope.json",
	.mime = "application/json",
	.detect = speedscope_detect,
	.write = speedscope_write,
	.read = speedscope_read,
};
