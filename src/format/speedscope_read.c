#include "format/speedscope_priv.h"

#include <math.h>

#include "base/json_reader.h"
#include "format/frame_text.h"
#include "format/types.h"

struct text {
	const char *p;
	size_t len;
};
struct frame {
	uint32_t name, file; /* of struct reader's strings */
	uint32_t line;
};
/* All profiles of one type become one: they are the threads of one recording. */
struct target {
	struct profile *p;
	uint32_t *frame_of; /* the file's frame -> the profile's, HASH_NONE: not asked for yet */
};
struct reader {
	struct json_reader json;
	struct strtab strings;
	VEC(struct frame) frames;
	VEC(struct target) targets;
	uint64_t work, entries;
	struct err *e; /* what was wrong first; never NULL */
};

/* One of the file's profiles: what its fields say, before its samples are looked at. */
struct facts {
	bool evented, sampled;
	uint32_t name;
	const char *type, *unit; /* of Glim */
	int64_t factor;		 /* from the file's unit */
	int64_t period;
	VEC(int64_t) counts;
	struct {
		uint32_t key, value; /* of struct reader's strings */
	} labels[FORMAT_MAX_LABELS];
	size_t nlabels;
};
/* Its samples. */
struct samples {
	struct target *target;
	uint32_t labels;
	VEC(uint32_t) path;   /* frames of the file, outermost first */
	VEC(uint32_t) stacks; /* of the target, an element a sample */
	VEC(double) weights;
	VEC(uint32_t) open; /* evented: the stack of each open frame */
};

static void reader_fini(struct reader *r)
{
	json_reader_fini(&r->json);
	strtab_fini(&r->strings);
	vec_fini(&r->frames);
	for (size_t i = 0; i < r->targets.len; i++) {
		profile_free(r->targets.data[i].p);
		free(r->targets.data[i].frame_of);
	}
	vec_fini(&r->targets);
}

static void facts_fini(struct facts *f)
{
	vec_fini(&f->counts);
}

static void samples_fini(struct samples *s)
{
	vec_fini(&s->path);
	vec_fini(&s->stacks);
	vec_fini(&s->weights);
	vec_fini(&s->open);
}

static int damaged(struct reader *r, const char *what)
{
	return err_set(r->e, -EBADMSG, "speedscope: %s", what);
}

/* What was wrong so far, if anything: said by us or by the JSON reader. */
static int result(struct reader *r)
{
	if (!r->e->code && json_reader_error(&r->json, r->e) < 0)
		err_prefix(r->e, "speedscope");
	return r->e->code;
}

static int count_entry(struct reader *r)
{
	return ++r->entries > FORMAT_MAX_ENTRIES
		       ? err_set(r->e, -EFBIG, "speedscope: more than %d entries",
				 FORMAT_MAX_ENTRIES)
		       : 0;
}

/* The string that comes next, 0 when it is damaged. */
static uint32_t read_string(struct reader *r)
{
	const struct buf *b = &r->json.text;

	if (!json_read_text(&r->json))
		return 0;
	size_t n = strnlen((const char *)b->data, MIN(b->len, (size_t)FORMAT_MAX_TEXT));

	return n ? strtab_put(&r->strings, (const char *)b->data, n) : 0;
}

static struct text text_of(const struct reader *r, uint32_t s)
{
	return (struct text){strtab_get(&r->strings, s), strtab_len(&r->strings, s)};
}

/* --- frames ------------------------------------------------------------------------------------
 */

static int read_frame(struct reader *r)
{
	struct frame f = {};
	double line;

	json_enter_object(&r->json);
	while (json_next_key(&r->json)) {
		if (json_text_is(&r->json, "name"))
			f.name = read_string(r);
		else if (json_text_is(&r->json, "file") && json_peek(&r->json) == JSON_KIND_TEXT)
			f.file = read_string(r);
		else if (json_text_is(&r->json, "line") &&
			 json_peek(&r->json) == JSON_KIND_NUMBER) {
			if (json_read_number(&r->json, &line) && line > 0 && line <= INT32_MAX)
				f.line = (uint32_t)line;
		} else
			json_skip(&r->json);
	}
	vec_push(&r->frames, f);
	return count_entry(r);
}

static int read_shared(struct reader *r)
{
	int rc = 0;

	json_enter_object(&r->json);
	while (rc >= 0 && json_next_key(&r->json)) {
		if (!json_text_is(&r->json, "frames")) {
			json_skip(&r->json);
			continue;
		}
		json_enter_array(&r->json);
		while (rc >= 0 && json_next_item(&r->json))
			rc = read_frame(r);
	}
	return rc;
}

static bool ends_with(struct text t, const char *suffix)
{
	size_t n = strlen(suffix);

	return t.len >= n && !memcmp(t.p + t.len - n, suffix, n);
}

/* A frame as the profile has it. Files of Python are told by their name; a file without a line is
 * the program or library, as we write it. */
static uint32_t make_frame(struct reader *r, struct profile *p, const struct frame *f)
{
	struct text name = text_of(r, f->name), file = text_of(r, f->file);
	struct profile_function function;
	struct profile_frame frame = {.line = f->line};

	frame_text_parse(p, name.p, name.len, &function, &frame.address);
	if (function.kind == FRAME_NATIVE && (ends_with(file, ".py") || *file.p == '<'))
		function.kind = FRAME_PYTHON;
	if (function.kind == FRAME_PYTHON || f->line)
		function.file = profile_string_n(p, file.p, file.len);
	else if (file.len && !function.module)
		function.module = profile_string_n(p, file.p, file.len);
	frame.function = profile_function(p, &function);
	return profile_frame(p, &frame);
}

static uint32_t frame_of(struct reader *r, struct target *t, uint32_t index)
{
	if (t->frame_of[index] == HASH_NONE)
		t->frame_of[index] = make_frame(r, t->p, &r->frames.data[index]);
	return t->frame_of[index];
}

/* The stack of these frames of the file, outermost first; of too many those at the leaf. */
static uint32_t make_stack(struct reader *r, struct target *t, const uint32_t *frames, size_t n)
{
	size_t from = n > FORMAT_MAX_DEPTH ? n - FORMAT_MAX_DEPTH : 0;
	uint32_t stack = from ? profile_stack(t->p, 0, profile_mark(t->p, OUTCOME_TOO_DEEP)) : 0;

	for (size_t i = from; i < n; i++)
		stack = profile_stack(t->p, stack, frame_of(r, t, frames[i]));
	r->work += n - from;
	return stack;
}

static int check_size(struct reader *r, const struct target *t)
{
	if (r->work > FORMAT_MAX_WORK || profile_memory(t->p) > FORMAT_MAX_MEMORY)
		return err_set(r->e, -EFBIG, "speedscope: the file unfolds to too many stacks");
	return 0;
}

/* The number of a frame; -1: damaged. */
static int64_t read_index(struct reader *r)
{
	double v;

	if (!json_read_number(&r->json, &v))
		return -1;
	if (!(v >= 0 && v < (double)r->frames.len && v == floor(v))) {
		damaged(r, "a stack names a frame that is not there");
		return -1;
	}
	return (int64_t)v;
}

/* --- sampled -----------------------------------------------------------------------------------
 */

static int read_sample(struct reader *r, struct samples *s)
{
	vec_clear(&s->path);
	json_enter_array(&r->json);
	while (json_next_item(&r->json)) {
		int64_t index = read_index(r);

		if (index < 0 || ++r->work > FORMAT_MAX_WORK)
			break;
		vec_push(&s->path, (uint32_t)index);
	}
	int rc = result(r);

	if (rc < 0)
		return rc;
	vec_push(&s->stacks, make_stack(r, s->target, s->path.data, s->path.len));
	rc = check_size(r, s->target);
	return rc < 0 ? rc : count_entry(r);
}

static int read_weights(struct reader *r, struct samples *s)
{
	double v;
	int rc = 0;

	json_enter_array(&r->json);
	while (rc >= 0 && json_next_item(&r->json) && json_read_number(&r->json, &v)) {
		vec_push(&s->weights, v);
		rc = count_entry(r);
	}
	return rc;
}

static int64_t to_value(double v)
{
	return v < 9.2e18 ? (int64_t)(v + 0.5) : INT64_MAX;
}

static void add_sample(struct samples *s, const struct facts *f, uint32_t stack, int64_t count,
		       double weight)
{
	int64_t value = to_value(weight * (double)f->factor);

	profile_add(s->target->p, stack, s->labels, strcmp(f->unit, "count") ? count : value,
		    value);
}

static int join_samples(struct reader *r, struct samples *s, const struct facts *f)
{
	if (s->stacks.len != s->weights.len)
		return damaged(r, "a profile has not as many weights as samples");
	if (f->counts.len && f->counts.len != s->stacks.len)
		return damaged(r, "a profile has not as many counts as samples");
	for (size_t i = 0; i < s->stacks.len; i++) {
		if (!(s->weights.data[i] >= 0))
			return damaged(r, "a weight is negative");
		add_sample(s, f, s->stacks.data[i], f->counts.len ? f->counts.data[i] : 1,
			   s->weights.data[i]);
	}
	return 0;
}

/* --- evented -----------------------------------------------------------------------------------
 */

struct event {
	bool close;
	uint32_t frame;
	double at;
};

static int read_event(struct reader *r, struct event *ret)
{
	struct event event = {};
	bool type = false, frame = false, at = false;

	json_enter_object(&r->json);
	while (json_next_key(&r->json)) {
		if (json_text_is(&r->json, "type")) {
			type = json_read_text(&r->json);
			event.close = json_text_is(&r->json, "C");
			type = type && (event.close || json_text_is(&r->json, "O"));
		} else if (json_text_is(&r->json, "frame")) {
			int64_t index = read_index(r);

			if (index < 0)
				break;
			event.frame = (uint32_t)index;
			frame = true;
		} else if (json_text_is(&r->json, "at")) {
			at = json_read_number(&r->json, &event.at) && isfinite(event.at);
		} else {
			json_skip(&r->json);
		}
	}
	if (result(r) < 0)
		return r->e->code;
	if (!type || !frame || !at)
		return damaged(r, "an event without its type, frame and time");
	*ret = event;
	return 0;
}

/* Frames that are still open above the one that closes end with it. */
static int close_frame(struct reader *r, struct samples *s, uint32_t frame)
{
	size_t n = s->path.len;

	while (n && s->path.data[n - 1] != frame) {
		n--;
		r->work++;
	}
	if (!n)
		return damaged(r, "an event closes a frame that is not open");
	s->path.len = s->open.len = n - 1;
	return 0;
}

static int open_frame(struct reader *r, struct samples *s, uint32_t frame)
{
	uint32_t parent = s->open.len ? s->open.data[s->open.len - 1] : 0, stack;

	vec_push(&s->path, frame);
	if (s->path.len > FORMAT_MAX_DEPTH)
		stack = make_stack(r, s->target, s->path.data, s->path.len);
	else
		stack = profile_stack(s->target->p, parent, frame_of(r, s->target, frame));
	vec_push(&s->open, stack);
	return check_size(r, s->target);
}

static int read_events(struct reader *r, struct samples *s, const struct facts *f)
{
	struct event event = {};
	double last = 0;
	int rc = 0;

	json_enter_array(&r->json);
	while (rc >= 0 && json_next_item(&r->json)) {
		rc = read_event(r, &event);
		if (rc >= 0)
			rc = count_entry(r);
		if (rc < 0)
			break;
		if (s->open.len && event.at < last)
			return damaged(r, "an event lies before the one before it");
		if (s->open.len && event.at > last)
			add_sample(s, f, s->open.data[s->open.len - 1], 1, event.at - last);
		last = event.at;
		rc = event.close ? close_frame(r, s, event.frame) : open_frame(r, s, event.frame);
	}
	return rc;
}

/* --- profiles ----------------------------------------------------------------------------------
 */

static void read_labels(struct reader *r, struct facts *f)
{
	json_enter_object(&r->json);
	while (json_next_key(&r->json)) {
		const struct buf *b = &r->json.text;
		uint32_t key = b->len && b->len <= FORMAT_MAX_TEXT && !memchr(b->data, 0, b->len)
				       ? strtab_put(&r->strings, (const char *)b->data, b->len)
				       : 0;
		uint32_t value = read_string(r);

		if (!key || f->nlabels == FORMAT_MAX_LABELS)
			continue;
		f->labels[f->nlabels].key = key;
		f->labels[f->nlabels++].value = value;
	}
}

static int read_counts(struct reader *r, struct facts *f)
{
	double v;
	int rc = 0;

	json_enter_array(&r->json);
	while (rc >= 0 && json_next_item(&r->json) && json_read_number(&r->json, &v)) {
		vec_push(&f->counts, v >= 0 ? to_value(v) : 0);
		rc = count_entry(r);
	}
	return rc;
}

static int read_extra(struct reader *r, struct facts *f)
{
	int rc = 0;
	double v;

	json_enter_object(&r->json);
	while (rc >= 0 && json_next_key(&r->json)) {
		if (json_text_is(&r->json, "type") && json_read_text(&r->json)) {
			const struct format_type *t = format_type_by_glim(buf_cstr(&r->json.text));

			f->type = t ? t->type : f->type;
		} else if (json_text_is(&r->json, "period")) {
			if (json_read_number(&r->json, &v) && v >= 0)
				f->period = to_value(v);
		} else if (json_text_is(&r->json, "labels")) {
			read_labels(r, f);
		} else if (json_text_is(&r->json, "counts")) {
			rc = read_counts(r, f);
		} else {
			json_skip(&r->json);
		}
	}
	return rc;
}

static void set_unit(struct reader *r, struct facts *f)
{
	static const char *const units[] = {"nanoseconds", "bytes"};
	const struct buf *b = &r->json.text;

	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		f->factor = format_unit_factor((const char *)b->data, b->len, units[i]);
		f->unit = units[i];
		if (f->factor)
			return;
	}
	f->factor = 1;
	f->unit = "count";
}

/* Everything but the samples. */
static int read_facts(struct reader *r, struct facts *f)
{
	int rc = 0;

	f->unit = "count";
	f->factor = 1;
	json_enter_object(&r->json);
	while (rc >= 0 && json_next_key(&r->json)) {
		if (json_text_is(&r->json, "type") && json_read_text(&r->json)) {
			f->evented = json_text_is(&r->json, "evented");
			f->sampled = json_text_is(&r->json, "sampled");
		} else if (json_text_is(&r->json, "unit")) {
			if (json_read_text(&r->json))
				set_unit(r, f);
		} else if (json_text_is(&r->json, "name")) {
			f->name = read_string(r);
		} else if (json_text_is(&r->json, "glim")) {
			rc = read_extra(r, f);
		} else {
			json_skip(&r->json);
		}
	}
	if (rc < 0 || result(r) < 0)
		return r->e->code;
	if (!f->evented && !f->sampled)
		return damaged(r, "a profile is neither sampled nor evented");
	const struct format_type *t = f->type ? format_type_by_glim(f->type) : NULL;

	if (!t || strcmp(t->unit, f->unit))
		f->type = strcmp(f->unit, "bytes") ? "cpu" : "alloc";
	return 0;
}

static struct target *find_target(struct reader *r, const struct facts *f)
{
	struct target t = {};

	for (size_t i = 0; i < r->targets.len; i++) {
		const struct profile *p = r->targets.data[i].p;

		if (!strcmp(p->type, f->type) && !strcmp(p->unit, f->unit))
			return &r->targets.data[i];
	}
	t.p = profile_new(f->type, f->unit, strcmp(f->unit, "count") ? f->period : 1);
	t.frame_of = mem_reallocarray(NULL, r->frames.len, sizeof(uint32_t));
	memset(t.frame_of, 0xff, r->frames.len * sizeof(uint32_t));
	vec_push(&r->targets, t);
	return &r->targets.data[r->targets.len - 1];
}

/* Those of our own files; of others the name of the profile is that of a thread. */
static uint32_t make_labels(struct reader *r, struct profile *p, const struct facts *f)
{
	struct profile_label labels[FORMAT_MAX_LABELS];
	struct text name = text_of(r, f->name);

	for (size_t i = 0; i < f->nlabels; i++) {
		struct text key = text_of(r, f->labels[i].key);
		struct text value = text_of(r, f->labels[i].value);

		labels[i] = (struct profile_label){profile_string_n(p, key.p, key.len),
						   profile_string_n(p, value.p, value.len)};
	}
	if (f->nlabels || !name.len)
		return profile_labels(p, labels, f->nlabels);
	labels[0] = (struct profile_label){profile_string(p, "thread"),
					   profile_string_n(p, name.p, name.len)};
	return profile_labels(p, labels, 1);
}

static int read_samples(struct reader *r, const struct facts *f)
{
	struct target *t = find_target(r, f);
	cleanup(samples_fini) struct samples s = {.target = t, .labels = make_labels(r, t->p, f)};
	int rc = 0;

	json_enter_object(&r->json);
	while (rc >= 0 && json_next_key(&r->json)) {
		if (f->sampled && json_text_is(&r->json, "samples")) {
			json_enter_array(&r->json);
			while (rc >= 0 && json_next_item(&r->json))
				rc = read_sample(r, &s);
		} else if (f->sampled && json_text_is(&r->json, "weights")) {
			rc = read_weights(r, &s);
		} else if (f->evented && json_text_is(&r->json, "events")) {
			rc = read_events(r, &s, f);
		} else {
			json_skip(&r->json);
		}
	}
	if (rc < 0 || result(r) < 0)
		return r->e->code;
	return f->sampled ? join_samples(r, &s, f) : 0;
}

static int read_profile(struct reader *r)
{
	cleanup(facts_fini) struct facts f = {};
	struct json_place place = json_place(&r->json);
	int rc = read_facts(r, &f);

	if (rc < 0)
		return rc;
	json_return(&r->json, place);
	return read_samples(r, &f);
}

/* Through the whole file: once for the frames, once for the profiles, which may stand before. */
static int read_file(struct reader *r, bool profiles)
{
	int rc = 0;
	bool found = false;

	json_enter_object(&r->json);
	while (rc >= 0 && json_next_key(&r->json)) {
		if (!profiles && json_text_is(&r->json, "shared")) {
			rc = read_shared(r);
			found = true;
		} else if (profiles && json_text_is(&r->json, "profiles")) {
			json_enter_array(&r->json);
			while (rc >= 0 && json_next_item(&r->json))
				rc = read_profile(r);
			found = true;
		} else {
			json_skip(&r->json);
		}
	}
	if (rc < 0)
		return rc;
	json_end(&r->json);
	rc = result(r);
	if (!rc && !found)
		return damaged(r, profiles ? "no profiles in the file" : "no frames in the file");
	return rc;
}

int speedscope_read(const void *data, size_t n, profile_vec *ret_profiles, struct err *e)
{
	struct err own = {};
	cleanup(reader_fini) struct reader r = {.e = e ? e : &own};
	int rc;

	*r.e = (struct err){};
	json_reader_init(&r.json, data, n);
	struct json_place start = json_place(&r.json);

	rc = read_file(&r, false);
	if (rc >= 0) {
		json_return(&r.json, start);
		rc = read_file(&r, true);
	}
	for (size_t i = 0; rc >= 0 && i < r.targets.len; i++)
		vec_push(ret_profiles, take_ptr(r.targets.data[i].p));
	return rc;
}
