#include "unwind/python/functions.h"

#include "base/bytes.h"
#include "unwind/python/layout.h"

enum {
	MAX_OBJECTS = 1 << 16, /* that are looked at for one process */
	MAX_DEPTH = 8,	       /* classes in classes, closures in closures */
	MAX_MODULES = 1 << 14,
	MAX_INTERPRETERS = 64,
	MAX_NAME = 256,
	MAX_FILE = 4096,
	TYPE_DICT = 264,	    /* tp_dict, in all of these versions */
	TYPE_DICT_OFFSET_MAX = 512, /* of what has attributes that we follow */
	TYPE_OF_PYTHON = 1 << 9,    /* Py_TPFLAGS_HEAPTYPE: made by a class statement */
	OLD_CLASS_DICT = 24,	    /* 2.7, Include/classobj.h: cl_dict */
	WRAPPED = 16,		    /* the callable of class methods and static methods, fget */
	ACCESSORS = 3,		    /* fget, fset, fdel stand together */
	CODE_BYTES = 128,
};

enum python_holder {
	HOLDER_OTHER, /* an object with attributes, maybe */
	HOLDER_NOTHING,
	HOLDER_FUNCTION,
	HOLDER_METHOD, /* class methods and static methods */
	HOLDER_PROPERTY,
	HOLDER_CLASS,
	HOLDER_OLD_CLASS, /* of 2.7 */
	HOLDER_MODULE,
};

static const struct python_function_layout layouts[] = {
	{0x0207, 16, 40, 0, 40, 28, 96, 80},	{0x0306, 16, 48, 104, 48, 32, 36, 96},
	{0x0307, 16, 48, 104, 48, 32, 36, 96},	{0x0308, 16, 48, 104, 56, 36, 40, 104},
	{0x0309, 16, 48, 104, 56, 36, 40, 104}, {0x030a, 48, 72, 40, 56, 36, 40, 104},
};

/* What is still to be looked at. */
struct item {
	uint64_t address, owner, key;
	unsigned int depth;
	bool direct; /* it stands in the namespace of a class or module */
};
struct search {
	struct python_functions *f;
	VEC(struct item) items;
};

int python_functions_init(struct python_functions *f, const struct memory *m,
			  const struct python *py)
{
	const struct python_process *p = &py->process;
	const struct python_function_layout *l = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(layouts); i++)
		if (layouts[i].minor == python_minor(py->version))
			l = &layouts[i];
	if (!l)
		return -ENOTSUP;
	*f = (struct python_functions){.interpreters = p->interpreters,
				       .interpreter_next = p->layout.interpreter_next,
				       .layout = l,
				       .left = MAX_OBJECTS};
	return python_text_objects_init(&f->objects, m, py->version, false);
}

void python_functions_fini(struct python_functions *f)
{
	vec_fini(&f->all);
	vec_fini(&f->modules);
	map64_fini(&f->types);
	map64_fini(&f->seen);
}

/* ---- what an object is ---- */

static enum python_holder holder_of(const struct python_object *o)
{
	static const struct {
		const char *name;
		enum python_holder holder;
	} by_name[] = {{"function", HOLDER_FUNCTION},	{"classmethod", HOLDER_METHOD},
		       {"staticmethod", HOLDER_METHOD}, {"property", HOLDER_PROPERTY},
		       {"classobj", HOLDER_OLD_CLASS},	{"module", HOLDER_MODULE}};

	if (o->kind == PYTHON_TYPE)
		return HOLDER_CLASS;
	for (size_t i = 0; i < ARRAY_SIZE(by_name); i++)
		if (!strcmp(o->name, by_name[i].name))
			return by_name[i].holder;
	return o->kind == PYTHON_OTHER ? HOLDER_OTHER : HOLDER_NOTHING;
}

static enum python_holder holder_at(struct python_functions *f, uint64_t address, uint64_t type)
{
	const uint64_t *known = map64_get(&f->types, type);
	struct python_object o;
	enum python_holder holder;
	uint64_t dict;

	if (known)
		return (enum python_holder) * known;
	if (python_object_read(&f->objects, address, &o))
		return HOLDER_NOTHING;
	holder = holder_of(&o);
	if (holder == HOLDER_OTHER &&
	    (memory_word(f->objects.memory, type + f->objects.layout->type_dict_offset, &dict) ||
	     !dict || dict > TYPE_DICT_OFFSET_MAX))
		holder = HOLDER_NOTHING;
	map64_set(&f->types, type, holder);
	return holder;
}

/* ---- looking at it ---- */

/* from: what holds it. */
static void push(struct search *s, uint64_t address, const struct item *from)
{
	struct item item = *from;

	item.address = address;
	item.depth++;
	if (address && !(address % 8) && item.depth < MAX_DEPTH)
		vec_push(&s->items, item);
}

static void push_inside(struct search *s, uint64_t address, const struct item *from)
{
	struct item item = *from;

	item.direct = false;
	push(s, address, &item);
}

static void push_namespace(struct search *s, uint64_t dict, const struct item *from)
{
	struct item each = *from;
	struct python_dict d;
	uint64_t value;

	each.direct = true;
	if (python_dict_open(&s->f->objects, dict, &d))
		return;
	while (s->items.len < MAX_OBJECTS &&
	       python_dict_next(&s->f->objects, &d, &each.key, &value) > 0)
		push(s, value, &each);
}

/* Include/tupleobject.h; Include/cellobject.h: a decorator's function is in a cell of what it made.
 */
static void push_closure(struct search *s, uint64_t tuple, const struct item *from)
{
	enum { MAX_CELLS = 16 };
	const struct python_object_layout *l = s->f->objects.layout;
	const struct python_object cells = {.address = tuple, .kind = PYTHON_TUPLE};
	uint64_t each[MAX_CELLS], total, value;
	int n = tuple ? python_elements(&s->f->objects, &cells, each, MAX_CELLS, &total) : 0;

	for (int i = 0; i < n; i++)
		if (!memory_word(s->f->objects.memory, each[i] + l->cell_value, &value))
			push_inside(s, value, from);
}

static void take_function(struct search *s, const struct item *item)
{
	struct python_functions *f = s->f;
	const struct python_function_layout *l = f->layout;
	const uint64_t *known = map64_get(&f->seen, item->address);
	struct python_function new = {
		.address = item->address, .owner = item->owner, .key = item->key};
	uint64_t closure;
	uint8_t code[CODE_BYTES];

	if (memory_word(f->objects.memory, item->address + l->code, &new.code) ||
	    memory_word(f->objects.memory, item->address + l->closure, &closure) ||
	    memory_read(f->objects.memory, new.code, code, sizeof(code)))
		return;
	new.file = python_functions_file(f, byte_u64(code + l->file));
	new.first_line = byte_u32(code + l->first_line);
	if (known) {
		struct python_function *old = &f->all.data[*known - 1];

		/* Another one may have come to its place. */
		if (old->code == new.code && old->owner != new.owner)
			new.owner = PYTHON_SHARED;
		*old = new;
		return;
	}
	vec_push(&f->all, new);
	map64_set(&f->seen, item->address, f->all.len);
	push_closure(s, closure, item);
}

/* Classes of C hold no functions of Python. */
static void take_class(struct search *s, const struct item *item, size_t dict_at, bool old)
{
	struct python_functions *f = s->f;
	struct item inside = *item;
	uint64_t flags = TYPE_OF_PYTHON, dict;

	if (map64_get(&f->seen, item->address))
		return;
	map64_set(&f->seen, item->address, 1);
	if (!old &&
	    memory_word(f->objects.memory, item->address + f->objects.layout->type_flags, &flags))
		return;
	if (!(flags & TYPE_OF_PYTHON) ||
	    memory_word(f->objects.memory, item->address + dict_at, &dict))
		return;
	inside.owner = item->address;
	push_namespace(s, dict, &inside);
}

static void take_attributes(struct search *s, const struct item *item, uint64_t type)
{
	const struct python_object object = {.address = item->address, .type = type};
	struct python_dict d;
	uint64_t key, value;

	if (python_attributes_open(&s->f->objects, &object, &d))
		return;
	while (s->items.len < MAX_OBJECTS && python_dict_next(&s->f->objects, &d, &key, &value) > 0)
		push_inside(s, value, item);
}

static void take(struct search *s, const struct item *item)
{
	uint64_t type, inside;
	enum python_holder holder;

	if (memory_word(s->f->objects.memory, item->address + s->f->objects.layout->object_type,
			&type))
		return;
	holder = holder_at(s->f, item->address, type);
	if (holder == HOLDER_FUNCTION)
		take_function(s, item);
	else if (holder == HOLDER_CLASS && item->direct)
		take_class(s, item, TYPE_DICT, false);
	else if (holder == HOLDER_OLD_CLASS && item->direct)
		take_class(s, item, OLD_CLASS_DICT, true);
	else if (holder == HOLDER_OTHER && item->direct)
		take_attributes(s, item, type);
	if (holder != HOLDER_METHOD && holder != HOLDER_PROPERTY)
		return;
	for (size_t i = 0; i < (holder == HOLDER_METHOD ? 1 : ACCESSORS); i++)
		if (!memory_word(s->f->objects.memory, item->address + WRAPPED + i * 8, &inside))
			push_inside(s, inside, item);
}

/* ---- modules ---- */

static uint64_t hash_stem(const char *s, size_t n)
{
	return n == strlen("__main__") && !memcmp(s, "__main__", n) ? 0 : hash_bytes(s, n) | 1;
}

/* What the module of a file is most likely called: "b" of "a/b.py", of "a/b/__init__.py" and of
 * "<frozen a.b>". */
static uint64_t stem_of_file(const char *file)
{
	static const char init[] = "__init__", frozen[] = "<frozen ";
	const char *end = file + strlen(file), *at, *dot;

	if (!strncmp(file, frozen, strlen(frozen))) {
		dot = strrchr(file, '.');
		at = dot ? dot + 1 : file + strlen(frozen);
		return hash_stem(at, (size_t)(end - at) - (end > at));
	}
	for (int parts = 0; parts < 2; parts++) {
		for (at = end; at > file && at[-1] != '/'; at--)
			;
		dot = memchr(at, '.', (size_t)(end - at));
		if (!dot || parts)
			dot = end;
		if ((size_t)(dot - at) != strlen(init) || memcmp(at, init, strlen(init)) ||
		    at == file)
			return hash_stem(at, (size_t)(dot - at));
		end = at - 1;
	}
	return hash_stem(file, 0);
}

static void add_module(struct python_functions *f, uint64_t name, uint64_t module)
{
	cleanup_buf struct buf text = {};
	struct python_module_place new;
	uint64_t type;
	const char *dot;
	int64_t n;

	if (memory_word(f->objects.memory, module + f->objects.layout->object_type, &type) ||
	    holder_at(f, module, type) != HOLDER_MODULE ||
	    memory_word(f->objects.memory, module + f->objects.layout->module_dict, &new.dict) ||
	    !new.dict)
		return;
	n = f->layout->qualname ? python_str(&f->objects, name, MAX_NAME, &text)
				: python_bytes(&f->objects, name, MAX_NAME, &text);
	if (n < 0)
		return;
	dot = strrchr(buf_cstr(&text), '.');
	dot = dot ? dot + 1 : buf_cstr(&text);
	new.stem = hash_stem(dot, strlen(dot));
	vec_push(&f->modules, new);
}

/* sys.modules of an interpreter. */
static int open_modules(const struct python_functions *f, uint64_t interpreter,
			struct python_dict *ret)
{
	uint64_t dict;
	int r = memory_word(f->objects.memory, interpreter + f->objects.layout->interpreter_modules,
			    &dict);

	return r < 0 ? r : python_dict_open(&f->objects, dict, ret);
}

/* All modules, when there are others than last time. */
static void list_modules(struct python_functions *f)
{
	uint64_t interpreters[MAX_INTERPRETERS], at, used = 0, name, module;
	struct python_dict d;
	size_t n = 0;

	for (int r = memory_word(f->objects.memory, f->interpreters, &at);
	     !r && at && n < MAX_INTERPRETERS;
	     r = memory_word(f->objects.memory, at + f->interpreter_next, &at)) {
		interpreters[n++] = at;
		used += open_modules(f, at, &d) ? 0 : d.used;
	}
	if (used == f->modules_used)
		return;
	f->modules_used = used;
	vec_clear(&f->modules);
	for (size_t i = 0; i < n; i++) {
		if (open_modules(f, interpreters[i], &d))
			continue;
		while (f->modules.len < MAX_MODULES &&
		       python_dict_next(&f->objects, &d, &name, &module) > 0)
			add_module(f, name, module);
	}
}

/* A namespace that has grown is looked through again. */
static void look_at_module(struct search *s, uint64_t dict)
{
	struct python_functions *f = s->f;
	const struct item module = {};
	const uint64_t *known;
	struct python_dict d;

	if (python_dict_open(&f->objects, dict, &d))
		return;
	known = map64_get(&f->seen, dict);
	if (known && *known == d.used)
		return;
	map64_set(&f->seen, dict, d.used);
	push_namespace(s, dict, &module);
	while (s->items.len && f->left) {
		struct item item = s->items.data[--s->items.len];

		f->left--;
		take(s, &item);
	}
	vec_clear(&s->items);
}

void python_functions_look(struct python_functions *f, const char *file)
{
	struct search s = {.f = f};
	uint64_t stem = stem_of_file(file);

	list_modules(f);
	for (size_t i = 0; i < f->modules.len; i++)
		if (f->modules.data[i].stem == stem || !f->modules.data[i].stem)
			look_at_module(&s, f->modules.data[i].dict);
	vec_fini(&s.items);
}

/* Code that was compiled or loaded together shares one object since 3.3. */
uint64_t python_functions_file(const struct python_functions *f, uint64_t file)
{
	cleanup_buf struct buf text = {};

	if (f->layout->qualname)
		return file;
	return python_bytes(&f->objects, file, MAX_FILE, &text) < 0
		       ? 0
		       : hash_bytes(text.data, text.len);
}

const struct python_function *python_functions_find(const struct python_functions *f, uint64_t code)
{
	for (size_t i = 0; i < f->all.len; i++) {
		const struct python_function *found = &f->all.data[i];
		const uint64_t *holder;
		uint64_t type, now;

		if (found->code != code ||
		    memory_word(f->objects.memory, found->address + f->objects.layout->object_type,
				&type) ||
		    memory_word(f->objects.memory, found->address + f->layout->code, &now))
			continue;
		holder = map64_get(&f->types, type);
		if (holder && *holder == HOLDER_FUNCTION && now == code)
			return found;
	}
	return NULL;
}
