#include "format/otlp_priv.h"

/* The dictionary while it is written: a buffer a table, and what is in it already. */
struct writer {
	struct buf mappings, locations, functions, attributes, stacks;
	uint32_t nmappings, nlocations, nfunctions, nattributes, nstacks;
	struct strtab strings;
	struct map64 mapping_of;   /* module (a string) -> mapping */
	struct map64 attribute_of; /* key and value (strings) -> attribute */
	uint32_t *string_of;	   /* string of the profile at hand -> string */
	uint32_t *stack_of;	   /* stack of the profile at hand -> stack, 0: not written yet */
	uint32_t first_function;
	uint32_t first_location;
};

static void writer_fini(struct writer *w)
{
	buf_fini(&w->mappings);
	buf_fini(&w->locations);
	buf_fini(&w->functions);
	buf_fini(&w->attributes);
	buf_fini(&w->stacks);
	strtab_fini(&w->strings);
	map64_fini(&w->mapping_of);
	map64_fini(&w->attribute_of);
	free(w->string_of);
	free(w->stack_of);
}

static void put_unless_0(struct buf *b, uint32_t field, uint64_t v)
{
	if (v)
		wire_put_uint(b, field, v);
}

/* Entry 0 of every table is the zero value. */
static void writer_init(struct writer *w)
{
	wire_put_bytes(&w->mappings, 1, NULL, 0);
	wire_put_bytes(&w->locations, 2, NULL, 0);
	wire_put_bytes(&w->functions, 3, NULL, 0);
	wire_put_bytes(&w->attributes, 6, NULL, 0);
	wire_put_bytes(&w->stacks, 7, NULL, 0);
	w->nmappings = w->nlocations = w->nfunctions = w->nattributes = w->nstacks = 1;
}

static uint32_t string_of(struct writer *w, const struct profile *p, uint32_t s)
{
	if (w->string_of[s] == HASH_NONE)
		w->string_of[s] = strtab_put(&w->strings, strtab_get(&p->strings, s),
					     strtab_len(&p->strings, s));
	return w->string_of[s];
}

static uint32_t mapping_of(struct writer *w, uint32_t module)
{
	uint64_t *known = map64_get(&w->mapping_of, module);

	if (!module)
		return 0;
	if (known)
		return (uint32_t)*known;
	size_t mark = wire_begin(&w->mappings, 1);

	wire_put_uint(&w->mappings, 4, module);
	wire_end(&w->mappings, mark);
	map64_set(&w->mapping_of, module, w->nmappings);
	return w->nmappings++;
}

/* key: an attribute's name. */
static uint32_t attribute_of(struct writer *w, const char *key, const char *value, bool as_number)
{
	uint32_t key_string = strtab_puts(&w->strings, key);
	uint64_t pair = (uint64_t)key_string << 32 | strtab_puts(&w->strings, value);
	uint64_t *known = map64_get(&w->attribute_of, pair);

	if (known)
		return (uint32_t)*known;
	size_t mark = wire_begin(&w->attributes, 6);

	wire_put_uint(&w->attributes, 1, key_string);
	otlp_put_value(&w->attributes, 2, value, as_number);
	wire_end(&w->attributes, mark);
	map64_set(&w->attribute_of, pair, w->nattributes);
	return w->nattributes++;
}

static void put_functions(struct writer *w, const struct profile *p)
{
	w->first_function = w->nfunctions;
	for (size_t i = 0; i < p->functions.len; i++) {
		const struct profile_function *f = &p->functions.data[i];
		size_t mark = wire_begin(&w->functions, 3);

		put_unless_0(&w->functions, 1, string_of(w, p, f->name));
		put_unless_0(&w->functions, 3, string_of(w, p, f->file));
		put_unless_0(&w->functions, 4, f->start_line);
		wire_end(&w->functions, mark);
	}
	w->nfunctions += (uint32_t)p->functions.len;
}

static uint32_t kind_attribute(struct writer *w, uint8_t kind)
{
	static const char *const names[] = {
		[FRAME_NATIVE] = "native",
		[FRAME_KERNEL] = "kernel",
		[FRAME_PYTHON] = "cpython",
		[FRAME_MARK] = "glim.mark",
	};

	if (kind >= ARRAY_SIZE(names) || !names[kind])
		return 0;
	return attribute_of(w, "profile.frame.type", names[kind], false);
}

static void put_packed_1(struct buf *b, uint32_t field, uint32_t v)
{
	size_t mark = wire_begin(b, field);

	wire_put_varint(b, v);
	wire_end(b, mark);
}

static void put_locations(struct writer *w, const struct profile *p)
{
	struct buf *b = &w->locations;

	w->first_location = w->nlocations;
	for (size_t i = 0; i < p->frames.len; i++) {
		const struct profile_frame *frame = &p->frames.data[i];
		const struct profile_function *f = &p->functions.data[frame->function];
		uint32_t kind = kind_attribute(w, f->kind);
		size_t mark = wire_begin(b, 2);

		put_unless_0(b, 1, mapping_of(w, string_of(w, p, f->module)));
		put_unless_0(b, 2, frame->address);
		if (f->name || f->file || f->start_line || frame->line) {
			size_t line = wire_begin(b, 3);

			wire_put_uint(b, 1, w->first_function + frame->function);
			put_unless_0(b, 2, frame->line);
			wire_end(b, line);
		}
		if (kind)
			put_packed_1(b, 4, kind);
		wire_end(b, mark);
	}
	w->nlocations += (uint32_t)p->frames.len;
}

static uint32_t stack_of(struct writer *w, const struct profile *p, uint32_t stack)
{
	if (!stack || w->stack_of[stack])
		return w->stack_of[stack];
	size_t entry = wire_begin(&w->stacks, 7);
	size_t packed = wire_begin(&w->stacks, 1);

	for (uint32_t s = stack; s; s = p->stacks.data[s].parent)
		wire_put_varint(&w->stacks, w->first_location + p->stacks.data[s].frame);
	wire_end(&w->stacks, packed);
	wire_end(&w->stacks, entry);
	return w->stack_of[stack] = w->nstacks++;
}

static void put_sample(struct writer *w, const struct profile *p, const struct profile_sample *s,
		       struct buf *b)
{
	const struct profile_label_set *set = &p->label_sets.data[s->labels];
	uint32_t stack = stack_of(w, p, s->stack);
	size_t mark = wire_begin(b, 2);
	/* OTLP has one number a sample. The receiver divides it by the period to get the count;
	 * where that would be another count it is sent along. */
	bool counted = p->period > 0 && s->count <= INT64_MAX / p->period &&
		       s->value == s->count * p->period;

	put_unless_0(b, 1, stack);
	if (set->count || !counted) {
		size_t packed = wire_begin(b, 2);

		for (uint32_t i = 0; i < set->count; i++) {
			const struct profile_label *l = &p->label_pairs.data[set->first + i];
			const char *key = otlp_attribute_of(profile_text(p, l->key));

			wire_put_varint(b, attribute_of(w, key, profile_text(p, l->value),
							otlp_attribute_is_number(key)));
		}
		if (!counted) {
			char text[24];

			snprintf(text, sizeof(text), "%lld", (long long)s->count);
			wire_put_varint(b, attribute_of(w, "glim.count", text, true));
		}
		wire_end(b, packed);
	}
	size_t packed = wire_begin(b, 4);

	wire_put_varint(b, (uint64_t)s->value);
	wire_end(b, packed);
	wire_end(b, mark);
}

static void put_value_type(struct writer *w, struct buf *b, uint32_t field, const char *type,
			   const char *unit)
{
	size_t mark = wire_begin(b, field);

	wire_put_uint(b, 1, strtab_puts(&w->strings, type));
	wire_put_uint(b, 2, strtab_puts(&w->strings, unit));
	wire_end(b, mark);
}

static bool is_zero(const uint8_t *p, size_t n)
{
	while (n && !p[n - 1])
		n--;
	return !n;
}

static int put_profile(struct writer *w, const struct profile *p, struct buf *b, struct err *e)
{
	const struct format_type *type = format_type_by_glim(p->type);

	if (!type || strcmp(type->unit, p->unit))
		return err_set(e, -EINVAL, "OTLP: no name for profiles of %s in %s", p->type,
			       p->unit);
	free(w->string_of);
	free(w->stack_of);
	w->string_of = mem_reallocarray(NULL, strtab_count(&p->strings), sizeof(*w->string_of));
	memset(w->string_of, 0xff, strtab_count(&p->strings) * sizeof(*w->string_of));
	w->stack_of = mem_calloc(p->stacks.len, sizeof(*w->stack_of));
	put_functions(w, p);
	put_locations(w, p);

	size_t mark = wire_begin(b, 2);

	put_value_type(w, b, 1, type->name, type->unit);
	for (size_t i = 0; i < p->samples.len; i++)
		put_sample(w, p, &p->samples.data[i], b);
	wire_put_fixed64(b, 3, (uint64_t)p->time_ns);
	wire_put_uint(b, 4, (uint64_t)p->duration_ns);
	if (p->period > 0) {
		put_value_type(w, b, 5, type->name, type->unit);
		wire_put_uint(b, 6, (uint64_t)p->period);
	}
	if (!is_zero(p->id, sizeof(p->id)))
		wire_put_bytes(b, 7, p->id, sizeof(p->id));
	wire_end(b, mark);
	return 0;
}

static void put_dictionary(struct writer *w, struct buf *out)
{
	size_t mark = wire_begin(out, 2);

	buf_append(out, w->mappings.data, w->mappings.len);
	buf_append(out, w->locations.data, w->locations.len);
	buf_append(out, w->functions.data, w->functions.len);
	wire_put_bytes(out, 4, NULL, 0); /* link 0: no link */
	for (uint32_t i = 0; i < strtab_count(&w->strings); i++)
		otlp_put_text(out, 5, strtab_get(&w->strings, i));
	buf_append(out, w->attributes.data, w->attributes.len);
	buf_append(out, w->stacks.data, w->stacks.len);
	wire_end(out, mark);
}

int otlp_write_profiles(const struct otlp_resource *r, const struct profile *const *profiles,
			size_t n, struct buf *out, struct err *e)
{
	cleanup(writer_fini) struct writer w = {};
	size_t start = out->len;

	writer_init(&w);
	size_t resource = wire_begin(out, 1);

	otlp_put_resource(out, r);
	size_t scope = wire_begin(out, 2);

	otlp_put_scope(out, r);
	for (size_t i = 0; i < n; i++) {
		int rc = put_profile(&w, profiles[i], out, e);

		if (rc < 0) {
			out->len = start;
			return rc;
		}
	}
	wire_end(out, scope);
	wire_end(out, resource);
	put_dictionary(&w, out);
	return 0;
}

void otlp_write_response(uint64_t rejected, const char *reason, struct buf *out)
{
	if (!rejected && !*reason)
		return;
	size_t mark = wire_begin(out, 1);

	put_unless_0(out, 1, rejected);
	if (*reason)
		otlp_put_text(out, 2, reason);
	wire_end(out, mark);
}
