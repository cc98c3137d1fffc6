#include "profile/profile.h"

const char *frame_kind_name(uint32_t kind)
{
	static const char *const names[] = {[FRAME_NATIVE] = "native",
					    [FRAME_KERNEL] = "kernel",
					    [FRAME_PYTHON] = "python",
					    [FRAME_MARK] = "mark",
					    [FRAME_PROCESS] = "process"};

	return kind < ARRAY_SIZE(names) && names[kind] ? names[kind] : "unknown";
}

const char *outcome_text(unsigned int outcome)
{
	static const char *const text[] = {
#define X(name, number, text) [number] = text,
		OUTCOMES(X)
#undef X
	};

	return outcome < ARRAY_SIZE(text) ? text[outcome] : "unknown";
}

const char *remark_text(enum remark remark)
{
	static const char *const text[] = {
#define X(name, text) [REMARK_##name] = text,
		REMARKS(X)
#undef X
	};

	return text[remark];
}

/* The root stack alone. */
static void start_stacks(struct profile *p)
{
	vec_push(&p->stacks, (struct profile_stack){});
	vec_push(&p->first_child, 0);
}

struct profile *profile_new(const char *type, const char *unit, int64_t period)
{
	struct profile *p = mem_calloc(1, sizeof(*p));

	snprintf(p->type, sizeof(p->type), "%s", type);
	snprintf(p->unit, sizeof(p->unit), "%s", unit);
	p->period = period;
	vec_push(&p->label_sets, (struct profile_label_set){});
	start_stacks(p);
	return p;
}

void profile_free(struct profile *p)
{
	if (!p)
		return;
	strtab_fini(&p->strings);
	vec_fini(&p->functions);
	vec_fini(&p->frames);
	vec_fini(&p->stacks);
	vec_fini(&p->label_pairs);
	vec_fini(&p->label_sets);
	vec_fini(&p->samples);
	hash_index_fini(&p->function_index);
	hash_index_fini(&p->frame_index);
	vec_fini(&p->first_child);
	hash_index_fini(&p->stack_index);
	hash_index_fini(&p->label_index);
	hash_index_fini(&p->sample_index);
	free(p);
}

void profile_cleanup(struct profile **p)
{
	profile_free(*p);
}

uint32_t profile_string(struct profile *p, const char *s)
{
	return strtab_puts(&p->strings, s);
}

uint32_t profile_string_n(struct profile *p, const char *s, size_t len)
{
	return len ? strtab_put(&p->strings, s, strnlen(s, len)) : 0;
}

static uint64_t pair(uint32_t a, uint32_t b)
{
	return (uint64_t)a << 32 | b;
}

uint32_t profile_function(struct profile *p, const struct profile_function *f)
{
	uint64_t hash =
		hash_mix(hash_mix(pair(f->name, f->file), pair(f->module, f->start_line)), f->kind);
	struct hash_iter it;

	CHECK(f->name < strtab_count(&p->strings) && f->file < strtab_count(&p->strings) &&
	      f->module < strtab_count(&p->strings));
	for (uint32_t i = hash_index_first(&p->function_index, hash, &it); i != HASH_NONE;
	     i = hash_index_next(&p->function_index, &it)) {
		const struct profile_function *o = &p->functions.data[i];

		if (o->name == f->name && o->file == f->file && o->module == f->module &&
		    o->start_line == f->start_line && o->kind == f->kind)
			return i;
	}
	uint32_t n = (uint32_t)p->functions.len;

	hash_index_add(&p->function_index, hash, n);
	vec_push(&p->functions, *f);
	return n;
}

uint32_t profile_frame(struct profile *p, const struct profile_frame *f)
{
	uint64_t hash = hash_mix(f->address, pair(f->function, f->line));
	struct hash_iter it;

	CHECK(f->function < p->functions.len);
	for (uint32_t i = hash_index_first(&p->frame_index, hash, &it); i != HASH_NONE;
	     i = hash_index_next(&p->frame_index, &it)) {
		const struct profile_frame *o = &p->frames.data[i];

		if (o->address == f->address && o->function == f->function && o->line == f->line)
			return i;
	}
	uint32_t n = (uint32_t)p->frames.len;

	hash_index_add(&p->frame_index, hash, n);
	vec_push(&p->frames, *f);
	return n;
}

uint32_t profile_mark(struct profile *p, enum outcome outcome)
{
	struct profile_function f = {.name = profile_string(p, outcome_text(outcome)),
				     .kind = FRAME_MARK};
	struct profile_frame frame = {.function = profile_function(p, &f)};

	return profile_frame(p, &frame);
}

static uint32_t find_stack(const struct profile *p, uint32_t parent, uint32_t frame)
{
	uint32_t first = p->first_child.data[parent];
	struct hash_iter it;

	if (!first)
		return HASH_NONE;
	if (p->stacks.data[first].frame == frame)
		return first;
	for (uint32_t i = hash_index_first(&p->stack_index, hash_mix(parent, frame), &it);
	     i != HASH_NONE; i = hash_index_next(&p->stack_index, &it)) {
		const struct profile_stack *o = &p->stacks.data[i];

		if (o->parent == parent && o->frame == frame)
			return i;
	}
	return HASH_NONE;
}

static uint32_t append_stack(struct profile *p, uint32_t parent, uint32_t frame)
{
	uint32_t n = (uint32_t)p->stacks.len;

	if (p->first_child.data[parent])
		hash_index_add(&p->stack_index, hash_mix(parent, frame), n);
	else
		p->first_child.data[parent] = n;
	vec_push(&p->stacks, (struct profile_stack){parent, frame});
	vec_push(&p->first_child, 0);
	return n;
}

uint32_t profile_stack(struct profile *p, uint32_t parent, uint32_t frame)
{
	CHECK(parent < p->stacks.len && frame < p->frames.len);
	uint32_t found = find_stack(p, parent, frame);

	return found != HASH_NONE ? found : append_stack(p, parent, frame);
}

uint32_t profile_path(struct profile *p, uint32_t parent, const uint32_t *frames, size_t n)
{
	for (size_t i = 0; i < n; i++)
		parent = profile_stack(p, parent, frames[i]);
	return parent;
}

/* Put one pair at its place among the sorted pairs from first on. Sets are small (readers allow 64
 * labels), so that insertion beats anything clever. */
static void insert_label(struct profile *p, size_t first, struct profile_label l)
{
	const char *key = profile_text(p, l.key);
	size_t at = p->label_pairs.len;

	while (at > first) {
		struct profile_label *before = &p->label_pairs.data[at - 1];
		int order = strcmp(profile_text(p, before->key), key);

		if (order == 0) {
			before->value = l.value;
			return;
		}
		if (order < 0)
			break;
		at--;
	}
	vec_push(&p->label_pairs, l);
	struct profile_label *slot = &p->label_pairs.data[at];

	memmove(slot + 1, slot, (p->label_pairs.len - 1 - at) * sizeof(*slot));
	*slot = l;
}

uint32_t profile_labels(struct profile *p, const struct profile_label *labels, size_t n)
{
	size_t first = p->label_pairs.len;
	struct hash_iter it;

	if (!n)
		return 0;
	/* The new set is made where it will stay, and taken back when it was there already. */
	for (size_t i = 0; i < n; i++) {
		CHECK(labels[i].value < strtab_count(&p->strings));
		insert_label(p, first, labels[i]);
	}
	const struct profile_label *set = p->label_pairs.data + first;
	size_t count = p->label_pairs.len - first, bytes = count * sizeof(*set);
	uint64_t hash = hash_bytes(set, bytes);

	for (uint32_t i = hash_index_first(&p->label_index, hash, &it); i != HASH_NONE;
	     i = hash_index_next(&p->label_index, &it)) {
		const struct profile_label_set *o = &p->label_sets.data[i];

		if (o->count == count && !memcmp(p->label_pairs.data + o->first, set, bytes)) {
			p->label_pairs.len = first;
			return i;
		}
	}
	uint32_t id = (uint32_t)p->label_sets.len;

	CHECK(p->label_pairs.len < UINT32_MAX);
	hash_index_add(&p->label_index, hash, id);
	vec_push(&p->label_sets, (struct profile_label_set){(uint32_t)first, (uint32_t)count});
	return id;
}

void profile_add(struct profile *p, uint32_t stack, uint32_t labels, int64_t count, int64_t value)
{
	uint64_t hash = hash_mix(labels, stack);
	struct hash_iter it;

	CHECK(stack < p->stacks.len && labels < p->label_sets.len);
	for (uint32_t i = hash_index_first(&p->sample_index, hash, &it); i != HASH_NONE;
	     i = hash_index_next(&p->sample_index, &it)) {
		struct profile_sample *s = &p->samples.data[i];

		if (s->stack == stack && s->labels == labels) {
			s->count = add_saturated(s->count, count);
			s->value = add_saturated(s->value, value);
			return;
		}
	}
	hash_index_add(&p->sample_index, hash, (uint32_t)p->samples.len);
	vec_push(&p->samples, (struct profile_sample){stack, labels, count, value});
}

void profile_keep(struct profile *p, const bool *keep)
{
	size_t n = 0;

	hash_index_clear(&p->sample_index);
	for (size_t i = 0; i < p->samples.len; i++) {
		struct profile_sample s = p->samples.data[i];

		if (!keep[i])
			continue;
		hash_index_add(&p->sample_index, hash_mix(s.labels, s.stack), (uint32_t)n);
		p->samples.data[n++] = s;
	}
	p->samples.len = n;
}

/* The stack of the frames that r has for one. */
static uint32_t replaced_stack(struct profile *p, uint32_t parent,
			       const struct profile_replacement *r)
{
	for (size_t i = r->n; i-- > 0;)
		parent = profile_stack(p, parent, r->by[i]);
	return parent;
}

void profile_replace(struct profile *p, const struct profile_replacement *list, size_t n)
{
	struct profile old = {.stacks = {p->stacks.data, p->stacks.len, p->stacks.cap},
			      .samples = {p->samples.data, p->samples.len, p->samples.cap}};
	cleanup_free uint32_t *now = mem_calloc(old.stacks.len, sizeof(*now));
	struct map64 by_frame = {};

	for (size_t i = 0; i < n; i++)
		map64_set(&by_frame, list[i].frame, i);
	vec_fini(&p->first_child);
	hash_index_fini(&p->stack_index);
	hash_index_fini(&p->sample_index);
	memset(&p->stacks, 0, sizeof(p->stacks));
	memset(&p->samples, 0, sizeof(p->samples));
	start_stacks(p);
	/* Parents come first, so that one walk in order is enough. */
	for (size_t i = 1; i < old.stacks.len; i++) {
		const struct profile_stack *s = &old.stacks.data[i];
		const uint64_t *found = map64_get(&by_frame, s->frame);

		now[i] = found ? replaced_stack(p, now[s->parent], &list[*found])
			       : profile_stack(p, now[s->parent], s->frame);
	}
	for (size_t i = 0; i < old.samples.len; i++) {
		const struct profile_sample *s = &old.samples.data[i];

		profile_add(p, now[s->stack], s->labels, s->count, s->value);
	}
	vec_fini(&old.stacks);
	vec_fini(&old.samples);
	map64_fini(&by_frame);
}

const char *profile_label_value(const struct profile *p, uint32_t labels, const char *key)
{
	CHECK(labels < p->label_sets.len);
	const struct profile_label_set *set = &p->label_sets.data[labels];

	for (size_t i = 0; i < set->count; i++) {
		const struct profile_label *l = &p->label_pairs.data[set->first + i];

		if (!strcmp(profile_text(p, l->key), key))
			return profile_text(p, l->value);
	}
	return NULL;
}

const char *profile_text(const struct profile *p, uint32_t string)
{
	return strtab_get(&p->strings, string);
}

size_t profile_unroll(const struct profile *p, uint32_t stack, uint32_t *ret_frames, size_t max)
{
	size_t depth = 0;

	CHECK(stack < p->stacks.len);
	for (; stack; stack = p->stacks.data[stack].parent, depth++)
		if (depth < max)
			ret_frames[depth] = p->stacks.data[stack].frame;
	return depth;
}

void profile_put_frame_name(const struct profile *p, uint32_t frame, struct buf *out)
{
	CHECK(frame < p->frames.len);
	const struct profile_frame *f = &p->frames.data[frame];
	const struct profile_function *function = &p->functions.data[f->function];

	if (function->name)
		buf_append(out, strtab_get(&p->strings, function->name),
			   strtab_len(&p->strings, function->name));
	else if (function->module)
		buf_printf(out, "%s+0x%llx", strtab_get(&p->strings, function->module),
			   (unsigned long long)f->address);
	else if (f->address)
		buf_printf(out, "0x%llx", (unsigned long long)f->address);
	else
		buf_puts(out, "unknown");
}

int64_t profile_total_value(const struct profile *p)
{
	int64_t total = 0;

	for (size_t i = 0; i < p->samples.len; i++)
		total = add_saturated(total, p->samples.data[i].value);
	return total;
}

int64_t profile_total_count(const struct profile *p)
{
	int64_t total = 0;

	for (size_t i = 0; i < p->samples.len; i++)
		total = add_saturated(total, p->samples.data[i].count);
	return total;
}

int profile_check_values(const struct profile *p, struct err *e)
{
	int64_t total = 0;

	for (size_t i = 0; i < p->samples.len; i++) {
		int64_t v = p->samples.data[i].value;

		if (v < 0)
			return err_set(e, -EINVAL, "a sample has a negative value");
		if (__builtin_add_overflow(total, v, &total))
			return err_set(e, -EINVAL, "the total is too large");
	}
	return 0;
}

size_t profile_memory(const struct profile *p)
{
	/* An element and its share of the index that finds it, with room to grow. */
	return sizeof(*p) + p->strings.text.total +
	       2 * sizeof(struct strtab_entry) * p->strings.entries.len +
	       2 * sizeof(struct profile_function) * p->functions.len +
	       2 * sizeof(struct profile_frame) * p->frames.len +
	       4 * sizeof(struct profile_stack) * p->stacks.len +
	       2 * sizeof(struct profile_label) * p->label_pairs.len +
	       4 * sizeof(struct profile_label_set) * p->label_sets.len +
	       2 * sizeof(struct profile_sample) * p->samples.len;
}

/* Numbers of dst for those of src; HASH_NONE: not asked for yet. */
struct translation {
	struct profile *dst;
	const struct profile *src;
	uint32_t *strings;
	uint32_t *functions;
	uint32_t *frames;
	uint32_t *stacks;
	uint32_t *labels;
	const char *const *keep;
	size_t nkeep;
};

static void translation_fini(struct translation *t)
{
	free(t->strings);
	free(t->functions);
	free(t->frames);
	free(t->stacks);
	free(t->labels);
}

/* One by one and late, so that the text of labels that are not kept never reaches dst. */
static uint32_t translate_string(struct translation *t, uint32_t s)
{
	if (t->strings[s] == HASH_NONE)
		t->strings[s] = strtab_put(&t->dst->strings, strtab_get(&t->src->strings, s),
					   strtab_len(&t->src->strings, s));
	return t->strings[s];
}

static void translate_stacks(struct translation *t)
{
	const struct profile *src = t->src;

	for (size_t i = 0; i < src->functions.len; i++) {
		struct profile_function f = src->functions.data[i];

		f.name = translate_string(t, f.name);
		f.file = translate_string(t, f.file);
		f.module = translate_string(t, f.module);
		t->functions[i] = profile_function(t->dst, &f);
	}
	for (size_t i = 0; i < src->frames.len; i++) {
		struct profile_frame f = src->frames.data[i];

		f.function = t->functions[f.function];
		t->frames[i] = profile_frame(t->dst, &f);
	}
	/* Parents come first, so that one walk in order is enough. */
	for (size_t i = 1; i < src->stacks.len; i++) {
		const struct profile_stack *s = &src->stacks.data[i];

		t->stacks[i] = profile_stack(t->dst, t->stacks[s->parent], t->frames[s->frame]);
	}
}

static bool is_kept(const struct translation *t, const char *key)
{
	if (!t->keep)
		return true;
	for (size_t i = 0; i < t->nkeep; i++)
		if (!strcmp(t->keep[i], key))
			return true;
	return false;
}

static void translate_labels(struct translation *t)
{
	const struct profile *src = t->src;
	VEC(struct profile_label) kept = {};

	for (size_t i = 0; i < src->label_sets.len; i++) {
		const struct profile_label_set *set = &src->label_sets.data[i];

		vec_clear(&kept);
		for (size_t k = 0; k < set->count; k++) {
			const struct profile_label *l = &src->label_pairs.data[set->first + k];

			if (is_kept(t, profile_text(src, l->key)))
				vec_push(&kept,
					 (struct profile_label){translate_string(t, l->key),
								translate_string(t, l->value)});
		}
		t->labels[i] = profile_labels(t->dst, kept.data, kept.len);
	}
	vec_fini(&kept);
}

static uint32_t *numbers(size_t n)
{
	uint32_t *a = mem_reallocarray(NULL, n, sizeof(*a));

	memset(a, 0xff, n * sizeof(*a));
	return a;
}

static int64_t mean_period(const struct profile *dst, const struct profile *src)
{
	if (dst->period == src->period || !src->period || !src->samples.len)
		return dst->period;
	if (!dst->period || !dst->samples.len)
		return src->period;
	double a = (double)profile_total_count(dst), b = (double)profile_total_count(src);

	if (a <= 0 || b <= 0)
		return dst->period;
	double share = b / (a + b);

	return (int64_t)((double)dst->period * (1 - share) + (double)src->period * share);
}

static void cover_time(struct profile *dst, const struct profile *src)
{
	if (!src->time_ns && !src->duration_ns)
		return;
	if (!dst->time_ns && !dst->duration_ns) {
		dst->time_ns = src->time_ns;
		dst->duration_ns = src->duration_ns;
		return;
	}
	int64_t a = add_saturated(dst->time_ns, dst->duration_ns);
	int64_t b = add_saturated(src->time_ns, src->duration_ns);
	int64_t from = MIN(dst->time_ns, src->time_ns), until = MAX(a, b);

	dst->time_ns = from;
	if (__builtin_sub_overflow(until, from, &dst->duration_ns))
		dst->duration_ns = INT64_MAX;
}

int profile_merge(struct profile *dst, const struct profile *src, const char *const *keep,
		  size_t nkeep, struct err *e)
{
	CHECK(dst != src);
	if (strcmp(dst->type, src->type) || strcmp(dst->unit, src->unit))
		return err_set(e, -EINVAL, "cannot merge a profile of %s (%s) into one of %s (%s)",
			       src->type, src->unit, dst->type, dst->unit);
	cleanup(translation_fini) struct translation t = {
		.dst = dst,
		.src = src,
		.strings = numbers(strtab_count(&src->strings)),
		.functions = numbers(src->functions.len),
		.frames = numbers(src->frames.len),
		.stacks = numbers(src->stacks.len),
		.labels = numbers(src->label_sets.len),
		.keep = keep,
		.nkeep = nkeep,
	};

	dst->period = mean_period(dst, src);
	cover_time(dst, src);
	t.strings[0] = t.stacks[0] = 0;
	translate_stacks(&t);
	translate_labels(&t);
	for (size_t i = 0; i < src->samples.len; i++) {
		const struct profile_sample *s = &src->samples.data[i];

		profile_add(dst, t.stacks[s->stack], t.labels[s->labels], s->count, s->value);
	}
	return 0;
}
