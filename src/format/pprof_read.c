#include "format/pprof_priv.h"

#include "base/compress.h"
#include "base/wire.h"
#include "format/types.h"

/* What a file may come to when it is decompressed. */
enum { PPROF_MAX = 256 << 20, PPROF_COLUMNS = 16 };

struct slice {
	const uint8_t *p;
	size_t len;
};
typedef VEC(struct slice) slice_vec;

struct location {
	uint64_t address, mapping;
	size_t first, count; /* of lines */
};
struct line {
	uint64_t function;
	uint32_t line;
};
struct function {
	struct slice name, file;
	uint32_t start_line;
};
struct value_type {
	struct slice type, unit;
};

/* The tables of one file. Ids are the sender's own: maps lead from them to places in the arrays. */
struct tables {
	slice_vec types, samples, mappings, locations, functions, strings;
	VEC(struct value_type) columns;
	VEC(struct slice) modules;
	VEC(struct function) function_list;
	VEC(struct location) location_list;
	VEC(struct line) lines;
	struct map64 mapping_of, location_of, function_of;
	struct value_type period_type;
	int64_t time_ns, duration_ns, period;
	struct slice period_type_bytes;
	struct err *e;
};

static void tables_fini(struct tables *t)
{
	slice_vec *const lists[] = {&t->types,	   &t->samples,	  &t->mappings,
				    &t->locations, &t->functions, &t->strings};

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		vec_fini(lists[i]);
	vec_fini(&t->columns);
	vec_fini(&t->modules);
	vec_fini(&t->function_list);
	vec_fini(&t->location_list);
	vec_fini(&t->lines);
	map64_fini(&t->mapping_of);
	map64_fini(&t->location_of);
	map64_fini(&t->function_of);
}

static int damaged(struct err *e, const char *what)
{
	return err_set(e, -EBADMSG, "pprof: the bytes of %s are damaged", what);
}

static int64_t not_negative(uint64_t v)
{
	return v <= INT64_MAX ? (int64_t)v : 0;
}

static uint32_t line_number(uint64_t v)
{
	return v <= INT32_MAX ? (uint32_t)v : 0;
}

static bool is(struct slice s, const char *text)
{
	return s.len == strlen(text) && !memcmp(s.p, text, s.len);
}

static int collect(struct tables *t, const void *data, size_t n)
{
	slice_vec *const lists[] = {NULL,	   &t->types,	  &t->samples, &t->mappings,
				    &t->locations, &t->functions, &t->strings};
	struct wire_reader r = wire_reader(data, n);
	struct wire_field f;
	size_t entries = 0;

	while (wire_next(&r, &f)) {
		if (f.number && f.number < ARRAY_SIZE(lists) && f.type == WIRE_BYTES) {
			if (++entries > FORMAT_MAX_ENTRIES)
				return err_set(t->e, -EFBIG, "pprof: more than %d entries",
					       FORMAT_MAX_ENTRIES);
			vec_push(lists[f.number], (struct slice){f.data, f.len});
		} else if (f.number == 11 && f.type == WIRE_BYTES) {
			t->period_type_bytes = (struct slice){f.data, f.len};
		} else if (f.type == WIRE_VARINT) {
			if (f.number == 9)
				t->time_ns = not_negative(f.value);
			else if (f.number == 10)
				t->duration_ns = not_negative(f.value);
			else if (f.number == 12)
				t->period = not_negative(f.value);
		}
	}
	return r.error ? damaged(t->e, "the profile") : 0;
}

static int text(const struct tables *t, uint64_t index, struct slice *ret)
{
	if (index >= t->strings.len)
		return err_set(t->e, -EBADMSG, "pprof: string %llu of %zu",
			       (unsigned long long)index, t->strings.len);
	*ret = t->strings.data[index];
	ret->len = MIN(ret->len, (size_t)FORMAT_MAX_TEXT);
	return 0;
}

static int decode_type(const struct tables *t, struct slice s, struct value_type *ret)
{
	struct wire_reader r = wire_reader(s.p, s.len);
	struct wire_field f;
	int rc = 0;

	while (rc >= 0 && wire_next(&r, &f)) {
		if (f.number == 1 && f.type == WIRE_VARINT)
			rc = text(t, f.value, &ret->type);
		else if (f.number == 2 && f.type == WIRE_VARINT)
			rc = text(t, f.value, &ret->unit);
	}
	if (rc < 0)
		return rc;
	return r.error ? damaged(t->e, "a sample type") : 0;
}

static int decode_mapping(struct tables *t, struct slice s)
{
	struct wire_reader r = wire_reader(s.p, s.len);
	struct slice file = {}, build_id = {};
	struct wire_field f;
	uint64_t id = 0;
	int rc = 0;

	while (rc >= 0 && wire_next(&r, &f)) {
		if (f.type != WIRE_VARINT)
			continue;
		if (f.number == 1)
			id = f.value;
		else if (f.number == 5)
			rc = text(t, f.value, &file);
		else if (f.number == 6)
			rc = text(t, f.value, &build_id);
	}
	if (rc < 0)
		return rc;
	const uint8_t *slash = file.len ? memrchr(file.p, '/', file.len) : NULL;

	if (slash && slash + 1 < file.p + file.len) {
		file.len = (size_t)(file.p + file.len - (slash + 1));
		file.p = slash + 1;
	}
	map64_set(&t->mapping_of, id, t->modules.len);
	vec_push(&t->modules, file.len ? file : build_id);
	return r.error ? damaged(t->e, "a mapping") : 0;
}

static int decode_function(struct tables *t, struct slice s)
{
	struct wire_reader r = wire_reader(s.p, s.len);
	struct function function = {};
	struct slice system_name = {};
	struct wire_field f;
	uint64_t id = 0;
	int rc = 0;

	while (rc >= 0 && wire_next(&r, &f)) {
		if (f.type != WIRE_VARINT)
			continue;
		if (f.number == 1)
			id = f.value;
		else if (f.number == 2)
			rc = text(t, f.value, &function.name);
		else if (f.number == 3)
			rc = text(t, f.value, &system_name);
		else if (f.number == 4)
			rc = text(t, f.value, &function.file);
		else if (f.number == 5)
			function.start_line = line_number(f.value);
	}
	if (rc < 0)
		return rc;
	if (!function.name.len)
		function.name = system_name;
	map64_set(&t->function_of, id, t->function_list.len);
	vec_push(&t->function_list, function);
	return r.error ? damaged(t->e, "a function") : 0;
}

static int decode_line(struct tables *t, const struct wire_field *field)
{
	struct wire_reader r = wire_sub(field);
	struct line line = {};
	struct wire_field f;

	while (wire_next(&r, &f)) {
		if (f.type != WIRE_VARINT)
			continue;
		if (f.number == 1) {
			uint64_t *at = map64_get(&t->function_of, f.value);

			if (!at)
				return err_set(t->e, -EBADMSG, "pprof: no function has the id %llu",
					       (unsigned long long)f.value);
			line.function = *at + 1;
		} else if (f.number == 2) {
			line.line = line_number(f.value);
		}
	}
	vec_push(&t->lines, line);
	return r.error ? damaged(t->e, "a line") : 0;
}

static int decode_location(struct tables *t, struct slice s)
{
	struct location l = {.first = t->lines.len};
	struct wire_reader r = wire_reader(s.p, s.len);
	struct wire_field f;
	uint64_t id = 0;
	int rc = 0;

	while (rc >= 0 && wire_next(&r, &f)) {
		if (f.number == 1 && f.type == WIRE_VARINT) {
			id = f.value;
		} else if (f.number == 2 && f.type == WIRE_VARINT && f.value) {
			uint64_t *at = map64_get(&t->mapping_of, f.value);

			if (!at)
				return err_set(t->e, -EBADMSG, "pprof: no mapping has the id %llu",
					       (unsigned long long)f.value);
			l.mapping = *at + 1;
		} else if (f.number == 3 && f.type == WIRE_VARINT) {
			l.address = f.value;
		} else if (f.number == 4 && f.type == WIRE_BYTES) {
			rc = decode_line(t, &f);
		}
	}
	if (rc < 0)
		return rc;
	if (t->lines.len == l.first)
		vec_push(&t->lines, (struct line){});
	l.count = t->lines.len - l.first;
	map64_set(&t->location_of, id, t->location_list.len);
	vec_push(&t->location_list, l);
	return r.error ? damaged(t->e, "a location") : 0;
}

static int decode_tables(struct tables *t)
{
	int rc = 0;

	if (!t->strings.len || t->strings.data[0].len)
		return err_set(t->e, -EBADMSG, "pprof: string 0 is not empty");
	for (size_t i = 0; rc >= 0 && i < t->types.len; i++) {
		struct value_type type = {};

		rc = decode_type(t, t->types.data[i], &type);
		vec_push(&t->columns, type);
	}
	if (rc >= 0)
		rc = decode_type(t, t->period_type_bytes, &t->period_type);
	for (size_t i = 0; rc >= 0 && i < t->mappings.len; i++)
		rc = decode_mapping(t, t->mappings.data[i]);
	for (size_t i = 0; rc >= 0 && i < t->functions.len; i++)
		rc = decode_function(t, t->functions.data[i]);
	for (size_t i = 0; rc >= 0 && i < t->locations.len; i++)
		rc = decode_location(t, t->locations.data[i]);
	return rc;
}

/* --- one column of values as a profile ---------------------------------------------------------
 */

/* Which column is read, and what it is in Glim. */
struct column {
	const char *type, *unit;
	int64_t factor;	     /* value = number * factor */
	size_t value;	     /* column */
	size_t count;	     /* column, or SIZE_MAX: the value divided by the period */
	bool value_is_count; /* of samples, a period each */
};

struct builder {
	struct tables *t;
	struct profile *p;
	const struct column *column;
	uint32_t *frame_of; /* line -> frame, HASH_NONE: not asked for yet */
	uint64_t *work;
};

static bool is_generated_name(const struct profile *p, struct slice name, uint32_t module,
			      uint64_t address)
{
	cleanup_buf struct buf text_again = {};

	if (module)
		buf_printf(&text_again, "%s+", profile_text(p, module));
	buf_printf(&text_again, "0x%llx", (unsigned long long)address);
	return name.len == text_again.len && !memcmp(name.p, text_again.data, name.len);
}

static bool starts_with(struct slice s, const char *prefix)
{
	return s.len >= strlen(prefix) && !memcmp(s.p, prefix, strlen(prefix));
}

static bool ends_with(struct slice s, const char *suffix)
{
	size_t n = strlen(suffix);

	return s.len >= n && !memcmp(s.p + s.len - n, suffix, n);
}

/* pprof has no word for the kind of a function: its file, mapping or name tells. */
static uint8_t kind_of(const struct function *f, struct slice module)
{
	if (starts_with(module, "[kernel"))
		return FRAME_KERNEL;
	if (starts_with(f->name, "[cut: ") && ends_with(f->name, "]"))
		return FRAME_MARK;
	if (ends_with(f->file, ".py") || starts_with(f->file, "<frozen "))
		return FRAME_PYTHON;
	return FRAME_NATIVE;
}

static uint32_t put_text(struct profile *p, struct slice s)
{
	return profile_string_n(p, (const char *)s.p, s.len);
}

static uint32_t frame_of(struct builder *b, const struct location *l, size_t line)
{
	const struct tables *t = b->t;
	struct function none = {};

	if (b->frame_of[line] != HASH_NONE)
		return b->frame_of[line];
	uint64_t number = t->lines.data[line].function;
	const struct function *from = number ? &t->function_list.data[number - 1] : &none;
	struct slice module = l->mapping ? t->modules.data[l->mapping - 1] : (struct slice){};
	struct slice name = from->name;
	struct profile_function f = {
		.kind = kind_of(from, module),
		.file = put_text(b->p, from->file),
		.start_line = from->start_line,
	};

	if (!is(module, PPROF_KERNEL))
		f.module = put_text(b->p, module);
	if (f.kind == FRAME_MARK)
		name = (struct slice){name.p + 1, name.len - 2};
	if (!is_generated_name(b->p, name, f.module, l->address))
		f.name = put_text(b->p, name);
	struct profile_frame frame = {.function = profile_function(b->p, &f),
				      .line = t->lines.data[line].line,
				      .address = f.name ? 0 : l->address};

	return b->frame_of[line] = profile_frame(b->p, &frame);
}

/* Frames of one location before those in frames, which stand at its end, outermost first. false:
 * the stack is full. */
static bool add_frames(struct builder *b, uint64_t at, uint32_t frames[static FORMAT_MAX_DEPTH],
		       size_t *depth)
{
	const struct location *l = &b->t->location_list.data[at];

	for (size_t i = 0; i < l->count; i++) {
		if (*depth == FORMAT_MAX_DEPTH) {
			frames[0] = profile_mark(b->p, OUTCOME_TOO_DEEP);
			return false;
		}
		frames[FORMAT_MAX_DEPTH - ++*depth] = frame_of(b, l, l->first + i);
	}
	return true;
}

static int read_stack(struct builder *b, const struct wire_field *f,
		      uint32_t frames[static FORMAT_MAX_DEPTH], size_t *depth)
{
	struct wire_reader packed = wire_sub(f);
	uint64_t id = f->value;
	bool one = f->type == WIRE_VARINT, room = true;

	while (one || wire_varint(&packed, &id)) {
		uint64_t *at = map64_get(&b->t->location_of, id);

		if (!at)
			return err_set(b->t->e, -EBADMSG, "pprof: no location has the id %llu",
				       (unsigned long long)id);
		if (room)
			room = add_frames(b, *at, frames, depth);
		if (one)
			return 0;
	}
	return packed.error ? damaged(b->t->e, "a stack") : 0;
}

static int read_values(const struct column *c, const struct wire_field *f, size_t *index,
		       int64_t *value, int64_t *count)
{
	struct wire_reader packed = wire_sub(f);
	uint64_t v = f->value;
	bool one = f->type == WIRE_VARINT;

	while (one || wire_varint(&packed, &v)) {
		if (*index == c->value)
			*value = (int64_t)v;
		if (*index == c->count)
			*count = (int64_t)v;
		++*index;
		if (one)
			break;
	}
	return packed.error ? -EBADMSG : 0;
}

static int read_label(struct builder *b, const struct wire_field *field,
		      struct profile_label *labels, size_t *n)
{
	struct wire_reader r = wire_sub(field);
	struct slice key = {}, value = {};
	struct wire_field f;
	char number[24] = "";
	int rc = 0;

	while (rc >= 0 && wire_next(&r, &f)) {
		if (f.type != WIRE_VARINT)
			continue;
		if (f.number == 1)
			rc = text(b->t, f.value, &key);
		else if (f.number == 2)
			rc = text(b->t, f.value, &value);
		else if (f.number == 3)
			snprintf(number, sizeof(number), "%lld", (long long)f.value);
	}
	if (rc < 0 || r.error)
		return rc < 0 ? rc : damaged(b->t->e, "a label");
	if (!value.len && *number)
		value = (struct slice){(const uint8_t *)number, strlen(number)};
	if (key.len && *n < FORMAT_MAX_LABELS)
		labels[(*n)++] = (struct profile_label){put_text(b->p, key), put_text(b->p, value)};
	return 0;
}

static int64_t multiply(int64_t a, int64_t b)
{
	int64_t v;

	return __builtin_mul_overflow(a, b, &v) ? INT64_MAX : v;
}

static int read_sample(struct builder *b, struct slice s)
{
	struct wire_reader r = wire_reader(s.p, s.len);
	struct profile_label labels[FORMAT_MAX_LABELS];
	uint32_t frames[FORMAT_MAX_DEPTH], id = 0;
	size_t depth = 0, nlabels = 0, index = 0;
	int64_t value = 0, count = -1, period = b->p->period;
	struct wire_field f;
	int rc = 0;

	while (rc >= 0 && wire_next(&r, &f)) {
		if (f.number == 1)
			rc = read_stack(b, &f, frames, &depth);
		else if (f.number == 2)
			rc = read_values(b->column, &f, &index, &value, &count);
		else if (f.number == 3)
			rc = read_label(b, &f, labels, &nlabels);
	}
	if (rc < 0 || r.error)
		return rc < 0 ? rc : damaged(b->t->e, "a sample");
	if (value < 0 || (b->column->count != SIZE_MAX && count < 0))
		return err_set(b->t->e, -EBADMSG, "pprof: a sample has a negative value");
	if (b->column->value_is_count)
		count = value;
	value = multiply(value, b->column->value_is_count ? period : b->column->factor);
	if (count < 0)
		count = period ? MAX(value / period, value > 0) : value > 0;
	if (!value && !count)
		return 0;
	*b->work += depth;
	id = profile_path(b->p, 0, frames + FORMAT_MAX_DEPTH - depth, depth);
	profile_add(b->p, id, profile_labels(b->p, labels, nlabels), count, value);
	return 0;
}

static int read_column(struct tables *t, const struct column *c, uint64_t *work, uint64_t *memory,
		       struct profile **ret)
{
	cleanup_profile struct profile *p = profile_new(c->type, c->unit, 0);
	cleanup_free uint32_t *frame_of = mem_reallocarray(NULL, t->lines.len, sizeof(*frame_of));
	struct builder b = {.t = t, .p = p, .column = c, .frame_of = frame_of, .work = work};
	int64_t factor = format_unit_factor((const char *)t->period_type.unit.p,
					    t->period_type.unit.len, c->unit);

	memset(frame_of, 0xff, t->lines.len * sizeof(*frame_of));
	p->period = multiply(t->period, factor);
	p->time_ns = t->time_ns;
	p->duration_ns = t->duration_ns;
	for (size_t i = 0; i < t->samples.len; i++) {
		int rc = read_sample(&b, t->samples.data[i]);

		if (rc < 0)
			return rc;
		if (*work > FORMAT_MAX_WORK || *memory + profile_memory(p) > FORMAT_MAX_MEMORY)
			return err_set(t->e, -EFBIG, "pprof: the file unfolds to too many stacks");
	}
	*memory += profile_memory(p);
	*ret = take_ptr(p);
	return 0;
}

/* Columns of time or bytes whose type Glim knows; the column before may hold their count. */
static bool choose_column(const struct tables *t, size_t i, struct column *ret)
{
	const struct value_type *v = &t->columns.data[i];
	const struct format_type *type = format_type_by_name((const char *)v->type.p, v->type.len);
	int64_t factor =
		type ? format_unit_factor((const char *)v->unit.p, v->unit.len, type->unit) : 0;

	if (!factor || !strcmp(type->unit, "count"))
		return false;
	*ret = (struct column){.type = type->type,
			       .unit = type->unit,
			       .factor = factor,
			       .value = i,
			       .count = SIZE_MAX};
	if (i && is(t->columns.data[i - 1].unit, "count"))
		ret->count = i - 1;
	return true;
}

/* A file that has nothing but a count of samples, of a period each. */
static bool choose_count(const struct tables *t, struct column *ret)
{
	const struct value_type *period = &t->period_type;
	const struct format_type *type =
		format_type_by_name((const char *)period->type.p, period->type.len);

	if (!type || !t->period || !t->columns.len || !is(t->columns.data[0].unit, "count"))
		return false;
	*ret = (struct column){.type = type->type,
			       .unit = type->unit,
			       .factor = 1,
			       .count = SIZE_MAX,
			       .value_is_count = true};
	return format_unit_factor((const char *)period->unit.p, period->unit.len, type->unit) != 0;
}

/* A file that says of nothing how much it is, as folded text that was converted: the counts. */
static bool choose_bare_count(const struct tables *t, struct column *ret)
{
	for (size_t i = t->columns.len; i-- > 0;) {
		const struct value_type *v = &t->columns.data[i];
		const struct format_type *type =
			format_type_by_name((const char *)v->type.p, v->type.len);

		if (!type || !is(v->unit, "count"))
			continue;
		*ret = (struct column){
			.type = type->type, .unit = "count", .factor = 1, .value = i, .count = i};
		return true;
	}
	return false;
}

static int read_columns(struct tables *t, profile_vec *profiles)
{
	uint64_t work = 0, memory = 0;
	struct column c = {};
	size_t before = profiles->len;

	for (size_t i = 0; i <= t->columns.len; i++) {
		struct profile *p = NULL;
		bool wanted = i < t->columns.len
				      ? choose_column(t, i, &c)
				      : profiles->len == before &&
						(choose_count(t, &c) || choose_bare_count(t, &c));
		int rc = wanted ? read_column(t, &c, &work, &memory, &p) : 0;

		if (rc < 0)
			return rc;
		if (p)
			vec_push(profiles, p);
	}
	if (profiles->len == before)
		return err_set(t->e, -EBADMSG, "pprof: no sample type that Glim knows");
	return 0;
}

int pprof_read(const void *data, size_t n, profile_vec *ret_profiles, struct err *e)
{
	cleanup(tables_fini) struct tables t = {.e = e};
	cleanup(profile_vec_fini) profile_vec profiles = {};
	cleanup_buf struct buf plain = {};
	const uint8_t *magic = data;
	int rc = 0;

	if (n >= 2 && magic[0] == 0x1f && magic[1] == 0x8b) {
		rc = decompress_gzip(data, n, PPROF_MAX, &plain, e);
		data = plain.data;
		n = plain.len;
	}
	if (rc >= 0)
		rc = collect(&t, data, n);
	if (rc >= 0)
		rc = decode_tables(&t);
	if (rc >= 0 && t.columns.len > PPROF_COLUMNS)
		rc = err_set(e, -EFBIG, "pprof: more than %d sample types", PPROF_COLUMNS);
	if (rc >= 0)
		rc = read_columns(&t, &profiles);
	for (size_t i = 0; rc >= 0 && i < profiles.len; i++)
		vec_push(ret_profiles, profiles.data[i]);
	if (rc >= 0)
		profiles.len = 0;
	return rc;
}
