#include "unwind/join.h"

/* No frame of the loop is larger. One that seems so lies on another stack than its caller. */
enum { MAX_LOOP_FRAME = 1 << 16 };

static struct join_frame native_frame(const struct unwind_entry *e)
{
	return (struct join_frame){
		.address = e->address,
		.kind = UNWIND_NATIVE,
		.exact = e->tag & (UNWIND_EXACT | UNWIND_TRAMPOLINE),
	};
}

static bool is_in_loop(const struct python *py, const struct join_frame *f)
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

/* Where the call of the loop that runs the Python frames from `at` on keeps the end that is no
 * frame: on the C stack, in its own frame. 0: it has none, or it is not known. */
static uint64_t end_of_call(const struct join_input *in, uint32_t at)
{
	for (; at < in->python_count; at++) {
		const struct unwind_entry *e = &in->python_entries[at];

		if ((e->tag & 0xff) != UNWIND_PYTHON)
			return (e->tag & 0xff) == UNWIND_PYTHON_BOUNDARY ? e->address : 0;
	}
	return 0;
}

/* Is this native frame that call of the loop? By what lies in its part of the stack, which nothing
 * else can be; else by its code, which a call that just begins runs, too. */
static bool is_call(const struct join_input *in, uint32_t native, uint64_t end)
{
	const struct unwind_entry *e = &in->native[native];
	const struct join_frame f = native_frame(e);
	uint32_t above = (uint32_t)end - e->sp;

	if (!end)
		return is_in_loop(in->python, &f);
	/* Where the outermost that is known begins is not known. */
	if (native + 1 >= in->native_count)
		return above < MAX_LOOP_FRAME && is_in_loop(in->python, &f);
	return above < e[1].sp - e->sp && e[1].sp - e->sp <= MAX_LOOP_FRAME;
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

/* The Python frames of the call of the loop that native frame i is; at is the entry to start with.
 */
static uint32_t join_call(const struct join_input *in, uint32_t i, uint32_t at,
			  struct join_stack *ret)
{
	const struct join_frame f = native_frame(&in->native[i]);

	/* The function of the instruction that the loop called is a part of it. */
	if (in->python && in->python->eval_calls && ret->count && i &&
	    ret->frames[ret->count - 1].kind == UNWIND_NATIVE &&
	    ret->frames[ret->count - 1].address == in->native[i - 1].address)
		ret->count--;
	at = add_call(in, at, ret);
	/* The loop's own frame stands for those that it runs. Where it was inlined into a function
	 * that called it, this one did so. */
	if (!is_in_loop(in->python, &f))
		add(ret, &f);
	return at;
}

void join(const struct join_input *in, struct join_stack *ret)
{
	uint32_t python = 0, native = in->native_count;
	uint64_t end = end_of_call(in, 0);
	bool led = false;

	ret->count = 0;
	ret->gap = false;
	/* What the walk came to last is no code that we know: no frame. */
	if (native && in->native_end == UNWIND_NATIVE_NO_MAPPING)
		native--;
	for (uint32_t i = 0; i < native; i++) {
		const struct join_frame f = native_frame(&in->native[i]);

		if (python < in->python_count && is_call(in, i, end)) {
			led = true;
			python = join_call(in, i, python, ret);
			end = end_of_call(in, python);
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
