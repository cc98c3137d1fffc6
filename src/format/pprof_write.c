#include "format/pprof_priv.h"

#include "base/compress.h"
#include "base/utf8.h"
#include "base/wire.h"

/* Level 6 of libdeflate is gzip's own default trade. */
enum { GZIP_LEVEL = 6 };

struct writer {
	const struct profile *p;
	struct buf *out;
	struct strtab strings;
	struct map64 mapping_of; /* file name (a string) -> mapping id */
	uint64_t nfunctions;
	uint64_t nmappings;
};

static void writer_fini(struct writer *w)
{
	strtab_fini(&w->strings);
	map64_fini(&w->mapping_of);
}

static uint64_t string(struct writer *w, const char *s)
{
	return strtab_puts(&w->strings, s);
}

static uint64_t string_of(struct writer *w, uint32_t s)
{
	return string(w, profile_text(w->p, s));
}

static void put_unless_0(struct buf *b, uint32_t field, uint64_t v)
{
	if (v)
		wire_put_uint(b, field, v);
}

static void put_value_type(struct writer *w, uint32_t field, const char *type, const char *unit)
{
	size_t mark = wire_begin(w->out, field);

	wire_put_uint(w->out, 1, string(w, type));
	wire_put_uint(w->out, 2, string(w, unit));
	wire_end(w->out, mark);
}

static void put_sample(struct writer *w, const struct profile_sample *s)
{
	const struct profile *p = w->p;
	const struct profile_label_set *set = &p->label_sets.data[s->labels];
	size_t mark = wire_begin(w->out, 2);
	size_t packed = wire_begin(w->out, 1);

	for (uint32_t id = s->stack; id; id = p->stacks.data[id].parent)
		wire_put_varint(w->out, (uint64_t)p->stacks.data[id].frame + 1);
	wire_end(w->out, packed);
	packed = wire_begin(w->out, 2);
	wire_put_varint(w->out, (uint64_t)s->count);
	wire_put_varint(w->out, (uint64_t)s->value);
	wire_end(w->out, packed);
	for (uint32_t i = 0; i < set->count; i++) {
		const struct profile_label *l = &p->label_pairs.data[set->first + i];
		size_t label = wire_begin(w->out, 3);

		wire_put_uint(w->out, 1, string_of(w, l->key));
		wire_put_uint(w->out, 2, string_of(w, l->value));
		wire_end(w->out, label);
	}
	wire_end(w->out, mark);
}

/* A mapping says that its functions are known, so that pprof does not look for the file. name 0:
 * the mapping of all that belongs to no file. */
static uint64_t put_mapping(struct writer *w, uint64_t name)
{
	uint64_t id = ++w->nmappings;
	size_t mark = wire_begin(w->out, 3);

	wire_put_uint(w->out, 1, id);
	put_unless_0(w->out, 5, name);
	for (uint32_t has = 7; has <= 9; has++)
		wire_put_uint(w->out, has, 1);
	wire_end(w->out, mark);
	map64_set(&w->mapping_of, name, id);
	return id;
}

static uint64_t mapping_id(struct writer *w, const struct profile_function *f)
{
	bool kernel = !f->module && f->kind == FRAME_KERNEL;
	uint64_t name = kernel ? string(w, PPROF_KERNEL) : string_of(w, f->module);
	uint64_t *known = map64_get(&w->mapping_of, name);

	return known ? *known : put_mapping(w, name);
}

static void put_function(struct writer *w, uint64_t id, const char *name,
			 const struct profile_function *f)
{
	size_t mark = wire_begin(w->out, 5);

	wire_put_uint(w->out, 1, id);
	wire_put_uint(w->out, 2, string(w, name));
	wire_put_uint(w->out, 3, string(w, name));
	put_unless_0(w->out, 4, string_of(w, f->file));
	put_unless_0(w->out, 5, f->start_line);
	wire_end(w->out, mark);
}

static void put_functions(struct writer *w)
{
	cleanup_buf struct buf name = {};

	for (size_t i = 0; i < w->p->functions.len; i++) {
		const struct profile_function *f = &w->p->functions.data[i];

		name.len = 0;
		buf_printf(&name, f->kind == FRAME_MARK ? "[%s]" : "%s",
			   profile_text(w->p, f->name));
		put_function(w, i + 1, buf_cstr(&name), f);
	}
	w->nfunctions = w->p->functions.len;
}

/* Frames without a name get a function of their own, so that every viewer shows something. */
static void put_locations(struct writer *w)
{
	cleanup_buf struct buf name = {};

	for (uint32_t i = 0; i < w->p->frames.len; i++) {
		const struct profile_frame *frame = &w->p->frames.data[i];
		const struct profile_function *f = &w->p->functions.data[frame->function];
		uint64_t function = (uint64_t)frame->function + 1, mapping = mapping_id(w, f);

		if (!f->name) {
			name.len = 0;
			profile_put_frame_name(w->p, i, &name);
			function = ++w->nfunctions;
			put_function(w, function, buf_cstr(&name), f);
		}
		size_t mark = wire_begin(w->out, 4);

		wire_put_uint(w->out, 1, (uint64_t)i + 1);
		put_unless_0(w->out, 2, mapping);
		put_unless_0(w->out, 3, frame->address);
		size_t line = wire_begin(w->out, 4);

		wire_put_uint(w->out, 1, function);
		put_unless_0(w->out, 2, frame->line);
		wire_end(w->out, line);
		wire_end(w->out, mark);
	}
}

static void put_strings(struct writer *w)
{
	for (uint32_t i = 0; i < strtab_count(&w->strings); i++) {
		size_t mark = wire_begin(w->out, 6);

		utf8_put_valid(w->out, strtab_get(&w->strings, i), strtab_len(&w->strings, i));
		wire_end(w->out, mark);
	}
}

int pprof_write(const struct profile *p, struct buf *out, struct err *e)
{
	cleanup_buf struct buf plain = {};
	cleanup(writer_fini) struct writer w = {.p = p, .out = &plain};

	put_value_type(&w, 1, "samples", "count");
	put_value_type(&w, 1, p->type, p->unit);
	for (size_t i = 0; i < p->samples.len; i++)
		put_sample(&w, &p->samples.data[i]);
	put_functions(&w);
	put_mapping(&w, 0); /* the first one: pprof takes that for the program's */
	put_locations(&w);
	put_unless_0(&plain, 9, (uint64_t)p->time_ns);
	put_unless_0(&plain, 10, (uint64_t)p->duration_ns);
	put_value_type(&w, 11, p->type, p->unit);
	put_unless_0(&plain, 12, (uint64_t)p->period);
	wire_put_uint(&plain, 14, string(&w, p->type));
	put_strings(&w);
	int rc = compress_gzip(plain.data, plain.len, GZIP_LEVEL, out);

	return rc < 0 ? err_sys(e, rc, "pprof: gzip") : 0;
}
