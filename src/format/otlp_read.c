#include "format/otlp_priv.h"

#include <stdarg.h>

/* What a dictionary entry is in the profile at hand: valid where the epoch is that profile's. So
 * nothing has to be cleared between profiles, however many a request has. */
struct known {
	uint32_t epoch;
	uint32_t id;
};

/* Label sets that were seen lately, by the bytes of their attribute indices. */
enum { LABEL_CACHE = 1024 };
struct label_cache {
	uint32_t epoch;
	uint32_t id;
	const uint8_t *p;
	size_t len;
	int64_t count;
};
struct known_label {
	uint32_t epoch;
	struct profile_label label;
};

/* What the numbers of the profile at hand mean. */
struct meaning {
	bool counts;	/* they count samples of one period each */
	int64_t factor; /* else: Glim's unit in one of the sender's */
	int64_t period; /* in Glim's unit, 0: unknown */
};

struct reader {
	struct otlp_profiles *out;
	struct otlp_dict dict;
	struct known *strings, *frames /* of lines */, *locations, *stacks;
	struct known_label *labels; /* of attributes */
	uint32_t epoch;
	uint64_t work;	 /* frames walked */
	uint64_t memory; /* of finished profiles */
	uint64_t profiles;
	uint32_t attributes_field, values_field; /* of a sample */
	struct map64 parts;			 /* hash of service and host -> part */
	struct arena arena;			 /* of resource attributes */
	otlp_attributes resource;
	struct meaning meaning;
	struct profile_label base[FORMAT_MAX_LABELS]; /* of the resource */
	size_t nbase;
	struct label_cache cache[LABEL_CACHE];
	uint32_t path[FORMAT_MAX_DEPTH]; /* the stack that was added last, outermost first */
	size_t path_len;
	uint32_t path_stack;
	struct err *e;
};

static void reader_free(struct reader **r)
{
	otlp_dict_fini(&(*r)->dict);
	free((*r)->strings);
	free((*r)->frames);
	free((*r)->locations);
	free((*r)->stacks);
	free((*r)->labels);
	map64_fini(&(*r)->parts);
	arena_fini(&(*r)->arena);
	vec_fini(&(*r)->resource);
	free(*r);
}

enum { REJECTED = 1 };
/* Leave out the profile at hand, with the reason for the sender. */
static int reject(struct reader *r, const char *fmt, ...) PRINTF_LIKE(2, 3);
static int reject(struct reader *r, const char *fmt, ...)
{
	va_list ap;

	r->out->rejected++;
	if (!*r->out->reason) {
		va_start(ap, fmt);
		vsnprintf(r->out->reason, sizeof(r->out->reason), fmt, ap);
		va_end(ap);
	}
	return REJECTED;
}

/* --- which field numbers ---------------------------------------------------------------------- */

struct votes {
	uint32_t new_layout, old_layout, old_maybe;
};
enum { VOTES_ENOUGH = 64 };

/* Sample: 1.10 has attributes 2, link 3, values 4; 1.8 and 1.9 have values 2, attributes 3, link 4.
 * Lists are packed (bytes), the link is a number. */
static void vote(const struct wire_field *sample, struct votes *v)
{
	struct wire_reader r = wire_sub(sample);
	struct wire_field f;
	bool sure = false, list_2 = false, times = false;

	while (wire_next(&r, &f)) {
		bool list = f.type == WIRE_BYTES;

		if (f.number == 2)
			list_2 = list;
		else if (f.number == 5)
			times = true;
		if (f.number != 3 && f.number != 4)
			continue;
		sure = true;
		if (list == (f.number == 4))
			v->new_layout++;
		else
			v->old_layout++;
	}
	/* A sample must have values or times: a lone list 2 can only be values. */
	if (!sure && list_2 && !times)
		v->old_maybe++;
}

/* Field path of a request to its samples. */
static int count_votes(struct wire_reader request, struct votes *v, struct err *e)
{
	struct wire_field a, b, c, d;

	while (wire_next(&request, &a)) {
		struct wire_reader resource = wire_sub(&a);

		while (a.number == 1 && wire_next(&resource, &b)) {
			struct wire_reader scope = wire_sub(&b);

			while (b.number == 2 && wire_next(&scope, &c)) {
				struct wire_reader profile = wire_sub(&c);

				while (c.number == 2 && wire_next(&profile, &d)) {
					if (d.number == 2)
						vote(&d, v);
					if (v->new_layout + v->old_layout >= VOTES_ENOUGH)
						return 0;
				}
			}
			if (scope.error)
				return otlp_malformed(e, "the profiles of a scope");
		}
		if (resource.error)
			return otlp_malformed(e, "the profiles of a resource");
	}
	return request.error ? otlp_malformed(e, "the request") : 0;
}

static bool is_old(const struct votes *v)
{
	if (v->old_layout != v->new_layout)
		return v->old_layout > v->new_layout;
	return !v->new_layout && v->old_maybe;
}

/* --- dictionary entries as numbers of the profile ----------------------------------------------
 */

static uint32_t string_id(struct reader *r, struct profile *p, uint32_t s)
{
	struct known *k = &r->strings[s];

	if (k->epoch != r->epoch) {
		const struct otlp_text *t = &r->dict.strings.data[s];

		*k = (struct known){r->epoch, profile_string_n(p, t->p, t->len)};
	}
	return k->id;
}

static uint32_t frame_id(struct reader *r, struct profile *p, uint32_t line)
{
	struct known *k = &r->frames[line];

	if (k->epoch == r->epoch)
		return k->id;
	const struct otlp_line *l = &r->dict.lines.data[line];
	const struct otlp_location *loc = &r->dict.locations.data[l->location];
	const struct otlp_function *f = &r->dict.functions.data[l->function];
	const struct otlp_text *module = &r->dict.modules.data[loc->mapping];
	struct profile_function function = {
		.name = string_id(r, p, f->name),
		.file = string_id(r, p, f->file),
		.module = profile_string_n(p, module->p, module->len),
		.start_line = f->start_line,
		.kind = loc->kind,
	};
	struct profile_frame frame = {
		.address = function.name ? 0 : loc->address,
		.function = profile_function(p, &function),
		.line = l->line,
	};

	*k = (struct known){r->epoch, profile_frame(p, &frame)};
	return k->id;
}

/* Put the frames of one location before those in frames, which stand at its end, outermost first.
 * false: there is no room left. */
static bool add_location(struct reader *r, struct profile *p, uint32_t location, uint32_t *frames,
			 size_t *n)
{
	const struct otlp_location *loc = &r->dict.locations.data[location];
	struct known *known = &r->locations[location];

	for (uint32_t k = 0; k < loc->count; k++) {
		if (*n == FORMAT_MAX_DEPTH)
			return false;
		frames[FORMAT_MAX_DEPTH - ++*n] = frame_id(r, p, loc->first + k);
	}
	/* Nearly all have one frame: next time there is one place to look at in place of three. */
	if (loc->count == 1)
		*known = (struct known){r->epoch, frames[FORMAT_MAX_DEPTH - *n]};
	return true;
}

/* Frames of a stack into the end of frames; returns how many, with a mark in place of callers that
 * are too many. */
static size_t collect_frames(struct reader *r, struct profile *p, const struct otlp_stack *s,
			     uint32_t frames[static FORMAT_MAX_DEPTH])
{
	const uint32_t *locations = s->count ? &r->dict.indices.data[s->first] : NULL;
	size_t n = 0;

	for (uint32_t i = 0; i < s->count; i++) {
		struct known known = r->locations[locations[i]];

		if (known.epoch == r->epoch && n < FORMAT_MAX_DEPTH) {
			frames[FORMAT_MAX_DEPTH - ++n] = known.id;
		} else if (!add_location(r, p, locations[i], frames, &n)) {
			frames[0] = profile_mark(p, OUTCOME_TOO_DEEP);
			break;
		}
	}
	return n;
}

static uint32_t stack_id(struct reader *r, struct profile *p, uint32_t stack)
{
	struct known *known = &r->stacks[stack];
	uint32_t room[FORMAT_MAX_DEPTH];

	if (known->epoch == r->epoch)
		return known->id;
	size_t n = collect_frames(r, p, &r->dict.stacks.data[stack], room), same = 0;
	const uint32_t *frames = room + FORMAT_MAX_DEPTH - n;
	uint32_t parent = r->path_stack;

	/* Neighbours share most of their callers: begin where they part. */
	while (same < n && same < r->path_len && r->path[same] == frames[same])
		same++;
	for (size_t i = r->path_len; i > same; i--)
		parent = p->stacks.data[parent].parent;
	memcpy(r->path + same, frames + same, (n - same) * sizeof(*frames));
	r->path_len = n;
	r->path_stack = profile_path(p, parent, frames + same, n - same);
	r->work += n;
	*known = (struct known){r->epoch, r->path_stack};
	return r->path_stack;
}

/* --- labels ------------------------------------------------------------------------------------
 */

/* Attribute of a sample that holds its count; see otlp_write.c. */
#define COUNT_ATTRIBUTE "glim.count"
enum { COUNT_UNKNOWN = -1, ATTRIBUTES_MAX = 256 };

static struct profile_label to_label(struct profile *p, const struct otlp_attribute *at)
{
	struct otlp_text key = otlp_label_of(at->key);

	return (struct profile_label){profile_string_n(p, key.p, key.len),
				      profile_string_n(p, at->value.p, at->value.len)};
}

static int64_t to_count(struct otlp_text t)
{
	int64_t v = 0;

	for (size_t i = 0; i < t.len; i++) {
		if (t.p[i] < '0' || t.p[i] > '9' || v > INT64_MAX / 10 - 1)
			return COUNT_UNKNOWN;
		v = v * 10 + (t.p[i] - '0');
	}
	return t.len ? v : COUNT_UNKNOWN;
}

static uint32_t label_set(struct reader *r, struct profile *p, const uint32_t *attributes, size_t n,
			  int64_t *ret_count)
{
	struct profile_label labels[FORMAT_MAX_LABELS];
	size_t nlabels = r->nbase;

	*ret_count = COUNT_UNKNOWN;
	memcpy(labels, r->base, r->nbase * sizeof(*labels));
	for (size_t i = 0; i < n; i++) {
		const struct otlp_attribute *at = &r->dict.attributes.data[attributes[i]];
		struct known_label *known = &r->labels[attributes[i]];

		if (!at->key.p)
			continue;
		if (otlp_text_is(at->key, COUNT_ATTRIBUTE)) {
			*ret_count = to_count(at->value);
			continue;
		}
		if (known->epoch != r->epoch)
			*known = (struct known_label){r->epoch, to_label(p, at)};
		if (nlabels < FORMAT_MAX_LABELS)
			labels[nlabels++] = known->label;
	}
	return profile_labels(p, labels, nlabels);
}

/* --- samples -----------------------------------------------------------------------------------
 */

struct sample {
	uint64_t stack;
	uint32_t attributes[ATTRIBUTES_MAX];
	size_t nattributes;
	struct otlp_slice packed; /* the attributes when they are one packed list */
	int64_t sum;
	uint64_t nvalues, ntimes;
	bool negative;
};

static int64_t multiply(int64_t a, int64_t b)
{
	int64_t v;

	return __builtin_mul_overflow(a, b, &v) ? INT64_MAX : v;
}

static void take_value(struct sample *s, uint64_t v)
{
	s->nvalues++;
	s->negative |= v > INT64_MAX;
	if (__builtin_add_overflow(s->sum, (int64_t)v, &s->sum))
		s->sum = INT64_MAX;
}

static int take_attribute(const struct reader *r, struct sample *s, uint64_t v)
{
	if (v >= r->dict.attributes.len)
		return err_set(r->e, -EBADMSG, "OTLP: a sample names attribute %llu of %zu",
			       (unsigned long long)v, r->dict.attributes.len);
	if (s->nattributes < ATTRIBUTES_MAX)
		s->attributes[s->nattributes++] = (uint32_t)v;
	return 0;
}

static int take_list(const struct reader *r, const struct wire_field *f, struct sample *s)
{
	struct wire_reader packed = wire_sub(f);
	uint64_t v = f->value;
	bool one = f->type == WIRE_VARINT;

	if (f->number == r->attributes_field)
		s->packed = !one && !s->nattributes ? (struct otlp_slice){f->data, f->len}
						    : (struct otlp_slice){};
	while (one || wire_varint(&packed, &v)) {
		if (f->number == r->values_field)
			take_value(s, v);
		else if (take_attribute(r, s, v) < 0)
			return -EBADMSG;
		if (one)
			break;
	}
	return packed.error ? otlp_malformed(r->e, "a list in a sample") : 0;
}

static int decode_sample(const struct reader *r, const struct wire_field *field, struct sample *s)
{
	struct wire_reader in = wire_sub(field);
	struct wire_field f;

	s->stack = s->nattributes = s->nvalues = s->ntimes = 0;
	s->sum = 0;
	s->negative = false;
	s->packed = (struct otlp_slice){};
	while (wire_next(&in, &f)) {
		if (f.number == 1 && f.type == WIRE_VARINT)
			s->stack = f.value;
		else if (f.number == 5)
			s->ntimes += f.type == WIRE_BYTES ? f.len / sizeof(uint64_t) : 1;
		else if ((f.number == r->attributes_field || f.number == r->values_field) &&
			 take_list(r, &f, s) < 0)
			return -EBADMSG;
	}
	if (in.error)
		return otlp_malformed(r->e, "a sample");
	if (s->stack >= r->dict.stacks.len)
		return err_set(r->e, -EBADMSG, "OTLP: a sample names stack %llu of %zu",
			       (unsigned long long)s->stack, r->dict.stacks.len);
	return 0;
}

static uint32_t sample_labels(struct reader *r, struct profile *p, const struct sample *s,
			      int64_t *ret_count)
{
	if (!s->packed.len)
		return label_set(r, p, s->attributes, s->nattributes, ret_count);
	struct label_cache *c = &r->cache[hash_bytes(s->packed.p, s->packed.len) % LABEL_CACHE];

	if (c->epoch != r->epoch || c->len != s->packed.len ||
	    memcmp(c->p, s->packed.p, c->len) != 0) {
		*c = (struct label_cache){
			.epoch = r->epoch, .p = s->packed.p, .len = s->packed.len};
		c->id = label_set(r, p, s->attributes, s->nattributes, &c->count);
	}
	*ret_count = c->count;
	return c->id;
}

/* Three shapes: one or more values, values with a time each, times alone (each counts one). */
static void weigh(const struct meaning *m, const struct sample *s, int64_t known_count,
		  int64_t *ret_count, int64_t *ret_value)
{
	int64_t times = (int64_t)s->ntimes;

	if (m->counts || (!s->nvalues && m->period)) {
		*ret_count = s->nvalues ? s->sum : times;
		*ret_value = multiply(*ret_count, m->period);
		return;
	}
	int64_t value = multiply(s->nvalues ? s->sum : times, m->factor);

	*ret_value = value;
	if (known_count != COUNT_UNKNOWN)
		*ret_count = known_count;
	else if (times)
		*ret_count = times;
	else if (m->period && value)
		*ret_count = MAX(1, value / m->period + (value % m->period > m->period / 2));
	else
		*ret_count = value ? 1 : 0;
}

static int add_sample(struct reader *r, struct profile *p, const struct wire_field *f,
		      struct sample *s)
{
	int64_t count, value, known_count;

	if (decode_sample(r, f, s) < 0)
		return -EBADMSG;
	if (s->negative)
		return reject(r, "a sample has a negative value");
	if (s->ntimes && s->nvalues && s->ntimes != s->nvalues)
		return reject(r, "a sample has %llu values and %llu times",
			      (unsigned long long)s->nvalues, (unsigned long long)s->ntimes);
	if (!s->ntimes && !s->nvalues)
		return 0;
	uint32_t labels = sample_labels(r, p, s, &known_count);

	weigh(&r->meaning, s, known_count, &count, &value);
	profile_add(p, stack_id(r, p, (uint32_t)s->stack), labels, count, value);
	if (r->work > FORMAT_MAX_WORK || r->memory + profile_memory(p) > FORMAT_MAX_MEMORY)
		return err_set(r->e, -EFBIG, "OTLP: the request unfolds to too many stacks");
	return 0;
}

/* --- profiles ----------------------------------------------------------------------------------
 */

struct value_type {
	struct otlp_text name, unit;
};

static int decode_value_type(const struct reader *r, const struct wire_field *field,
			     struct value_type *ret)
{
	struct wire_reader in = wire_sub(field);
	struct wire_field f;

	while (wire_next(&in, &f)) {
		if ((f.number != 1 && f.number != 2) || f.type != WIRE_VARINT)
			continue;
		if (f.value >= r->dict.strings.len)
			return err_set(r->e, -EBADMSG, "OTLP: a type names string %llu of %zu",
				       (unsigned long long)f.value, r->dict.strings.len);
		*(f.number == 1 ? &ret->name : &ret->unit) = r->dict.strings.data[f.value];
	}
	return in.error ? otlp_malformed(r->e, "a type") : 0;
}

/* The fields of a profile but for its samples. */
struct head {
	struct value_type type, period_type;
	int64_t period, time_ns, duration_ns;
	uint8_t id[16];
};

static int64_t not_negative(uint64_t v)
{
	return v <= INT64_MAX ? (int64_t)v : 0;
}

static int decode_head(struct reader *r, const struct wire_field *field, struct head *h)
{
	struct wire_reader in = wire_sub(field);
	struct wire_field f;
	int rc = 0;

	while (rc >= 0 && wire_next(&in, &f)) {
		/* 1.7 and older had lists of locations here. */
		if (f.number == 3 && f.type == WIRE_BYTES)
			return reject(r, "profiles of opentelemetry-proto 1.7 and older are not "
					 "understood");
		if (f.number == 1 && f.type == WIRE_BYTES)
			rc = decode_value_type(r, &f, &h->type);
		else if (f.number == 5 && f.type == WIRE_BYTES)
			rc = decode_value_type(r, &f, &h->period_type);
		else if (f.number == 3 && f.type == WIRE_FIXED64)
			h->time_ns = not_negative(f.value);
		else if (f.number == 4 && f.type == WIRE_VARINT)
			h->duration_ns = not_negative(f.value);
		else if (f.number == 6 && f.type == WIRE_VARINT)
			h->period = not_negative(f.value);
		/* The id is field 7; it was 8 in 1.8, where 7 was a list of comments. */
		else if ((f.number == 7 || f.number == 8) && f.type == WIRE_BYTES &&
			 f.len == sizeof(h->id))
			memcpy(h->id, f.data, sizeof(h->id));
	}
	if (rc < 0)
		return rc;
	return in.error ? otlp_malformed(r->e, "a profile") : 0;
}

/* Which of Glim's types this is, and what its numbers mean. */
static int decide_type(struct reader *r, const struct head *h, const struct format_type **ret)
{
	const struct format_type *type = format_type_by_name(h->type.name.p, h->type.name.len);
	const struct format_type *period_type =
		format_type_by_name(h->period_type.name.p, h->period_type.name.len);
	bool is_count = format_unit_factor(h->type.unit.p, h->type.unit.len, "count") != 0;

	/* "samples" says nothing: what a sample stands for is said by the period. */
	if (otlp_text_is(h->type.name, "samples") && period_type)
		type = period_type;
	if (!type)
		return reject(r, "sample type \"%.*s\" is not known to Glim",
			      (int)MIN(h->type.name.len, (size_t)64), h->type.name.p);
	int64_t factor = format_unit_factor(h->type.unit.p, h->type.unit.len, type->unit);
	int64_t period_factor = h->period_type.unit.len
					? format_unit_factor(h->period_type.unit.p,
							     h->period_type.unit.len, type->unit)
					: 1;

	r->meaning =
		(struct meaning){.factor = factor, .period = multiply(h->period, period_factor)};
	if (!factor && is_count && r->meaning.period)
		r->meaning.counts = true;
	else if (!factor)
		return reject(r, "sample type \"%s\" in unit \"%.*s\" %s", type->name,
			      (int)MIN(h->type.unit.len, (size_t)64), h->type.unit.p,
			      is_count ? "without a period" : "is not known to Glim");
	*ret = type;
	return 0;
}

static int add_samples(struct reader *r, const struct wire_field *field, struct profile *p)
{
	struct wire_reader in = wire_sub(field);
	struct wire_field f;
	struct sample sample;

	if (++r->epoch == 0)
		return err_set(r->e, -EFBIG, "OTLP: too many profiles");
	r->path_len = r->path_stack = 0;
	r->nbase = 0;
	for (size_t i = 0; i < r->resource.len; i++)
		r->base[r->nbase++] = to_label(p, &r->resource.data[i]);
	while (wire_next(&in, &f)) {
		int rc = 0;

		if (f.number == 2 && f.type == WIRE_BYTES)
			rc = add_sample(r, p, &f, &sample);
		if (rc)
			return rc;
	}
	r->memory += profile_memory(p);
	return 0;
}

static int read_profile(struct reader *r, const struct wire_field *field,
			struct otlp_profiles_part *part)
{
	const struct format_type *type = NULL;
	struct head h = {.type = {{"", 0}, {"", 0}}, .period_type = {{"", 0}, {"", 0}}};

	if (++r->profiles > FORMAT_MAX_PROFILES)
		return err_set(r->e, -EFBIG, "OTLP: more than %d profiles in one request",
			       FORMAT_MAX_PROFILES);
	int rc = decode_head(r, field, &h);

	if (!rc)
		rc = decide_type(r, &h, &type);
	if (rc)
		return rc;
	cleanup_profile struct profile *p = profile_new(type->type, type->unit, r->meaning.period);

	p->time_ns = h.time_ns;
	p->duration_ns = h.duration_ns;
	memcpy(p->id, h.id, sizeof(p->id));
	rc = add_samples(r, field, p);
	if (!rc)
		vec_push(&part->profiles, take_ptr(p));
	return rc;
}

/* --- the request -------------------------------------------------------------------------------
 */

/* A resource may not use up all the labels that a sample can have. */
enum { RESOURCE_LABELS = FORMAT_MAX_LABELS / 2 };

static int read_resource(struct reader *r, const struct wire_field *field, char **service,
			 char **host)
{
	struct wire_reader in = wire_sub(field);
	otlp_attributes all = {};
	struct wire_field f;
	int rc = 0;

	while (rc >= 0 && wire_next(&in, &f))
		if (f.number == 1 && f.type == WIRE_BYTES)
			rc = otlp_read_key_value(&r->dict, &f, &r->arena, &all, r->e);
	if (rc >= 0 && in.error)
		rc = otlp_malformed(r->e, "a resource");
	for (size_t i = 0; rc >= 0 && i < all.len; i++) {
		const struct otlp_attribute *at = &all.data[i];

		if (otlp_text_is(at->key, "service.name"))
			*service = arena_strndup(&r->arena, at->value.p, at->value.len);
		else if (otlp_text_is(at->key, "host.name"))
			*host = arena_strndup(&r->arena, at->value.p, at->value.len);
		if (!otlp_text_is(at->key, "service.name") && r->resource.len < RESOURCE_LABELS)
			vec_push(&r->resource, *at);
	}
	vec_fini(&all);
	return rc;
}

static size_t part_of(struct reader *r, const char *service, const char *host)
{
	uint64_t hash =
		hash_mix(hash_bytes(service, strlen(service)), hash_bytes(host, strlen(host)));
	uint64_t *known = map64_get(&r->parts, hash);

	if (known) {
		const struct otlp_profiles_part *part = &r->out->parts.data[*known];

		if (!strcmp(part->service, service) && !strcmp(part->host, host))
			return (size_t)*known;
	}
	size_t n = r->out->parts.len;

	vec_push(&r->out->parts, (struct otlp_profiles_part){.service = mem_strdup(service),
							     .host = mem_strdup(host)});
	map64_set(&r->parts, hash, n);
	return n;
}

static int read_scope(struct reader *r, const struct wire_field *field, const char *service,
		      const char *host)
{
	struct wire_reader in = wire_sub(field);
	struct wire_field f;
	int rc = 0;

	while (rc >= 0 && wire_next(&in, &f)) {
		if (f.number != 2 || f.type != WIRE_BYTES)
			continue;
		size_t part = part_of(r, service, host);

		rc = read_profile(r, &f, &r->out->parts.data[part]);
	}
	if (rc < 0)
		return rc;
	return in.error ? otlp_malformed(r->e, "the profiles of a scope") : 0;
}

static int read_resource_profiles(struct reader *r, const struct wire_field *field)
{
	struct wire_reader in = wire_sub(field), again = in;
	char *service = arena_strdup(&r->arena, ""), *host = service;
	struct wire_field f;
	int rc = 0;

	vec_clear(&r->resource);
	while (rc >= 0 && wire_next(&in, &f))
		if (f.number == 1 && f.type == WIRE_BYTES)
			rc = read_resource(r, &f, &service, &host);
	while (rc >= 0 && wire_next(&again, &f))
		if (f.number == 2 && f.type == WIRE_BYTES)
			rc = read_scope(r, &f, service, host);
	if (rc < 0)
		return rc;
	return in.error ? otlp_malformed(r->e, "the profiles of a resource") : 0;
}

static int decode_dictionary(struct reader *r, struct wire_reader request)
{
	struct otlp_dict *d = &r->dict;
	struct wire_field f;
	int rc = 0;

	while (rc >= 0 && wire_next(&request, &f))
		if (f.number == 2 && f.type == WIRE_BYTES)
			rc = otlp_dict_collect(d, &f, r->e);
	if (rc >= 0)
		rc = otlp_dict_decode(d, r->e);
	if (rc < 0)
		return rc;
	r->strings = mem_calloc(d->strings.len, sizeof(*r->strings));
	r->frames = mem_calloc(d->lines.len, sizeof(*r->frames));
	r->locations = mem_calloc(d->locations.len, sizeof(*r->locations));
	r->stacks = mem_calloc(d->stacks.len, sizeof(*r->stacks));
	r->labels = mem_calloc(d->attributes.len, sizeof(*r->labels));
	return 0;
}

static int read_request(struct reader *r, struct wire_reader request)
{
	struct votes votes = {};
	struct wire_field f;
	int rc = count_votes(request, &votes, r->e);

	if (rc < 0)
		return rc;
	r->out->old_layout = is_old(&votes);
	r->attributes_field = r->out->old_layout ? 3 : 2;
	r->values_field = r->out->old_layout ? 2 : 4;
	rc = decode_dictionary(r, request);
	while (rc >= 0 && wire_next(&request, &f))
		if (f.number == 1 && f.type == WIRE_BYTES)
			rc = read_resource_profiles(r, &f);
	return MIN(rc, 0);
}

int otlp_read_profiles(const void *p, size_t n, struct otlp_profiles *ret, struct err *e)
{
	struct otlp_profiles out = {};

	if (n > INT32_MAX)
		return err_set(e, -EFBIG, "OTLP: a request of %zu bytes", n);
	cleanup(reader_free) struct reader *r = mem_calloc(1, sizeof(*r));

	r->out = &out;
	r->e = e;
	int rc = read_request(r, wire_reader(p, n));

	if (rc < 0)
		otlp_profiles_fini(&out);
	else
		*ret = out;
	return rc;
}

void otlp_profiles_fini(struct otlp_profiles *v)
{
	for (size_t i = 0; i < v->parts.len; i++) {
		free(v->parts.data[i].service);
		free(v->parts.data[i].host);
		profile_vec_fini(&v->parts.data[i].profiles);
	}
	vec_fini(&v->parts);
	*v = (struct otlp_profiles){};
}
