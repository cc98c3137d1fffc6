#include "unwind/python/qualname.h"

#include "base/bytes.h"
#include "base/utf8.h"
#include "unwind/python/functions.h"
#include "unwind/python/layout.h"

enum {
	MAX_NAME = 1024,     /* characters */
	MAX_CONSTANTS = 512, /* that are looked at for one name, and of one function */
	MAX_DEPTH = 16,	     /* functions in functions */
	CODE_BYTES = 128,
	IS_FUNCTION = 1, /* CO_OPTIMIZED: it is no body of a class */
};

struct python_qualnames {
	struct memory memory;
	struct python_functions functions;
	bool unknown; /* a version that needs none, or whose objects are not known */
};

void python_qualnames_free(struct python_qualnames *q)
{
	if (!q)
		return;
	python_functions_fini(&q->functions);
	free(q);
}

static struct python_qualnames *qualnames_new(const struct memory *m, const struct python *py)
{
	struct python_qualnames *q = mem_calloc(1, sizeof(*q));

	q->memory = *m;
	q->unknown = python_functions_init(&q->functions, &q->memory, py) < 0;
	return q;
}

/* ---- of functions ---- */

static const char *last_part(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot ? dot + 1 : name;
}

/* A decorator gives the function that it makes the name of another one. */
static int read_qualname(const struct python_functions *f, const struct python_function *function,
			 const char *plain, struct buf *out)
{
	uint64_t at;
	int64_t n = memory_read(f->objects.memory, function->address + f->layout->qualname, &at,
				sizeof(at));

	if (!n)
		n = python_str(&f->objects, at, MAX_NAME, out);
	if (n < 0 || n > MAX_NAME)
		return -EINVAL;
	return strcmp(last_part(buf_cstr(out)), plain) ? -ENOENT : 0;
}

/* 2.7: a class of the old kind has a str for its name, Include/classobj.h: cl_name. */
static int read_class_name(const struct python_functions *f, uint64_t class, struct buf *out)
{
	enum { OLD_CLASS_NAME = 32 };
	struct python_object object;
	char name[PYTHON_TYPE_NAME];
	uint64_t at;
	int r = python_object_read(&f->objects, class, &object);

	if (r < 0)
		return r;
	if (object.kind == PYTHON_TYPE) {
		r = python_type_name(&f->objects, class, name);
		if (!r)
			buf_puts(out, name);
		return r;
	}
	r = memory_read(f->objects.memory, class + OLD_CLASS_NAME, &at, sizeof(at));
	if (!r && python_bytes(&f->objects, at, MAX_NAME, out) < 0)
		r = -EINVAL;
	return r;
}

static int read_name(const struct python_functions *f, uint64_t address, struct buf *out)
{
	int64_t n = f->layout->qualname ? python_str(&f->objects, address, MAX_NAME, out)
					: python_bytes(&f->objects, address, MAX_NAME, out);

	return n < 0 || n > MAX_NAME ? -EINVAL : 0;
}

/* 2.7: what a decorator made stands in a class, too, under another name. That of "__private" has
 * the class's before it. */
static bool stands_by_name(const struct python_functions *f, const struct python_function *function,
			   const char *plain)
{
	cleanup_buf struct buf key = {};
	size_t len = strlen(plain);

	if (read_name(f, function->key, &key))
		return false;
	if (!strncmp(plain, "__", 2) && key.len > len && key.data[0] == '_')
		return !memcmp(key.data + key.len - len, plain, len);
	return !strcmp(buf_cstr(&key), plain);
}

static int name_function(const struct python_functions *f, const struct python_function *function,
			 const char *plain, struct buf *out)
{
	int r = 0;

	if (f->layout->qualname)
		return read_qualname(f, function, plain, out);
	if (function->owner == PYTHON_SHARED || !stands_by_name(f, function, plain))
		return -ENOENT;
	if (function->owner) {
		r = read_class_name(f, function->owner, out);
		buf_putc(out, '.');
	}
	buf_puts(out, plain);
	return r;
}

/* ---- of what is defined inside ---- */

struct code_head {
	uint64_t address, type, constants, file, name;
	uint32_t flags, first_line;
};
static int read_head(const struct python_functions *f, uint64_t address, uint64_t name_at,
		     struct code_head *ret)
{
	const struct python_function_layout *l = f->layout;
	uint8_t code[CODE_BYTES];
	int r = memory_read(f->objects.memory, address, code, sizeof(code));

	if (r < 0)
		return r;
	*ret = (struct code_head){
		.address = address,
		.type = byte_u64(code + f->objects.layout->object_type),
		.constants = byte_u64(code + l->constants),
		.file = python_functions_file(f, byte_u64(code + l->file)),
		.name = byte_u64(code + name_at),
		.flags = byte_u32(code + l->flags),
		.first_line = byte_u32(code + l->first_line),
	};
	return 0;
}

/* The way from a function's code to one that is defined in it, or in what is. */
struct inner_search {
	const struct python_functions *f;
	struct code_head wanted;
	uint64_t name_at; /* in code objects */
	unsigned int left;
	struct code_head way[MAX_DEPTH];
};

/* Code objects among the constants of way[depth - 1]; what begins behind the wanted one does not
 * hold it. Returns the length of the way, or 0. */
static unsigned int find_inner(struct inner_search *s, unsigned int depth)
{
	const struct python_object_layout *l = s->f->objects.layout;
	const struct python_object tuple = {.address = s->way[depth - 1].constants,
					    .kind = PYTHON_TUPLE};
	uint64_t constants[MAX_CONSTANTS], total, type;
	int n = python_elements(&s->f->objects, &tuple, constants, MAX_CONSTANTS, &total);

	for (int i = 0; i < n && depth < MAX_DEPTH; i++) {
		struct code_head *inner = &s->way[depth];
		unsigned int found;

		if (!s->left)
			return 0;
		s->left--;
		if (memory_read(s->f->objects.memory, constants[i] + l->object_type, &type,
				sizeof(type)) ||
		    type != s->wanted.type || read_head(s->f, constants[i], s->name_at, inner))
			continue;
		if (inner->address == s->wanted.address)
			return depth + 1;
		if (inner->first_line > s->wanted.first_line)
			continue;
		found = find_inner(s, depth + 1);
		if (found)
			return found;
	}
	return 0;
}

static int put_way(const struct inner_search *s, const struct python_function *outer,
		   unsigned int depth, struct buf *out)
{
	cleanup_buf struct buf plain = {};
	int r = read_name(s->f, s->way[0].name, &plain);

	if (!r)
		r = name_function(s->f, outer, buf_cstr(&plain), out);
	for (unsigned int i = 1; i < depth && !r; i++) {
		buf_puts(out, s->way[i - 1].flags & IS_FUNCTION ? ".<locals>." : ".");
		r = read_name(s->f, s->way[i].name, out);
	}
	return r;
}

/* Where the functions of a file begin last, before a line. */
static uint32_t last_line(const struct python_functions *f, uint64_t file, uint32_t before)
{
	uint32_t line = 0;

	for (size_t i = 0; i < f->all.len; i++)
		if (f->all.data[i].file == file && f->all.data[i].first_line < before)
			line = MAX(line, f->all.data[i].first_line);
	return line;
}

static int name_inside(struct inner_search *s, uint32_t line, struct buf *out)
{
	const struct python_functions *f = s->f;

	for (size_t i = 0; i < f->all.len; i++) {
		const struct python_function *outer = &f->all.data[i];
		unsigned int depth;

		if (outer->file != s->wanted.file || outer->first_line != line)
			continue;
		outer = python_functions_find(f, outer->code);
		if (!outer || read_head(f, outer->code, s->name_at, &s->way[0]))
			continue;
		depth = find_inner(s, 1);
		if (depth)
			return put_way(s, outer, depth, out);
	}
	return -ENOENT;
}

/* The functions of a file do not overlap, but for those that were defined in one and are held
 * elsewhere: one of the last that begin before a line has it, if any has. */
static int name_inner(const struct python_functions *f, uint64_t code, uint64_t name_at,
		      struct buf *out)
{
	enum { MAX_OUTER = 8 };
	struct inner_search s = {.f = f, .name_at = name_at, .left = MAX_CONSTANTS};
	uint32_t line;
	int r = read_head(f, code, name_at, &s.wanted);

	if (r < 0)
		return r;
	r = -ENOENT;
	line = s.wanted.first_line + 1;
	for (int i = 0; i < MAX_OUTER && r == -ENOENT && line; i++) {
		out->len = 0;
		line = last_line(f, s.wanted.file, line);
		if (line)
			r = name_inside(&s, line, out);
	}
	return r;
}

void python_qualname(struct python_qualnames **q, const struct memory *m, const struct python *py,
		     uint64_t code, struct python_code *c)
{
	cleanup_buf struct buf name = {}, text = {};
	const struct python_text_layout *l = python_text_layout_of(py->version, false);
	const struct python_function *function;
	const struct python_functions *f;
	int r;

	if (!*q)
		*q = qualnames_new(m, py);
	/* Code of a module, and code that no module has. */
	if ((*q)->unknown || !l || !strcmp(c->name, "<module>") || !strcmp(c->file, "<string>"))
		return;
	(*q)->memory = *m;
	f = &(*q)->functions;
	function = python_functions_find(f, code);
	if (!function) {
		python_functions_look(&(*q)->functions, c->file);
		function = python_functions_find(f, code);
	}
	r = function ? name_function(f, function, c->name, &name) : -ENOENT;
	if (r < 0)
		r = name_inner(f, code, l->code_name, &name);
	if (r < 0)
		return;
	utf8_put_valid(&text, buf_cstr(&name), name.len);
	free(c->name);
	c->name = mem_strdup(buf_cstr(&text));
}
