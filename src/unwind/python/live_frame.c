#include "unwind/python/live_frame.h"

#include "unwind/python/layout.h"

enum {
	MAX_RETURNS = 16, /* frames that returned since one was the current one */
	MAX_CALLS = 16,	  /* and that were called since */
	MAX_FRAME_WORDS = 1 << 16,
	/* CPython 3.11, Include/internal/pycore_frame.h: FRAME_SPECIALS_SIZE. */
	SPECIALS_311 = 9,
	/* CPython 3.11 to 3.15, enum _frameowner. */
	OWNED_BY_GENERATOR = 1,
	OWNED_BY_FRAME_OBJECT = 2,
};

/* How a version's frames say whether they run. */
enum life {
	SAYS_NOTHING,
	IS_EXECUTING,  /* 3.6 to 3.9: char f_executing */
	FRAME_STATE,   /* 3.10: signed char f_state, FRAME_EXECUTING is 0 */
	STACK_TOP,     /* 3.11 to 3.13: int stacktop, -1 while the loop has it in a register */
	STACK_POINTER, /* 3.14 on: the same, NULL; and f_executable is cleared at the end */
};
/* Include/frameobject.h, Include/cpython/frameobject.h, Include/internal/pycore_frame.h. A row
 * serves until the next one. */
static const struct {
	uint32_t minor;
	uint16_t offset;
	uint8_t life;
} lives[] = {
	{0x0207, 0, SAYS_NOTHING},  {0x0306, 132, IS_EXECUTING}, {0x0307, 116, IS_EXECUTING},
	{0x030a, 108, FRAME_STATE}, {0x030b, 64, STACK_TOP},	 {0x030e, 64, STACK_POINTER},
};

static size_t life_of(uint32_t version)
{
	size_t i = ARRAY_SIZE(lives) - 1;

	while (i && lives[i].minor > python_minor(version))
		i--;
	return i;
}

bool frame_tells_end(uint32_t version)
{
	return lives[life_of(version)].life != SAYS_NOTHING;
}

static uint64_t word_at(const uint8_t *bytes, size_t offset)
{
	uint64_t v;

	memcpy(&v, bytes + offset, sizeof(v));
	return v;
}

/* Who has the frame: what stands behind is_entry in 3.11, and is the boundary itself later. */
static uint8_t owner_of(const struct python_layout *l, const uint8_t *frame)
{
	return frame[l->frame_boundary + (l->style == PYTHON_IS_ENTRY)];
}

static enum frame_state heap_state(const struct frame_image *m, uint64_t frame)
{
	size_t life = life_of(m->version);
	int8_t says;

	if (lives[life].life == SAYS_NOTHING)
		return FRAME_CALLS;
	if (m->read(m->context, frame + lives[life].offset, &says, sizeof(says)))
		return FRAME_DEAD;
	return says == (lives[life].life == IS_EXECUTING) ? FRAME_RUNS : FRAME_DEAD;
}

static enum frame_state stack_state(const struct frame_image *m, uint64_t frame,
				    const uint8_t *bytes, const struct frame_link *f)
{
	size_t life = life_of(m->version);
	uint64_t top = word_at(bytes, lives[life].offset);
	uint8_t owner = owner_of(m->layout, bytes);

	/* One that is suspended, or whose object outlives its call. */
	if ((owner == OWNED_BY_GENERATOR && !f->previous) || owner == OWNED_BY_FRAME_OBJECT ||
	    !f->code)
		return FRAME_DEAD;
	if (owner >= PYTHON_OWNER_CSTACK)
		return FRAME_CALLS;
	if (lives[life].life == STACK_POINTER && top)
		return top - frame < MAX_FRAME_WORDS * 8 ? FRAME_CALLS : FRAME_DEAD;
	if (lives[life].life == STACK_POINTER)
		return FRAME_RUNS;
	return (int32_t)(uint32_t)top == -1 ? FRAME_RUNS : FRAME_CALLS;
}

int frame_link_read(const struct frame_image *m, uint64_t frame, struct frame_link *ret)
{
	const struct python_layout *l = m->layout;
	uint8_t bytes[PYTHON_FRAME_BYTES];

	if (l->frame_size > sizeof(bytes) || m->read(m->context, frame, bytes, l->frame_size))
		return -EFAULT;
	ret->code = word_at(bytes, l->frame_code) & ~(uint64_t)l->code_tags;
	ret->previous = word_at(bytes, l->frame_previous);
	ret->instruction = word_at(bytes, l->frame_instruction);
	/* One that is being made has what lay there before: no way leads on from there. */
	if (ret->code % sizeof(ret->code) || ret->previous == ret->code)
		ret->code = ret->previous = 0;
	if (l->style == PYTHON_EACH_FRAME)
		ret->instruction = (uint32_t)ret->instruction;
	ret->own_object = l->style == PYTHON_EACH_FRAME;
	ret->ends_call = ret->is_boundary = false;
	if (ret->own_object) {
		ret->state = heap_state(m, frame);
		return 0;
	}
	ret->own_object = owner_of(l, bytes) == OWNED_BY_GENERATOR;
	ret->state = stack_state(m, frame, bytes, ret);
	ret->ends_call = l->style == PYTHON_IS_ENTRY && bytes[l->frame_boundary];
	ret->is_boundary =
		l->style == PYTHON_OWNER_SHIM && owner_of(l, bytes) >= PYTHON_OWNER_CSTACK;
	return 0;
}

/* Bytes from a frame of the data stack to the one that it calls; 0: not known. */
static uint64_t bytes_of(const struct frame_image *m, uint64_t code)
{
	const struct python_layout *l = m->layout;
	const uint32_t *words = m->code_words(m->context, code);
	uint64_t n;

	if (!words)
		return 0;
	/* co_stacksize, co_firstlineno, co_nlocalsplus, and from 3.12 on co_framesize. */
	words += l->code_line_index;
	n = l->style == PYTHON_IS_ENTRY ? (uint64_t)words[1] + words[-1] + SPECIALS_311 : words[2];
	return n <= MAX_FRAME_WORDS ? n * sizeof(uint64_t) : 0;
}

/* A chain of callers as far as the images tell: frames, innermost first. */
struct chain {
	uint64_t frames[MAX_RETURNS];
	struct frame_link links[MAX_RETURNS];
	int n;
};

/* From frame on to its callers, over calls of C, too, where the frames between the calls of the
 * loop can be read. */
static void follow(const struct frame_image *m, uint64_t frame, struct chain *ret)
{
	ret->n = 0;
	while (frame && ret->n < MAX_RETURNS && !frame_link_read(m, frame, &ret->links[ret->n])) {
		ret->frames[ret->n] = frame;
		frame = ret->links[ret->n++].previous;
	}
}

/* Did `caller` call this frame? In the same call of the loop, or by a function of C. */
static bool is_called_by(const struct frame_image *m, const struct frame_link *f, uint64_t caller,
			 bool only_by_c)
{
	struct frame_link boundary;

	if (f->previous == caller)
		return f->ends_call || !only_by_c;
	return f->previous && !frame_link_read(m, f->previous, &boundary) && boundary.is_boundary &&
	       boundary.previous == caller;
}

/* Where the next frame is made when c->frames[i] calls: behind the innermost of the data stack. */
static uint64_t next_place(const struct frame_image *m, const struct chain *c, int i)
{
	uint64_t bytes;

	while (i < c->n && (c->links[i].own_object || c->links[i].is_boundary))
		i++;
	bytes = i < c->n ? bytes_of(m, c->links[i].code) : 0;
	return bytes ? c->frames[i] + bytes : 0;
}

/* The innermost of the frames that c->frames[i] leads to which runs; 0: none does. */
static uint64_t climb(const struct frame_image *m, const struct chain *c, int i)
{
	bool tells_end = lives[life_of(m->version)].life == STACK_POINTER;
	uint64_t frame = c->frames[i], next = next_place(m, c, i), found = 0;
	struct frame_link link = c->links[i];
	bool only_by_c;

	for (int calls = 0; calls < MAX_CALLS; calls++) {
		uint64_t bytes;

		if (link.state == FRAME_RUNS || (tells_end && link.state == FRAME_CALLS))
			found = frame;
		/* Not what it called while this was copied: it ran until then. */
		only_by_c = !tells_end && link.state == FRAME_RUNS;
		if (!next || frame_link_read(m, next, &link) || link.own_object ||
		    link.is_boundary || link.state == FRAME_DEAD ||
		    !is_called_by(m, &link, frame, only_by_c))
			break;
		frame = next;
		bytes = bytes_of(m, link.code);
		next = bytes ? frame + bytes : 0;
	}
	return found;
}

/* Of the callers of a frame that is over the first that is not. */
static int first_alive(const struct chain *c)
{
	int i = 0;

	while (i < c->n && c->links[i].state == FRAME_DEAD)
		i++;
	return i;
}

/* The outermost frame that runs, of those in the same call of the loop: what lies above it is left.
 */
static int outermost_running(const struct chain *c)
{
	int found = -1;

	for (int i = 0; i < c->n && !c->links[i].is_boundary; i++) {
		if (c->links[i].state == FRAME_RUNS)
			found = i;
		if (c->links[i].ends_call)
			break;
	}
	return found;
}

uint64_t frame_running(const struct frame_image *m, uint64_t current)
{
	struct chain c;
	uint64_t found = 0;
	int first;

	follow(m, current, &c);
	if (!c.n)
		return 0;
	if (m->layout->style == PYTHON_EACH_FRAME)
		return c.links[0].state == FRAME_DEAD ? 0 : current;
	if (c.links[0].is_boundary)
		return current;
	first = outermost_running(&c);
	if (first < 0)
		first = first_alive(&c);
	if (first < c.n && c.links[first].own_object && c.links[first].state == FRAME_CALLS)
		found = c.frames[first];
	for (int i = first; i < c.n && !c.links[i].is_boundary; i++) {
		uint64_t above = climb(m, &c, i);

		if (above)
			return above;
	}
	return found;
}
