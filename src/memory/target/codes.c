/* Which code objects are measured. Asked once for each: the answer stays with its address, and the
 * object is held so that no other gets that address. */
#include "memory/target/library.h"
#include "memory/target/wanted_abi.h"

#include <stdlib.h>
#include <string.h>

enum {
	FIRST_SLOTS = 1 << 12,
	MAX_CODES = 1 << 20,
	MAX_NESTING = 16,
	MAX_LIBRARIES = 16,
	/* Include/cpython/code.h: a generator, a coroutine, an asynchronous generator */
	CODE_STOPS = 0x20 | 0x80 | 0x200,
	CODES_A_CHUNK = 1024,
};

static struct code **slots;
static size_t nslots, ncodes;
static struct code *chunk;
static size_t chunk_left;
static uint32_t nfunctions;
static char *libraries[MAX_LIBRARIES]; /* folders of Python's own modules, with a '/' */
static size_t nlibraries;
static struct code unknown; /* what no room is for */

/* ---- where the user's code is ---- */

static void add_library(const char *prefix, const char *below)
{
	char text[MEMORY_MAX_TEXT];
	size_t n;

	if (!prefix || nlibraries == MAX_LIBRARIES)
		return;
	n = strlen(prefix);
	if (n + strlen(below) + 2 > sizeof(text))
		return;
	memcpy(text, prefix, n);
	strcpy(text + n, below);
	libraries[nlibraries] = strdup(text);
	nlibraries += libraries[nlibraries] != NULL;
}

/* The folder in which the standard library is, by one of its modules. */
static void add_folder_of_os(void)
{
	PyObject *modules = python.PySys_GetObject("modules");
	PyObject *os = modules ? python.PyDict_GetItemString(modules, "os") : NULL;
	PyObject *file = os ? python.PyObject_GetAttrString(os, "__file__") : NULL;
	const char *text = file ? python_text(file) : NULL;
	const char *slash = text ? strrchr(text, '/') : NULL;
	char *folder = slash ? strndup(text, (size_t)(slash - text)) : NULL;

	add_library(folder, "/");
	free(folder);
	if (file)
		python.Py_DecRef(file);
}

void codes_init(void)
{
	static const char *const prefixes[] = {"prefix", "exec_prefix", "base_prefix",
					       "real_prefix"};
	char below[2][32];
	unsigned int major = python.version >> 8, minor = python.version & 0xff;
	char number[8];
	size_t n = 0;

	number[n++] = (char)('0' + major);
	number[n++] = '.';
	if (minor > 9)
		number[n++] = (char)('0' + minor / 10);
	number[n++] = (char)('0' + minor % 10);
	number[n++] = '/';
	number[n] = 0;
	strcat(strcpy(below[0], "/lib/python"), number);
	strcat(strcpy(below[1], "/lib64/python"), number);
	add_folder_of_os();
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++) {
		PyObject *o = python.PySys_GetObject(prefixes[i]);
		const char *text = o ? python_text(o) : NULL;

		add_library(text, below[0]);
		add_library(text, below[1]);
	}
}

/* What follows the folder of Python's own modules; NULL where the file is elsewhere. */
static const char *below_library(const char *file)
{
	for (size_t i = 0; i < nlibraries; i++)
		if (!strncmp(file, libraries[i], strlen(libraries[i])))
			return file + strlen(libraries[i]);
	return NULL;
}

static bool of_the_user(const char *file)
{
	return !wanted_is_installed(file) && !below_library(file);
}

static bool is_asked_for(const char *file, const char *name)
{
	bool starts = wanted_starts_programs(file, below_library(file));

	for (const char *p = config.only; p < config.only + config.only_bytes; p += strlen(p) + 1)
		if (wanted_by_pattern(p, file, name, starts))
			return true;
	return false;
}

/* A list that is made in one expression runs in a frame of its own up to 3.11; it belongs to the
 * line that it stands in. */
static bool is_comprehension(const char *name)
{
	const char *last = strrchr(name, '.');

	name = last ? last + 1 : name;
	return !strcmp(name, "<listcomp>") || !strcmp(name, "<setcomp>") ||
	       !strcmp(name, "<dictcomp>");
}

/* ---- which lines it has ---- */

static long last_of_lines(PyObject *code, long last)
{
	PyObject *method = python.PyObject_GetAttrString(code, "co_lines");
	PyObject *none = method ? python.PyTuple_New(0) : NULL;
	PyObject *list = none ? python.PyObject_Call(method, none, NULL) : NULL;
	PyObject *iterator = list ? python.PyObject_GetIter(list) : NULL, *item;

	while (iterator && (item = python.PyIter_Next(iterator))) {
		PyObject *line = python.PyTuple_GetItem(item, 2);

		if (line && line != python.none && python.PyLong_AsLong(line) > last)
			last = python.PyLong_AsLong(line);
		python.Py_DecRef(item);
	}
	PyObject *const held[] = {iterator, list, none, method};

	for (size_t i = 0; i < sizeof(held) / sizeof(*held); i++)
		if (held[i])
			python.Py_DecRef(held[i]);
	return last;
}

/* Objects/lnotab_notes.txt: pairs of steps, of instructions and of lines, which have a sign from
 * 3.6 on. */
static long last_of_lnotab(PyObject *code, long first, long last)
{
	PyObject *table = python.PyObject_GetAttrString(code, "co_lnotab");
	bool two = python.version < 0x0300;
	const char *p = NULL;
	intptr_t n = 0;

	if (table && two && python.PyString_AsString) {
		p = python.PyString_AsString(table);
		n = python.PyString_Size(table);
	} else if (table && python.PyBytes_AsString) {
		p = python.PyBytes_AsString(table);
		n = python.PyBytes_Size(table);
	}
	for (intptr_t i = 0; p && i + 1 < n; i += 2) {
		first += two ? (long)(unsigned char)p[i + 1] : (long)(signed char)p[i + 1];
		last = first > last ? first : last;
	}
	if (table)
		python.Py_DecRef(table);
	return last;
}

/* The last line of it and of the functions in it. */
static long last_line(PyObject *code, long first, int nesting)
{
	long last = python.version >= 0x030a ? last_of_lines(code, first)
					     : last_of_lnotab(code, first, first);
	PyObject *constants = python.PyObject_GetAttrString(code, "co_consts");
	intptr_t n = constants ? python.PyTuple_Size(constants) : 0;

	for (intptr_t i = 0; i < n && nesting < MAX_NESTING; i++) {
		PyObject *o = python.PyTuple_GetItem(constants, i);
		long inner = o ? python_number(o, "co_firstlineno", -1) : -1;

		inner = inner >= 0 ? last_line(o, inner, nesting + 1) : -1;
		last = inner > last ? inner : last;
	}
	if (constants)
		python.Py_DecRef(constants);
	return last;
}

/* ---- comprehensions within a frame ---- */

/* Lib/opcode.py of 3.12.1, Lib/_opcode_metadata.py of 3.13.0, 3.14.6 and 3.15.2 */
static const struct opcodes {
	uint32_t version;
	uint8_t load_and_clear, for_iter, extended_arg;
} opcodes[] = {
	{0x030c, 143, 93, 144}, {0x030d, 86, 72, 71}, {0x030e, 85, 70, 69}, {0x030f, 84, 68, 67}};

/* The end of the loop that begins with the first FOR_ITER behind at; n where there is none. */
static intptr_t loop_end(const unsigned char *p, intptr_t n, intptr_t at, const struct opcodes *o)
{
	intptr_t argument = 0;

	for (; at + 1 < n; at += 2) {
		argument = argument << 8 | p[at + 1];
		/* An instruction, one more that is its cache, and then as far as it says. */
		if (p[at] == o->for_iter)
			return argument < n ? at + 4 + 2 * argument : n;
		if (p[at] != o->extended_arg)
			argument = 0;
	}
	return n;
}

/* A comprehension puts variables of its names aside (PEP 709), and then it is a loop. */
static uint32_t find_inner(const unsigned char *p, intptr_t n, const struct opcodes *o,
			   struct inner *ret)
{
	uint32_t found = 0;

	for (intptr_t at = 0; at + 1 < n; at += 2) {
		intptr_t end;

		if (p[at] != o->load_and_clear)
			continue;
		end = loop_end(p, n, at, o);
		if (ret)
			ret[found] = (struct inner){(int)at, (int)end};
		found++;
		at = end;
	}
	return found;
}

static void add_inner(struct code *c)
{
	PyObject *code;
	const unsigned char *p;
	const struct opcodes *o = NULL;
	intptr_t n;

	for (size_t i = 0; i < sizeof(opcodes) / sizeof(*opcodes); i++)
		if (opcodes[i].version == python.version)
			o = &opcodes[i];
	code = o && python.PyFrame_GetLasti ? python.PyObject_GetAttrString(c->object, "co_code")
					    : NULL;
	if (!code)
		return;
	p = (const unsigned char *)python.PyBytes_AsString(code);
	n = python.PyBytes_Size(code);
	c->ninner = p ? find_inner(p, n, o, NULL) : 0;
	c->inner = c->ninner ? malloc(c->ninner * sizeof(*c->inner)) : NULL;
	if (c->inner)
		find_inner(p, n, o, c->inner);
	else
		c->ninner = 0;
	python.Py_DecRef(code);
}

bool codes_has_inner(const struct code *c, int instruction)
{
	for (uint32_t i = 0; i < c->ninner; i++)
		if (instruction >= c->inner[i].first && instruction <= c->inner[i].last)
			return true;
	return false;
}

bool codes_is_inner(const struct code *c, PyObject *frame)
{
	return codes_has_inner(c, python.PyFrame_GetLasti(frame));
}

/* ---- one code object ---- */

static size_t text_size(const char *s)
{
	size_t n = strlen(s);

	return (n < MEMORY_MAX_TEXT ? n : MEMORY_MAX_TEXT - 1) + 1;
}

static void make_function(struct code *c, const char *file, const char *name)
{
	long first = python_number(c->object, "co_firstlineno", 1);
	long last;
	bool stacks = config.flags & MEMORY_BLOCKS; /* only its name counts */
	size_t nfile = text_size(file), nname = text_size(name), nlines;
	struct memory_function_abi *f;

	first = first < 1 ? 1 : first;
	last = stacks ? first : last_line(c->object, first, 0);
	nlines = stacks				   ? 0
		 : last - first < MEMORY_MAX_LINES ? (size_t)(last - first) + 1
						   : MEMORY_MAX_LINES;
	f = store_record(MEMORY_FUNCTION, sizeof(*f) + nlines * sizeof(*c->lines) + nfile + nname);
	if (!f) {
		header->lost_functions++;
		return;
	}
	f->first_line = (uint32_t)first;
	f->last_line = (uint32_t)last;
	f->nlines = (uint32_t)nlines;
	f->file_bytes = (uint32_t)nfile;
	f->name_bytes = (uint32_t)nname;
	c->lines = (void *)(f + 1);
	memcpy((char *)(c->lines + nlines), file, nfile - 1);
	memcpy((char *)(c->lines + nlines) + nfile, name, nname - 1);
	c->first_line = f->first_line;
	c->nlines = f->nlines;
	c->number = nfunctions++;
	c->stops = python_number(c->object, "co_flags", 0) & CODE_STOPS;
	c->function = f;
	if (!stacks)
		add_inner(c);
}

/* force: it was asked for by name. */
static void decide(struct code *c, bool force)
{
	PyObject *type, *value, *traceback, *file, *name = NULL;
	const char *path, *text;
	bool quiet;

	quiet = allocator_quiet(true);
	python.PyErr_Fetch(&type, &value, &traceback);
	file = python.PyObject_GetAttrString(c->object, "co_filename");
	if (python.version >= 0x030b)
		name = python.PyObject_GetAttrString(c->object, "co_qualname");
	if (!name)
		name = python.PyObject_GetAttrString(c->object, "co_name");
	path = file ? python_text(file) : NULL;
	text = name ? python_text(name) : NULL;
	if (path && text &&
	    (force || config.flags & MEMORY_BLOCKS ||
	     (!is_comprehension(text) &&
	      (config.only_bytes ? is_asked_for(path, text) : of_the_user(path)))))
		make_function(c, path, text);
	if (file)
		python.Py_DecRef(file);
	if (name)
		python.Py_DecRef(name);
	python.PyErr_Restore(type, value, traceback);
	allocator_quiet(quiet);
}

/* ---- all of them ---- */

static inline size_t slot_of(const PyObject *code)
{
	return ((uintptr_t)code >> 4) * 0x9E3779B97F4A7C15ULL >> 20 & (nslots - 1);
}

static struct code **find_slot(const PyObject *code)
{
	size_t i = slot_of(code);

	while (slots[i] && slots[i]->object != code)
		i = (i + 1) & (nslots - 1);
	return &slots[i];
}

/* What is old stays mapped: it is small, and found nowhere. */
static bool make_room(void)
{
	struct code **old = slots;
	size_t n = nslots;

	if (ncodes < n / 2)
		return true;
	if (ncodes >= MAX_CODES)
		return false;
	slots = store_memory((n ? n * 2 : FIRST_SLOTS) * sizeof(*slots));
	if (!slots) {
		slots = old;
		return false;
	}
	nslots = n ? n * 2 : FIRST_SLOTS;
	/* Hashes go everywhere: all its pages will be there soon. */
	memset(slots, 0, nslots * sizeof(*slots));
	store_pages += (int64_t)(nslots * sizeof(*slots) / 4096);
	for (size_t i = 0; i < n; i++)
		if (old[i])
			*find_slot(old[i]->object) = old[i];
	return true;
}

static struct code *add(PyObject *code, bool force)
{
	struct code *c;

	if (!chunk_left) {
		chunk = store_memory(CODES_A_CHUNK * sizeof(*chunk));
		if (!chunk)
			return &unknown;
		chunk_left = CODES_A_CHUNK;
		store_pages += CODES_A_CHUNK * sizeof(*chunk) / 4096;
	}
	c = &chunk[--chunk_left];
	c->object = code;
	python.Py_IncRef(code);
	*find_slot(code) = c;
	ncodes++;
	decide(c, force);
	return c;
}

struct code *codes_find(PyObject *code)
{
	struct code *c = likely(slots != NULL) ? *find_slot(code) : NULL;

	if (likely(c != NULL))
		return c;
	return make_room() ? add(code, false) : &unknown;
}

void codes_decorate(PyObject *code)
{
	struct code *c = codes_find(code);

	if (c == &unknown)
		return;
	if (!c->function)
		decide(c, true);
	if (c->function)
		c->function->flags |= MEMORY_DECORATED;
}

struct code *codes_of_frame(PyObject *frame)
{
	/* Include/frameobject.h of 2.7 to 3.10: behind the head of a variable object and f_back.
	 * Include/internal/pycore_frame.h of 3.11: f_frame, and in that f_code. */
	enum { FRAME_CODE = 32, FRAME_INTERPRETER = 24, INTERPRETER_CODE = 32 };
	struct code *c;
	PyObject *code;

	if (python.version <= 0x030a)
		return codes_find(*(PyObject **)((char *)frame + FRAME_CODE));
	if (python.version == 0x030b)
		return codes_find(*(PyObject **)(*(char **)((char *)frame + FRAME_INTERPRETER) +
						 INTERPRETER_CODE));
	code = python.PyFrame_GetCode(frame);
	c = codes_find(code);
	python.Py_DecRef(code);
	return c;
}
