/* Local variables of the frames that glim dump shows. */
#include "cmd/dump.h"

#include "base/bytes.h"
#include "unwind/python/repr.h"

enum {
	MAX_VARIABLES = 256, /* of a frame */
	MAX_NAME = 128,
	CODE_BYTES = 128,
	/* Include/cpython/code.h: CO_VARARGS, CO_VARKEYWORDS */
	CODE_VARARGS = 4,
	CODE_VARKEYWORDS = 8,
	/* Include/internal/pycore_code.h: CO_FAST_CELL, CO_FAST_FREE */
	KIND_CELL = 0x40,
	KIND_FREE = 0x80,
};

static const struct python_repr_limits limits = {
	.characters = 200, .elements = 20, .depth = 4, .bytes = 1000};

struct variables {
	uint64_t names[MAX_VARIABLES]; /* str objects */
	bool cells[MAX_VARIABLES];
	size_t n, arguments;
};

/* Append the names in a tuple. */
static int add_names(const struct dump *d, uint64_t tuple, bool cells, struct variables *v)
{
	struct python_object object;
	uint64_t total;
	int n, r = python_object_read(&d->objects, tuple, &object);

	if (!r && object.kind != PYTHON_TUPLE)
		r = -EINVAL;
	if (r < 0)
		return r;
	n = python_elements(&d->objects, &object, v->names + v->n, MAX_VARIABLES - v->n, &total);
	if (n < 0)
		return n;
	for (int i = 0; i < n; i++)
		v->cells[v->n++] = cells;
	return 0;
}

/* 3.11 and later: one tuple for all, and a byte for each that says what it is. */
static int read_kinds(const struct dump *d, uint64_t kinds, struct variables *v)
{
	cleanup_buf struct buf bytes = {};
	int64_t n = python_bytes(&d->objects, kinds, v->n, &bytes);

	if (n < 0)
		return (int)n;
	for (size_t i = 0; i < MIN(v->n, bytes.len); i++)
		v->cells[i] = bytes.data[i] & (KIND_CELL | KIND_FREE);
	return 0;
}

static int read_variables(const struct dump *d, uint64_t address, struct variables *v)
{
	const struct python_object_layout *l = d->objects.layout;
	uint8_t code[CODE_BYTES];
	uint32_t flags;
	int r = memory_read(&d->memory, address, code, sizeof(code));

	if (r < 0)
		return r;
	flags = byte_u32(code + l->code_flags);
	v->n = 0;
	v->arguments = (size_t)byte_u32(code + l->code_arguments) +
		       byte_u32(code + l->code_keyword_only) + !!(flags & CODE_VARARGS) +
		       !!(flags & CODE_VARKEYWORDS);
	if (l->code_names) {
		r = add_names(d, byte_u64(code + l->code_names), false, v);
		return r < 0 ? r : read_kinds(d, byte_u64(code + l->code_kinds), v);
	}
	r = add_names(d, byte_u64(code + l->code_variables), false, v);
	if (!r)
		r = add_names(d, byte_u64(code + l->code_cells), true, v);
	return r < 0 ? r : add_names(d, byte_u64(code + l->code_free), true, v);
}

/* What is in a cell; an argument is put into one only when its function starts. */
static uint64_t open_cell(const struct dump *d, uint64_t address)
{
	struct python_object object;
	uint64_t value;

	if (python_object_read(&d->objects, address, &object) || object.kind != PYTHON_CELL)
		return address;
	if (memory_read(&d->memory, address + d->objects.layout->cell_value, &value, 8))
		return address;
	return value;
}

static void add_value(struct dump *d, struct dump_frame *f, const struct variables *v, size_t i,
		      uint64_t value)
{
	struct dump_value out = {.kind = v->cells[i]	    ? DUMP_CELL
					 : i < v->arguments ? DUMP_ARGUMENT
							    : DUMP_LOCAL};
	struct python_repr_limits how = limits;
	cleanup_buf struct buf name = {}, text = {};

	if (v->cells[i])
		value = open_cell(d, value);
	/* Not bound, or not any more. */
	if (!value || python_str(&d->objects, v->names[i], MAX_NAME, &name) < 0)
		return;
	how.secrets = d->options.secrets;
	if (!how.secrets && python_secret_name(buf_cstr(&name)))
		buf_puts(&text, PYTHON_HIDDEN);
	else
		python_repr(&d->objects, value, &how, &text);
	out.name = arena_strdup(&d->arena, buf_cstr(&name));
	out.text = arena_strdup(&d->arena, buf_cstr(&text));
	vec_push(&f->values, out);
}

static void read_frame(struct dump *d, struct dump_frame *f)
{
	uint64_t values[MAX_VARIABLES];
	struct variables v;

	if (!f->address || read_variables(d, f->code, &v) ||
	    memory_read(&d->memory, f->address + d->objects.layout->frame_locals, values, v.n * 8))
		return;
	for (size_t i = 0; i < v.n; i++) {
		values[i] &= ~(uint64_t)d->objects.layout->local_tags;
		if (values[i])
			add_value(d, f, &v, i, values[i]);
	}
}

void dump_read_locals(struct dump *d, struct dump_stack *s)
{
	for (size_t i = 0; i < s->frames.len; i++)
		read_frame(d, &s->frames.data[i]);
}
