#include "unwind/join.h"

static bool in_loop(const struct python *py, const struct join_frame *f)
{
	uint64_t pc = f->address - !f->exact;

	for (int i = 0; py && i < PYTHON_EVAL_RANGES; i++)
		if (pc >= py->eval_start[i] && pc < py->eval_end[i])
			return true;
	return false;
}

static void add(struct join_stack *out, const struct join_frame *f)
{
	if (out->count < JOIN_MAX_FRAMES)
		out->frames[out->count++] = *f;
}

/* The Python frames of one call of the loop; at is the entry to start with. */
static uint32_t add_call(const struct join_input *in, uint32_t at, struct join_stack *out)
{
	while (at < in->python_count) {
		const struct unwind_entry *e = &in->python_entries[at++];
		uint8_t kind = e->tag & 0xff;
		struct join_frame f = {
			.address = e->address,
			.lasti = e->lasti,
			.check = e->tag >> 8,
			.kind = UNWIND_PYTHON,
		};

		if (kind != UNWIND_PYTHON_BOUNDARY)
			add(out, &f);
		if (kind != UNWIND_PYTHON)
			break;
	}
	return at;
}

static void add_gap(struct join_stack *out)
{
	const struct join_frame gap = {.kind = JOIN_GAP};

	out->gap = true;
	add(out, &gap);
}

static void add_calls(const struct join_input *in, uint32_t at, struct join_stack *out)
{
	while (at < in->python_count)
		at = add_call(in, at, out);
}

static struct join_frame native_frame(const struct unwind_entry *e)
{
	return (struct join_frame){
		.address = e->address,
		.kind = UNWIND_NATIVE,
		.exact = e->tag & (UNWIND_EXACT | UNWIND_TRAMPOLINE),
	};
}

static bool has_frames(const struct join_input *in, uint32_t at)
{
	for (; at < in->python_count; at++)
		if ((in->python_entries[at].tag & 0xff) != UNWIND_PYTHON_BOUNDARY)
			return true;
	return false;
}

/* All native frames are known, but not which of them are the loop. The innermost is the loop, or
 * what Python called; of each other it is not known between which frames of Python it stands. */
static void join_apart(const struct join_input *in, struct join_stack *ret)
{
	const struct join_frame leaf = native_frame(&in->native[0]);

	ret->count = 0;
	add(ret, &leaf);
	add_gap(ret);
	add_calls(in, 0, ret);
}

void join(const struct join_input *in, struct join_stack *ret)
{
	uint32_t python = 0, native = in->native_count;
	bool led = false;

	ret->count = 0;
	ret->gap = false;
	/* What the walk came to last is no code that we know: no frame. */
	if (native && in->native_end == UNWIND_NATIVE_NO_MAPPING)
		native--;
	for (uint32_t i = 0; i < native; i++) {
		struct join_frame f = native_frame(&in->native[i]);

		/* The loop's own frame stands for the Python frames that it runs. */
		if (python < in->python_count && in_loop(in->python, &f)) {
			/* So does the function of the instruction that the loop called. */
			if (in->python->eval_calls && ret->count && i &&
			    ret->frames[ret->count - 1].kind == UNWIND_NATIVE &&
			    ret->frames[ret->count - 1].address == in->native[i - 1].address)
				ret->count--;
			led = true;
			python = add_call(in, python, ret);
		} else {
			add(ret, &f);
		}
	}
	if (native && in->native_end == UNWIND_NATIVE_COMPLETE && has_frames(in, python)) {
		join_apart(in, ret);
		return;
	}
	if (python < in->python_count && !led && in->native_end != UNWIND_NATIVE_COMPLETE)
		add_gap(ret);
	add_calls(in, python, ret);
}
