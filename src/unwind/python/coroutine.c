#include "unwind/python/coroutine.h"

#include "unwind/python/layout.h"
#include "unwind/python/python_check.h"

enum { MAX_STACK = 1 << 16 }; /* variables and temporaries of a frame */

/* Include/cpython/genobject.h: gi_frame, a pointer to 3.10, or gi_iframe, the frame itself;
 * Include/cpython/frameobject.h, Include/internal/pycore_frame.h: the top of its stack. */
static const struct generator_layout {
	uint32_t minor;
	uint16_t frame;
	bool inside;
	uint16_t stack_top; /* 3.10: a number, above values; 3.11: above locals; or: */
	bool pointer;	    /* to 3.9, and from 3.14 on */
	uint16_t values;
	uint16_t state; /* gi_frame_state, from 3.11 on */
	int8_t created; /* Include/internal/pycore_frame.h: FRAME_CREATED */
	uint8_t above;	/* what is awaited: 3.15, Python/codegen.c: PUSH_NULL before SEND */
} layouts[] = {
	{0x0308, 16, false, 72, true, 0, 0, 0, 0},   {0x0309, 16, false, 72, true, 0, 0, 0, 0},
	{0x030a, 16, false, 80, false, 64, 0, 0, 0}, {0x030b, 80, true, 64, false, 0, 75, -2, 0},
	{0x030c, 72, true, 64, false, 0, 67, -2, 0}, {0x030d, 72, true, 64, false, 0, 67, -3, 0},
	{0x030e, 72, true, 64, true, 0, 67, -3, 0},  {0x030f, 72, true, 64, true, 0, 67, 0, 1},
};

static const struct generator_layout *layout_of(uint32_t version)
{
	for (size_t i = 0; i < ARRAY_SIZE(layouts); i++)
		if (layouts[i].minor == python_minor(version))
			return &layouts[i];
	return NULL;
}

/* The object on top of a suspended frame's stack: what is awaited. 0: the frame runs, or its stack
 * is empty. */
static int stack_top(const struct python_objects *o, const struct generator_layout *g,
		     uint64_t frame, uint64_t *ret)
{
	uint64_t at;
	int32_t n;
	int r;

	*ret = 0;
	if (g->pointer) {
		r = memory_word(o->memory, frame + g->stack_top, &at);
		if (!r && at)
			r = memory_word(o->memory, at - 8 - 8 * g->above, ret);
		*ret &= ~(uint64_t)o->layout->local_tags;
		return r;
	}
	r = memory_read(o->memory, frame + g->stack_top, &n, sizeof(n));
	if (r < 0 || n <= 0)
		return r;
	if (n > MAX_STACK)
		return -EINVAL;
	at = frame + o->layout->frame_locals;
	r = g->values ? memory_word(o->memory, frame + g->values, &at) : 0;
	return r < 0 ? r : memory_word(o->memory, at + (uint64_t)(n - 1) * 8, ret);
}

static int read_frame(const struct python_objects *o, const struct python_layout *l, uint64_t frame,
		      struct python_coroutine_frame *ret)
{
	uint32_t words[PYTHON_CODE_WORDS], lasti;
	uint64_t code, instruction;
	int r = memory_word(o->memory, frame + l->frame_code, &code);

	if (!r)
		r = memory_word(o->memory, frame + l->frame_instruction, &instruction);
	if (!r)
		r = memory_read(o->memory, code + l->code_flags, words, sizeof(words));
	if (r < 0)
		return r;
	lasti = l->style == PYTHON_EACH_FRAME ? (uint32_t)instruction << l->lasti_shift
					      : (uint32_t)(instruction - (code + l->code_start));
	*ret = (struct python_coroutine_frame){
		.entry = {.address = code,
			  .lasti = lasti,
			  .tag = UNWIND_PYTHON | python_code_check(words, l) << 8},
		.address = frame,
	};
	return 0;
}

/* What did not start awaits nothing: on top of its stack are its variables. */
static bool is_created(const struct python_objects *o, const struct generator_layout *g,
		       uint64_t generator, const struct python_coroutine_frame *f)
{
	int8_t state;

	if (!g->state)
		return (int32_t)f->entry.lasti < 0;
	return memory_read(o->memory, generator + g->state, &state, 1) || state == g->created;
}

/* Wrappers stand between a coroutine and what it awaits: they hold it in their first field. */
static int unwrap(const struct python_objects *o, uint64_t *address, bool *ret_coroutine)
{
	enum {
		MAX_WRAPPERS = 4,
		FIRST_FIELD = 16
	}; /* Objects/genobject.c: cw_coroutine, ags_gen */
	static const char *const wrappers[] = {"coroutine_wrapper", "async_generator_asend",
					       "async_generator_athrow"};
	static const char *const coroutines[] = {"coroutine", "generator", "async_generator"};
	struct python_object object;

	*ret_coroutine = false;
	for (int i = 0; i < MAX_WRAPPERS; i++) {
		bool wrapped = false;
		int r = python_object_read(o, *address, &object);

		for (size_t k = 0; !r && k < ARRAY_SIZE(coroutines); k++)
			*ret_coroutine |= !strcmp(object.name, coroutines[k]);
		for (size_t k = 0; !r && k < ARRAY_SIZE(wrappers); k++)
			wrapped |= !strcmp(object.name, wrappers[k]);
		if (r < 0 || !wrapped)
			return r;
		r = memory_word(o->memory, *address + FIRST_FIELD, address);
		if (r < 0)
			return r;
	}
	return -EINVAL;
}

int python_coroutine_frame(const struct python_objects *o, uint64_t address, uint64_t *ret_frame)
{
	const struct generator_layout *g = layout_of(o->version);
	bool coroutine;
	uint64_t frame;
	int r = g ? unwrap(o, &address, &coroutine) : -ENOTSUP;

	if (r < 0)
		return r;
	if (!coroutine)
		return -EINVAL;
	frame = address + g->frame;
	r = g->inside ? 0 : memory_word(o->memory, frame, &frame);
	if (r < 0 || !frame)
		return r < 0 ? r : -EINVAL;
	*ret_frame = frame;
	return 0;
}

int python_coroutine_frames(const struct python_objects *o, const struct python_layout *l,
			    uint64_t address, struct python_coroutine_frame *ret, size_t max,
			    uint64_t *ret_awaited)
{
	const struct generator_layout *g = layout_of(o->version);
	size_t n = 0;

	*ret_awaited = 0;
	if (!g)
		return -ENOTSUP;
	while (n < max && address) {
		uint64_t frame, awaited;
		bool coroutine;

		/* What runs is on the stack of its thread. */
		if (unwrap(o, &address, &coroutine) || !coroutine ||
		    python_coroutine_frame(o, address, &frame) ||
		    stack_top(o, g, frame, &awaited) || !awaited ||
		    read_frame(o, l, frame, &ret[n]))
			break;
		address = is_created(o, g, address, &ret[n++]) ? 0 : awaited;
	}
	*ret_awaited = n ? address : 0;
	return (int)n;
}
