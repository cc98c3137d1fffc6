#include "unwind/python/greenlet.h"

#include "unwind/python/layout.h"
#include "unwind/python/tracked.h"

enum {
	MAX_GREENLETS = 10000,
	MAX_NAME = 256,
	MAX_BASES = 16,
	MAX_TRIES = 3,
	MAX_STACK = 1 << 30,
	TYPE_BASE = 256, /* PyTypeObject.tp_base, 3.8 to 3.13 */
};
/* greenlet 2.0 to 3.5, src/greenlet/greenlet.h: struct _greenlet. */
enum { GREENLET_DICT = 24, GREENLET_IMPLEMENTATION = 32 };
/* src/greenlet/TGreenlet.hpp (greenlet_greenlet.hpp in 2.0 and 3.0): class Greenlet has its virtual
 * functions, from 3.1.1 on _self, exception_state (whose size is CPython's: four words more
 * to 3.10, two from 3.11 on), switch_args of two words, stack_state of five, and python_state. */
enum {
	IMPLEMENTATION_SELF = 8,
	STATE_TO_310 = 64,
	STATE_FROM_311 = 48,
	FRAME_OBJECT_FRAME = 24, /* PyFrameObject.f_frame from 3.11 on */
};
struct state {
	uint64_t stack_start, stack_stop, stack_copy, stack_saved, stack_previous;
	uint64_t context, top_frame;
};
struct parts {
	uint64_t at;	  /* its implementation */
	uint64_t behind;  /* offset of what follows the state */
	bool self_behind; /* to 3.1.0 _self is a part of the derived classes */
	struct state state;
};
/* Behind it stands what depends on both versions, then, in a derived class, _self when it was not
 * there before, the main greenlet (of which a main greenlet has itself: _self), and either the
 * function to run and the parent, or the state of the thread. */
enum { MAX_WORDS_BEHIND = 12, PARENT_BEHIND = 16, THREAD_BEHIND = 8 };
#define STACK_STOP_OF_MAIN UINT64_MAX

/* ---- one greenlet ---- */

/* Is there a word behind the state that names the greenlet itself? */
static bool has_self_behind(const struct python_objects *o, uint64_t greenlet,
			    const struct parts *p)
{
	uint64_t word;

	for (uint64_t i = 0; i < MAX_WORDS_BEHIND; i++)
		if (!memory_word(o->memory, p->at + p->behind + i * 8, &word) && word == greenlet)
			return true;
	return false;
}

/* -EINVAL: it is none that we know. */
static int read_parts(const struct python_objects *o, uint64_t greenlet, struct parts *ret)
{
	uint64_t offset = python_minor(o->version) < 0x030b ? STATE_TO_310 : STATE_FROM_311;
	struct parts p = {};
	uint64_t self;
	int r = memory_word(o->memory, greenlet + GREENLET_IMPLEMENTATION, &p.at);

	if (!r && (!p.at || p.at % 8))
		r = -EINVAL;
	if (!r)
		r = memory_word(o->memory, p.at + IMPLEMENTATION_SELF, &self);
	if (r < 0)
		return r;
	p.self_behind = self != greenlet;
	offset += p.self_behind ? 0 : 8;
	p.behind = offset + sizeof(p.state);
	r = memory_read(o->memory, p.at + offset, &p.state, sizeof(p.state));
	if (!r && p.self_behind && !has_self_behind(o, greenlet, &p))
		r = -EINVAL;
	if (r < 0)
		return r;
	*ret = p;
	return 0;
}

static bool is_main(const struct python_objects *o, uint64_t address)
{
	struct parts p;

	return address && address % 8 == 0 && !read_parts(o, address, &p) &&
	       p.state.stack_stop == STACK_STOP_OF_MAIN;
}

/* Where in the implementation of a started greenlet its main one is named; 0: nowhere. */
static uint64_t find_link(const struct python_objects *o, const struct parts *p)
{
	uint64_t word;

	for (uint64_t i = 0; i < MAX_WORDS_BEHIND; i++)
		if (!memory_word(o->memory, p->at + p->behind + i * 8, &word) && is_main(o, word))
			return p->behind + i * 8;
	return 0;
}

static char *read_name(const struct python_objects *o, const struct python_greenlet *g)
{
	cleanup_buf struct buf name = {};
	struct python_object self, object;
	uint64_t dict, at;

	/* gevent keeps a name there when it was given one. */
	if (!memory_word(o->memory, g->address + GREENLET_DICT, &dict) && dict &&
	    !python_dict_find(o, dict, "name", &at) && !python_object_read(o, at, &object) &&
	    object.kind == PYTHON_STR && python_str(o, at, MAX_NAME, &name) > 0)
		return mem_strdup(buf_cstr(&name));
	name.len = 0;
	if (g->is_main)
		buf_puts(&name, "main greenlet");
	else if (!python_object_read(o, g->address, &self))
		buf_printf(&name, "%s at 0x%llx", self.name, (unsigned long long)g->address);
	return mem_strdup(buf_cstr(&name));
}

/* ---- all of them ---- */

struct search {
	const struct python_objects *o;
	struct python_greenlets *all;
	uint64_t type;	    /* greenlet.greenlet */
	struct map64 types; /* what was found out of types: 1 where they derive from it */
	struct map64 seen;  /* greenlets */
	uint64_t link;	    /* offset; 0: not known yet */
	size_t first;	    /* of those that this search found */
};

static bool derives(const struct search *s, uint64_t type)
{
	for (int i = 0; i < MAX_BASES && type; i++) {
		if (type == s->type)
			return true;
		if (type % 8 || memory_word(s->o->memory, type + TYPE_BASE, &type))
			return false;
	}
	return false;
}

static bool is_greenlet_type(struct search *s, uint64_t type)
{
	const uint64_t *known = map64_get(&s->types, type);
	bool is;

	if (known)
		return *known;
	is = derives(s, type);
	map64_set(&s->types, type, is);
	return is;
}

static bool take(void *arg, uint64_t address, uint64_t type)
{
	struct search *s = arg;
	struct python_greenlet g = {.address = address};
	struct parts p;

	if (!is_greenlet_type(s, type) || map64_get(&s->seen, address))
		return true;
	if (s->all->all.len >= MAX_GREENLETS) {
		s->all->cut = true;
		return false;
	}
	map64_set(&s->seen, address, 1);
	if (read_parts(s->o, address, &p)) {
		s->all->unknown = true;
		return true;
	}
	g.is_main = p.state.stack_stop == STACK_STOP_OF_MAIN;
	/* It ended. */
	if (p.state.stack_stop && !p.state.stack_start)
		return true;
	g.state = !p.state.stack_stop ? PYTHON_GREENLET_CREATED
		  : p.state.top_frame ? PYTHON_GREENLET_SUSPENDED
				      : PYTHON_GREENLET_RUNNING;
	/* Where another one started, or a main greenlet was suspended. */
	if (!g.is_main)
		g.stack = p.state.stack_stop;
	else if (p.state.stack_start > 1)
		g.stack = p.state.stack_start;
	if (!s->link && g.state != PYTHON_GREENLET_CREATED) {
		s->link = find_link(s->o, &p);
		s->link += s->link && g.is_main && p.self_behind ? 8 : 0;
	}
	vec_push(&s->all->all, g);
	return true;
}

static uint64_t link_at(const struct search *s, const struct parts *p)
{
	bool main = p->state.stack_stop == STACK_STOP_OF_MAIN;

	return p->at + s->link - (main && p->self_behind ? 8 : 0);
}

/* That of a main greenlet. */
static bool thread_lives(const struct search *s, uint64_t main)
{
	struct parts p;
	uint64_t thread;

	return read_parts(s->o, main, &p) ||
	       memory_word(s->o->memory, link_at(s, &p) + THREAD_BEHIND, &thread) || thread;
}

/* What needs to know where links are. False: its thread ended, and with it what it could do. */
static bool link_one(const struct search *s, struct python_greenlet *g)
{
	struct parts p;

	if (!s->link || read_parts(s->o, g->address, &p))
		return true;
	if (memory_word(s->o->memory, link_at(s, &p), &g->main))
		g->main = 0;
	if (!g->is_main && memory_word(s->o->memory, link_at(s, &p) + PARENT_BEHIND, &g->parent))
		g->parent = 0;
	return !g->main || thread_lives(s, g->main);
}

static void link_all(struct search *s)
{
	size_t kept = s->first;

	for (size_t i = s->first; i < s->all->all.len; i++) {
		struct python_greenlet g = s->all->all.data[i];

		if (!link_one(s, &g))
			continue;
		g.name = read_name(s->o, &g);
		s->all->all.data[kept++] = g;
	}
	s->all->all.len = kept;
}

int python_greenlets_read(struct python_greenlets *g, const struct python_objects *o,
			  const struct python *py, uint64_t interpreter)
{
	struct search s = {.o = o, .all = g, .first = g->all.len};
	bool cut = false;
	uint64_t module;
	int r = python_module_dict(o, interpreter, "greenlet._greenlet", &module);

	if (!r)
		r = python_dict_find(o, module, "greenlet", &s.type);
	if (!r)
		r = python_tracked_each(o, py, interpreter, take, &s, &cut);
	if (!r)
		link_all(&s);
	g->cut |= cut;
	map64_fini(&s.types);
	map64_fini(&s.seen);
	return r;
}

void python_greenlets_fini(struct python_greenlets *g)
{
	for (size_t i = 0; i < g->all.len; i++)
		free(g->all.data[i].name);
	vec_fini(&g->all);
}

/* ---- frames ---- */

/* From 3.12 on some frames are on the native stack. A part of that of a suspended greenlet was
 * moved away, and another one's lies in its place. */
struct moved_stack {
	const struct memory *memory;
	struct state state;
};

static int read_moved(const struct moved_stack *m, uint64_t address, void *buf, size_t n)
{
	uint64_t at = address - m->state.stack_start, first;
	int r;

	if (m->state.stack_saved > MAX_STACK || at >= m->state.stack_saved)
		return memory_read(m->memory, address, buf, n);
	first = MIN(n, m->state.stack_saved - at);
	r = memory_read(m->memory, m->state.stack_copy + at, buf, first);
	if (!r && first < n)
		r = memory_read(m->memory, address + first, (char *)buf + first, n - first);
	return r;
}

/* The walk is compiled in as BPF compiles it, as in python_reader.c. */
static _Thread_local const struct moved_stack *walked;

#define WALK_READ(dst, size, address) read_moved(walked, (address), (dst), (size))
/* Native frames are not walked here. */
#define TABLE_MAPPINGS() ((const struct unwind_mapping *)NULL)
#define TABLE_PAGES()	 ((const struct unwind_page *)NULL)
#define TABLE_RULES()	 ((const struct unwind_rule *)NULL)
#define TABLE_FILE(id)	 ((struct unwind_file *)NULL)
#define TABLE_CHUNK(i)	 ((const unwind_row *)NULL)
#include "unwind/walk.h"

static uint32_t walk_frames(const struct moved_stack *m, const struct python *py, uint64_t frame,
			    struct python_coroutine_frame *ret, size_t max, uint8_t *ret_end)
{
	static _Thread_local struct unwind_entry entries[UNWIND_MAX_ENTRIES];
	struct walk w = {.phase = WALK_PYTHON, .python_frame = frame};
	uint32_t n = 0;

	walked = m;
	w.python_end = UNWIND_PYTHON_NONE;
	while (w.python_frame && w.phase != WALK_DONE) {
		uint64_t at = w.python_frame;
		uint32_t before = w.count;

		if (n == max) {
			w.python_end = UNWIND_PYTHON_DEEP;
			break;
		}
		python_step(&w, &py->process, entries);
		if (w.count > before && (entries[before].tag & 0xff) != UNWIND_PYTHON_BOUNDARY)
			ret[n++] = (struct python_coroutine_frame){entries[before], at};
	}
	*ret_end = w.python_end;
	return n;
}

static int frames_once(const struct python_objects *o, const struct python *py, uint64_t address,
		       struct python_coroutine_frame *ret, size_t max, uint8_t *ret_end)
{
	struct moved_stack m = {.memory = o->memory};
	struct parts before, after;
	struct python_object object;
	uint64_t frame;
	uint32_t n;
	int r = read_parts(o, address, &before);

	if (!r && !before.state.top_frame)
		r = -EAGAIN;
	if (!r)
		r = python_object_read(o, before.state.top_frame, &object);
	if (!r && strcmp(object.name, "frame"))
		r = -EINVAL;
	if (r < 0)
		return r;
	frame = before.state.top_frame;
	if (py->process.layout.style != PYTHON_EACH_FRAME)
		r = memory_word(o->memory, frame + FRAME_OBJECT_FRAME, &frame);
	if (r < 0)
		return r;
	m.state = before.state;
	n = walk_frames(&m, py, frame, ret, max, ret_end);
	r = read_parts(o, address, &after);
	if (!r && memcmp(&after.state, &before.state, sizeof(after.state)))
		r = -EAGAIN;
	return r < 0 ? r : (int)n;
}

int python_greenlet_frames(const struct python_objects *o, const struct python *py,
			   uint64_t address, struct python_coroutine_frame *ret, size_t max,
			   uint8_t *ret_end)
{
	cleanup_free struct python_coroutine_frame *again = mem_calloc(max, sizeof(*again));
	uint8_t end;

	/* It may run and be suspended in the same place again: twice the same is believed. */
	for (int tries = 0; tries < MAX_TRIES; tries++) {
		int n = frames_once(o, py, address, ret, max, ret_end);

		if (n >= 0 && frames_once(o, py, address, again, max, &end) == n &&
		    end == *ret_end && !memcmp(ret, again, (size_t)n * sizeof(*ret)))
			return n;
	}
	return -EAGAIN;
}
